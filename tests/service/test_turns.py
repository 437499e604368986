"""Whose turn it is while a request lasts for minutes: a large model's images, a download. No times are asserted."""

from itertools import pairwise

import pytest

from dimap_core import pipeline
from dimap_core.pipeline import timing
from dimap_core.service import requests
from dimap_core.service.worker import Worker
from dimap_core.types.plan import PruningPlan
from tests.helpers import serve

MODEL = {"model": "swin-digits", "weights": "pretrained", "data": "digits"}


@pytest.fixture(scope="module")
def known():
    return pipeline.open_model("swin-digits")


@pytest.fixture
def worker(known, tmp_path, monkeypatch):
    """A worker that has the small Swin open, which passes as a slow one; nothing of it is judged yet."""
    monkeypatch.setattr(timing, "SLOW", 0)
    known.dense.clear()
    known.seconds, known.bf16 = 0.025, False  # batches of 40
    found = Worker(tmp_path)
    found.models.opened["swin-digits", "pretrained"] = known
    return found


def ask(worker, kind, channel, ticket, ratio=0.8, session="a", **more):
    recipe = {"version": 1, "ratio": ratio}
    return worker.accept(
        {**MODEL, "kind": kind, "channel": channel, "ticket": ticket, "session": session, "recipe": recipe, **more}
    )


def judged(events, ticket):
    return [e["event"]["n"] for e in events if e["ticket"] == ticket and "n" in e.get("event", {})]


def until(worker, ticket, images):
    """All events until a ticket has been judged on so many images."""
    events = [worker.step()]
    while max(judged(events, ticket), default=0) < images:
        events.append(worker.step())
    return events


def test_a_slow_model_answers_on_a_hundred_images_first_dense_and_cut_paired(worker, known):
    ask(worker, "evaluate", "live", "cut")
    ask(worker, "glance", "glance", "image", image=0)
    events = until(worker, "cut", 100)
    assert {event["ticket"] for event in events} == {"cut"}
    first = events[-1]["event"]
    # No image was judged by one of the two alone: the first answer holds the paired drop, with its interval.
    assert len(known.dense["digits"].classes) == first["n"] == first["drops"]["joint"]["n"] < 160 < first["total"]
    joint = first["cues"]["joint"]
    assert joint["low"] < joint["correct"] / joint["n"] < joint["high"] and first["left"] > 0
    # From here on one image's answer, and a comparison, get every other turn while the rest is judged.
    ask(worker, "versus", "versus", "two", recipes=[{"version": 1, "ratio": 0.5}, {"version": 1, "ratio": 0.9}])
    events = serve(worker)
    turns = [event["ticket"] for event in events]
    ends = {event["ticket"]: place for place, event in enumerate(events) if event.get("done")}
    assert turns[0] == "image" and "image" not in [one for one, next_ in pairwise(turns) if one == next_]
    assert ends["image"] < ends["cut"] and turns.index("two") < ends["cut"] and "two" in ends
    last = [event["event"] for event in events if event["ticket"] == "cut" and "n" in event.get("event", {})][-1]
    plain = pipeline.judge_fully(known, pipeline.default_data(known), PruningPlan(ratio=0.8))
    assert (last["n"], last["cues"]["joint"]["correct"]) == (540, plain.top1.correct)


def test_a_newer_cut_ends_the_rest_of_the_older_one_and_what_the_dense_model_said_stays(worker, known, monkeypatch):
    ask(worker, "evaluate", "live", "older")
    until(worker, "older", 100)
    ask(worker, "curve", "background", "curve", ratios=[0.5], limit=60)
    seen = len(known.dense["digits"].classes)
    assert ask(worker, "evaluate", "live", "newer", ratio=0.9) == ["older"]
    events = serve(worker)
    assert {event["ticket"] for event in events} == {"newer", "curve"}
    turns = [event["ticket"] for event in events]
    assert turns == sorted(turns, key=lambda ticket: ticket == "curve")  # the background waits for the rest, too
    counts = judged(events, "newer")
    assert counts[0] == 2 and counts[-1] == 540 and seen > 100
    assert events[turns.count("newer") - 1]["done"]


def test_judging_goes_on_while_weights_are_fetched(worker, known, monkeypatch):
    arrived = []

    def fetch(*_):
        yield {"doing": "Downloading pretrained weights", "done": 1, "total": 9, "left": None}
        while not arrived:
            yield {}

    threads = []
    given = worker.threads.given
    monkeypatch.setattr(worker.threads, "given", lambda parallel: threads.append(parallel) or given(parallel))
    monkeypatch.setattr(requests, "fetch_weights", fetch)
    ask(worker, "open", "live", "fetched")
    ask(worker, "curve", "background", "curve", session="b", ratios=[0.5], limit=60)
    ask(worker, "evaluate", "live", "cut", session="c")
    events = []
    while not any(event.get("done") for event in events if event["ticket"] == "cut"):
        events.append(worker.step())
    assert not any(event["ticket"] == "curve" for event in events)
    while not any(event.get("done") for event in events if event["ticket"] == "curve"):
        events.append(worker.step())
    # A step that only waits is none that others would have to make room for on the cores.
    waits = [parallel for parallel, event in zip(threads, events, strict=True) if event["ticket"] == "fetched"]
    assert waits and not any(waits)
    arrived.append(True)
    events = serve(worker)
    assert {event["ticket"] for event in events} == {"fetched"} and events[-1]["done"]


def test_a_cancelled_download_leaves_the_worker_to_others(worker, monkeypatch):
    monkeypatch.setattr(requests, "fetch_weights", lambda *_: iter(lambda: {}, None))
    ask(worker, "open", "live", "fetched")
    for _ in range(3):
        assert worker.step() == {"ticket": "fetched", "event": {}}
    assert worker.accept({"cancel": "a", "channel": "live"}) == ["fetched"] and not worker.busy
    ask(worker, "evaluate", "live", "cut", session="b")
    assert serve(worker)[-1] == {"ticket": "cut", "done": True}
