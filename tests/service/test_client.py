"""The client and a real worker process: tickets, replacement, turns, death and return."""

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from dimap_core import pipeline
from dimap_core.plan.selection import select
from dimap_core.service import index
from dimap_core.service.client import Ticket, WorkerClient
from dimap_core.types.plan import PruningPlan
from tests.helpers import finish, wait

ROOT = Path(__file__).parents[2]
DEIT = {"model": "deit-digits", "weights": "pretrained", "data": "digits"}


@pytest.fixture(scope="module")
def client():
    """One client with its worker process; tests use sessions of their own."""
    client = WorkerClient()
    yield client
    client.close()


def recipe(ratio, **more):
    return {"version": 1, "ratio": ratio, **more}


def evaluate(client, session, ratio):
    return client.submit(session, "live", {**DEIT, "kind": "evaluate", "recipe": recipe(ratio)})


def open_model(client, session, **request):
    return client.submit(session, "open", {**DEIT, "kind": "open", "recipe": recipe(0.5), **request})


def workers():
    """Worker processes that this process started and that are still alive."""
    children = psutil.Process().children()
    return [p for p in children if p.status() != psutil.STATUS_ZOMBIE and "dimap_core.service.worker" in p.cmdline()]


def test_no_process_is_started_before_it_is_needed():
    before, idle = workers(), WorkerClient()
    idle.cancel("a")
    assert workers() == before
    idle.close()


def test_an_opened_model_can_be_planned_from_disk_as_in_memory(client):
    ticket = open_model(client, "disk", recipe=recipe(0.5, criterion="dimap"))
    finish(ticket)
    assert ticket.done and ticket.error is None and "loaded" in ticket.events[0]
    folder = Path(ticket.last["folder"])
    info, anatomy = index.read_model(folder)
    opened, plan = pipeline.open_model("deit-digits"), PruningPlan(scope="model", ratio=0.77)
    assert info == opened.info and anatomy == opened.anatomy
    selection, _ = pipeline.apply_plan(opened, plan)
    assert select(index.read_scores(folder, anatomy, "dimap", 0), anatomy, plan) == selection


def test_the_worker_judges_as_the_pipeline_does(client):
    ticket = evaluate(client, "judge", 0.7)
    finish(ticket)
    opened = pipeline.open_model("deit-digits")
    known = pipeline.judge_fully(opened, pipeline.default_data(opened), PruningPlan(ratio=0.7))
    assert ticket.last["n"] == 540
    assert ticket.last["cues"]["joint"]["correct"] == known.top1.correct
    assert ticket.last["drops"]["joint"]["value"] == known.drops["joint"].value


def test_the_newest_request_of_a_session_replaces_the_older_ones(client):
    tickets = [evaluate(client, "mover", ratio / 100) for ratio in range(10, 90, 10)]
    finish(*tickets)
    assert all(ticket.done and ticket.error is None for ticket in tickets)
    assert tickets[-1].last["n"] == 540
    assert all(ticket.last is None or ticket.last["n"] < 540 for ticket in tickets[:-1])


def test_sessions_take_turns(client):
    first, second = (evaluate(client, session, ratio) for session, ratio in (("left", 0.42), ("right", 0.43)))
    wait(lambda: first.done or second.done)
    assert abs(len(first.events) - len(second.events)) <= 2
    finish(first, second)
    assert first.last["n"] == second.last["n"] == 540


def test_a_curve_waits_for_slider_moves(client):
    request = {**DEIT, "kind": "curve", "recipe": recipe(0.0, criterion="magnitude"), "ratios": [0.1, 0.2, 0.3, 0.4]}
    curve = client.submit("reader", "background", request)
    live = evaluate(client, "mover", 0.33)
    finish(live)
    assert curve.running and live.last["n"] == 540
    finish(curve)
    assert [row["ratio"] for row in curve.events] == [0.1, 0.2, 0.3, 0.4]


def test_cancelling_ends_the_tickets_of_a_session(client):
    mine, other = evaluate(client, "leaver", 0.21), evaluate(client, "stayer", 0.22)
    wait(lambda: mine.events)
    client.cancel("leaver")
    finish(mine, other)
    assert mine.done and mine.last["n"] < 540
    assert other.last["n"] == 540


def test_what_several_sessions_ask_is_judged_once_and_goes_on_while_one_of_them_wants_it(client):
    first, *others = (evaluate(client, session, 0.23) for session in ("asker", "neighbour", "third"))
    assert all(other is first for other in others) and client.waiting == 1
    wait(lambda: first.events)
    client.cancel("asker")
    moved = evaluate(client, "neighbour", 0.24)  # the newest of its session, which lets go of the shared one
    finish(first, moved)
    assert first.last["n"] == moved.last["n"] == 540 and not first.replaced
    assert [event["n"] for event in first.events] == sorted({event["n"] for event in first.events})
    again = evaluate(client, "asker", 0.23)
    finish(again)
    assert again is not first and again.last["right"] == first.last["right"]


def test_a_shared_request_ends_with_the_last_session_that_wants_it(client):
    first, second = (evaluate(client, session, 0.26) for session in ("one", "two"))
    wait(lambda: first.events)
    client.cancel("one")
    client.cancel("two")
    finish(first)
    assert second is first and first.replaced and first.last["n"] < 540


@pytest.mark.parametrize(
    ("name", "weights"), [("resnet50", "random"), ("nothing-like-it", "random"), ("deit-digits", "heavy")]
)
def test_what_cannot_be_opened_is_one_sentence(client, name, weights):
    ticket = open_model(client, "typist", model=name, weights=weights)
    finish(ticket)
    assert not ticket.done and ticket.error.endswith((".", "?")) and "\n" not in ticket.error


def test_a_malformed_recipe_is_one_sentence(client):
    ticket = open_model(client, "typist", recipe={"version": 7})
    finish(ticket)
    assert "version 7" in ticket.error


def test_after_the_worker_was_killed_everyone_is_told_and_the_next_request_works(client):
    finish(evaluate(client, "victim", 0.5))
    process = psutil.Process(client._process.pid)
    tickets = [evaluate(client, "victim", 0.51), evaluate(client, "bystander", 0.52)]
    process.kill()
    finish(*tickets)
    for ticket in tickets:
        assert ticket.error == "The evaluation process stopped and was started anew; move a slider to try again."
        assert not ticket.done
    again = evaluate(client, "victim", 0.53)
    finish(again)
    assert again.last["n"] == 540
    assert client._process.pid != process.pid


def test_a_worker_that_fell_silent_is_asked_nothing_more():
    closing = "import os, sys, time; os.close(1); time.sleep(0.5)"  # as a dying process: its pipes close one by one
    silent = subprocess.Popen([sys.executable, "-c", closing], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    client = WorkerClient()
    client._process = silent
    client._listen(silent)
    assert silent.poll() is not None and client._process is None
    client.close()


def test_a_request_right_after_the_workers_death_leaves_no_ticket_hanging(client):
    finish(evaluate(client, "early", 0.5))
    process = psutil.Process(client._process.pid)
    process.suspend()
    old = evaluate(client, "early", 0.61)
    with client._lock:  # the reader thread, which would tell the tickets, has to wait, as it may on a busy machine
        process.kill()
        process.wait()
    evaluate(client, "late", 0.62)
    finish(old)
    assert old.error


class Watched(dict):
    """A client's waiting list that notes whether it was changed with the lock held."""

    def __init__(self, client, **tickets):
        super().__init__(tickets)
        self.client, self.held = client, []

    def pop(self, *key):
        self.held.append(self.client._lock.locked())
        return super().pop(*key)

    def __delitem__(self, key):
        self.held.append(self.client._lock.locked())
        super().__delitem__(key)


def test_the_waiting_list_is_changed_under_its_lock_and_stray_lines_are_passed_over(capfd):
    client, tickets = WorkerClient(), [Ticket(), Ticket()]
    client._tickets = watched = Watched(client, **{str(place): ticket for place, ticket in enumerate(tickets)})
    lines = [
        "libgomp: warning\n", "[]\n", '{"event": 1}\n', '{"ticket": "9", "done": true}\n',
        '{"ticket": "0", "event": {"n": 1}}\n', '{"ticket": "0", "done": true}\n', '{"ticket": "1", "error": "E."}\n',
    ]  # fmt: skip
    client._listen(SimpleNamespace(stdout=lines, wait=lambda: 0))
    assert [(ticket.events, ticket.done, ticket.error) for ticket in tickets] == [
        ([{"n": 1}], True, None),
        ([], False, "E."),
    ]
    assert watched == {} and watched.held == [True, True]
    assert "libgomp" in capfd.readouterr().err
    client.close()


def test_a_request_that_is_no_json_leaves_no_ticket_behind():
    client = WorkerClient()
    client._process = SimpleNamespace(poll=lambda: None, stdin=io.StringIO(), kill=lambda: None, wait=lambda: 0)
    with pytest.raises(TypeError, match="not JSON serializable"):
        client.submit("a", "live", {"recipe": object()})
    assert client.waiting == 0
    client.close()


def test_closing_stops_the_process_and_removes_its_files():
    client, before = WorkerClient(), workers()
    evaluate(client, "a", 0.5)
    assert len(workers()) == len(before) + 1
    client.close()
    assert workers() == before
    assert not Path(client._folder.name).exists()


def test_the_client_imports_no_torch():
    code = "import sys; from dimap_core.service.client import WorkerClient; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
