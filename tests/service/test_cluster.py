"""A real Ray cluster on this machine with two actors of each kind: the same numbers, the same turns, whoever dies."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from dimap_core import pipeline
from dimap_core.measure.accuracy import hired, predict
from dimap_core.pipeline.cluster.connect import check_alike, connected, versions
from dimap_core.pipeline.cluster.crew import Crew
from dimap_core.pipeline.evaluation import runner
from dimap_core.service import index
from dimap_core.service.client import WorkerClient
from dimap_core.service.cluster.hands import Hands
from dimap_core.service.cluster.routes import Routes
from dimap_core.studies import sweep
from dimap_core.types.errors import PruningError
from dimap_core.types.plan import PruningPlan
from tests.helpers import assert_refused, finish, wait

ROOT = Path(__file__).parents[2]
DEIT = {"model": "deit-digits", "weights": "pretrained", "data": "digits"}
PLAN = PruningPlan(ratio=0.7)


@pytest.fixture(scope="module")
def address():
    """Of a cluster of this process, which listens on this machine only."""
    if importlib.util.find_spec("ray") is None:  # not imported yet: what is set for it must stand before
        pytest.skip("Ray is not installed here: pip install '.[cluster]'")
    # Its sockets' paths may be no longer than 100 characters.
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory("", "ray-", ignore_cleanup_errors=True) as place,
    ):
        for name in [name for name in os.environ if name.startswith("RAY_")]:
            patch.delenv(name)
        patch.setenv("DIMAP_RAY", "auto")
        patch.setenv("RAY_TMPDIR", place)  # a cluster that someone has running here is left alone
        found = connected(cores=2)
        patch.setenv("DIMAP_RAY", found.ray.get_runtime_context().gcs_address)
        try:
            yield os.environ["DIMAP_RAY"]
        finally:
            found.leave()


@pytest.fixture(scope="module")
def crew(address):
    """Two judges."""
    return Crew(connected())


@pytest.fixture(scope="module")
def client(address):
    """A client whose relay has two actors; both have started."""
    with closing(WorkerClient()) as client:
        evaluate(client, "first", 0.5)
        wait(lambda: len(actors("Hands.serve")) == 2)
        yield client


@pytest.fixture(scope="module")
def deit():
    """A model that this process judges alone."""
    opened = pipeline.open_model("deit-digits")
    return opened, pipeline.default_data(opened)


def actors(kind):
    """Processes of actors of that class."""
    everyone = psutil.Process().children(recursive=True)
    return [process for process in everyone if "".join(process.cmdline()).startswith(f"ray::{kind}")]


def same(found, wanted):
    """Whether two processes said the same of every image, to the last bit."""
    names = ("classes", "in_top5", "confidence", "margin", "loss")
    return all(np.array_equal(getattr(found, name), getattr(wanted, name)) for name in names)


def evaluate(client, session, ratio, **more):
    request = {**DEIT, "kind": "evaluate", "recipe": {"version": 1, "ratio": ratio}, **more}
    return client.submit(session, "live", request)


def known(deit, ratio):
    return pipeline.judge_fully(*deit, PruningPlan(ratio=ratio))


# --- without a cluster


def test_without_the_setting_nothing_of_ray_is_loaded():
    code = """
import sys
from dimap_core import pipeline
from dimap_core.cli import main
from dimap_core.service import Worker, WorkerClient
sys.argv = ["dimap_core", "evaluate", "deit-digits", "--limit", "8", "--json"]
try:
    main()
except SystemExit as leaving:
    WorkerClient().close()
    print(leaving.code, "ray" in sys.modules)
"""
    env = {name: value for name, value in os.environ.items() if name != "DIMAP_RAY"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"


def test_what_cannot_be_used_is_told_in_a_sentence(call, monkeypatch, tmp_path):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "0")  # so that it is put back
    for asked, installed, said in (
        ("auto", False, "Ray is not installed here: pip install '.[cluster]'"),
        ("127.0.0.1:1", True, "No Ray cluster answers at '127.0.0.1:1'"),
        ("nonsense", True, "No Ray cluster answers at 'nonsense'"),
    ):
        monkeypatch.setenv("DIMAP_RAY", asked)
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
        if not installed:
            monkeypatch.setitem(sys.modules, "ray", None)
        code, out, err = call("evaluate", "deit-digits", "--limit", 8)
        assert (code, out) == (2, "") and said in err and len(err.splitlines()) == 1
        monkeypatch.delitem(sys.modules, "ray", raising=False) if not installed else None


def test_a_page_is_told_the_same_sentence(monkeypatch):
    monkeypatch.setenv("DIMAP_RAY", "127.0.0.1:1")
    with closing(WorkerClient()) as lost:
        ticket = evaluate(lost, "lost", 0.5)
        finish(ticket)
        assert "No Ray cluster answers" in ticket.error and ticket.kind == "PruningError"


def test_other_versions_and_a_folder_of_its_own_are_seen(tmp_path):
    check_alike(versions(), "far")
    assert_refused(PruningError, lambda: check_alike({**versions(), "torch": "1.0"}, "far"), "far", "torch 1.0")
    (tmp_path / "relay").write_text("mine", encoding="utf-8")
    hands = Hands(str(tmp_path / "0"), 1)
    assert hands.about("mine")[2] and not hands.about("another's")[2]


# --- who works for whom


def ask(ticket, session, **more):
    return {"ticket": ticket, "session": session, "channel": "live", "kind": "evaluate", **more}


def test_sessions_are_spread_and_stay_where_they_are():
    routes = Routes({0, 1, 2}, ready={1, 2})
    assert [routes.accept(ask(str(n), session))[0][0] for n, session in enumerate("abcab")] == [1, 2, 1, 1, 2]
    routes.accept({"cancel": "a", "channel": None})
    routes.accept({"cancel": "c", "channel": None})
    assert routes.accept(ask("5", "d"))[0][0] == 1, "those that left make room"
    assert [actor for actor, _ in routes.accept({"forget": "file:"})] == [0, 1, 2]


def test_who_joined_at_another_actor_leaves_there_too():
    routes = Routes({0, 1})
    routes.accept(ask("1", "a"))
    routes.accept(ask("2", "b"))
    leave = {"cancel": "b", "channel": "live"}
    join = {"session": "b", "channel": "live", "join": "1"}
    assert routes.accept(join) == [(1, leave), (0, join)]
    assert routes.accept(join) == [(0, join)], "again the same changes nothing"
    new = ask("3", "b")
    assert routes.accept(new) == [(0, leave), (1, new)]
    assert routes.asked["1"].sessions == ["a"] and routes.asked["3"].sessions == ["b"]


def test_what_was_under_way_is_asked_again_for_those_who_wait():
    routes = Routes({0})
    for message in (ask("1", "a"), {"session": "b", "channel": "live", "join": "1"}, ask("2", "c"), ask("3", "a")):
        routes.accept(message)
    routes.accept({"cancel": "c", "channel": "live"})
    opening = ask("4", "a", channel="open", kind="open")
    routes.accept(opening)
    again, tickets, ended = routes.died(0)
    assert again == [ask("1", "b"), ask("3", "a"), opening]
    assert tickets == ["1", "3", "4"] and ended == ["2"] and routes.deadly() == []
    routes.died(0)
    assert routes.died(0) == ([], [], []) and routes.deadly() == ["1", "3", "4"] and routes.asked == {}


# --- in a cluster


def test_a_divided_evaluation_is_that_of_one_process_to_the_last_bit(crew, deit):
    opened, data = deit
    mine = replace(opened, dense={}, sizes=(20,))
    with hired(crew):
        *_, found = pipeline.judge(mine, data)
    alone = replace(opened, dense={}, sizes=(20,))
    steps = list(pipeline.judge(alone, data))
    assert replace(found, seconds=0) == replace(steps[-1], seconds=0) and found.n == 540
    assert same(mine.dense[data.name], alone.dense[data.name])
    with hired(crew):
        rows = list(sweep.run(mine, data, [PLAN, PruningPlan("random", "structure", ratio=0.5)], 120))
    assert rows == list(sweep.run(alone, data, [PLAN, PruningPlan("random", "structure", ratio=0.5)], 120))


def test_a_killed_judges_images_are_answered_by_another_one(crew, deit):
    opened, data = deit
    run = runner(opened, data, PLAN, None)
    batches = [np.arange(at, at + 20) for at in range(0, 540, 20)]
    alone = list(predict(opened.model, opened.info, replace(data, labels=np.arange(540) * 0), run, sizes=(20,)))
    answers, found = crew.predict(run, opened.info, replace(data, labels=np.arange(540) * 0), batches), []
    before = {judge.pid for judge in actors("Judge")}
    assert len(before) == 2
    for answer in answers:
        if not found:
            os.kill(min(before), signal.SIGKILL)
        found.append(answer)
    assert len(found) == len(alone) and all(map(same, found, alone))
    wait(lambda: len(actors("Judge")) == 2)
    assert min(before) not in {judge.pid for judge in actors("Judge")}


def test_the_command_line_judges_in_the_cluster(crew, call, monkeypatch):
    asked, handed = ("sweep", "deit-digits", "--ratios", "0.5", "--scopes", "layer", "--limit", 120, "--json"), []
    monkeypatch.setattr("dimap_core.pipeline.cluster.crew.Crew", lambda cluster: handed.append(cluster) or crew)
    found = call(*asked)
    assert len(handed) == 1 and handed[0].actors == 2
    monkeypatch.delenv("DIMAP_RAY")
    assert (alone := call(*asked))[:2] == found[:2] and alone[0] == 0
    assert [row["n"] for row in json.loads(alone[1])["rows"]] == [120, 120] and len(handed) == 1


def test_a_page_is_answered_from_the_cluster(client, deit):
    opening = client.submit("opener", "open", {**DEIT, "kind": "open", "recipe": {"version": 1, "ratio": 0.5}})
    ticket = evaluate(client, "opener", 0.7)
    finish(opening, ticket)
    assert opening.error is None and len(actors("Hands")) == 2
    assert index.read_model(Path(opening.last["folder"]))[0] == deit[0].info
    assert ticket.last["n"] == 540
    assert ticket.last["cues"]["joint"]["correct"] == known(deit, 0.7).top1.correct
    assert ticket.last["drops"]["joint"]["value"] == known(deit, 0.7).drops["joint"].value


def test_the_newest_request_wins_and_others_go_on(client, deit):
    """Two sessions, each with an actor of its own; one joins the other's request, which then moves on."""
    first = [evaluate(client, "mover", ratio / 100) for ratio in (10, 20, 30, 40)]
    joined = evaluate(client, "follower", 0.4)
    assert joined is first[-1]
    last = evaluate(client, "mover", 0.8)
    finish(*first, joined, last)
    assert [ticket.replaced for ticket in first] == [True, True, True, False] and not last.replaced
    for ticket, ratio in ((joined, 0.4), (last, 0.8)):
        assert ticket.last["cues"]["joint"]["correct"] == known(deit, ratio).top1.correct
    assert client.waiting == 0


def test_a_killed_actors_requests_are_done_again_and_nothing_comes_twice(client, deit):
    """All images of both sessions once, and no error."""
    asked = {"kind": "predictions", "recipe": {"version": 1, "ratio": 0.6}}
    tickets = [
        client.submit(session, "pictures", {**DEIT, **asked, "recipe": {"version": 1, "ratio": ratio}})
        for session, ratio in (("left", 0.6), ("right", 0.65))
    ]
    wait(lambda: any("images" in event for ticket in tickets for event in ticket.events))
    victim, other = (hands.pid for hands in actors("Hands"))
    assert any(ticket.running for ticket in tickets)
    os.kill(victim, signal.SIGKILL)
    finish(*tickets)
    for ticket, ratio in zip(tickets, (0.6, 0.65), strict=True):
        assert ticket.error is None and ticket.done
        batches = [event for event in ticket.events if "images" in event]
        numbers = [number for batch in batches for number in batch["images"]]
        assert sorted(numbers) == list(range(540))
        right = sum((np.array(b["pruned"]["classes"]) == deit[1].labels[b["images"]]).sum() for b in batches)
        assert right == known(deit, ratio).top1.correct
    left = {hands.pid for hands in actors("Hands")}
    assert other in left and victim not in left
