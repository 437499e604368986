"""The process that `jobs` starts for one job (`python -m dimap_core.service.runner FOLDER TOKEN`): trains or
searches, never draws. Lowest priority and one thread, so that sliders stay live beside it.

A kind of job is a generator of events: {"doing"}, {"step", "steps", ...} with "top1" where a curve was judged, at last
{"result": ...}: a recovery, a search for the best cut (whose events carry the "front" so far), a worker of a study
(whose rows are where studies are kept), a method's search, or the download of a set of images ("done" of "total"
bytes).
Next door: `training.recovery`, `studies.find`, `studies.shared` and `training.methods` hold the work.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from .. import pipeline
from ..data import from_request, sets
from ..pipeline import judged_by
from ..plan import from_recipe
from ..studies import find, shared
from ..training import Method, Settings, method, recovery
from ..types import PruningError
from .jobs import Ledger
from .threads import Threads

Events = Iterator[dict[str, Any]]
_OFTEN = 0.2  # seconds between two reports
_POINTS = 200  # of a curve's losses
_LOOK = 1.0  # seconds between two looks at a study


def _recover(request: Mapping[str, Any], place: Path) -> Events:
    """Train the pruned model of a recipe."""
    opened = yield from _opened(request)
    plan = from_recipe(request["recipe"])
    for doing, _, _ in pipeline.prepare(opened, plan):
        yield {"doing": doing}
    pruned = recovery.from_plan(opened, plan)
    settings = Settings(**request["settings"])
    yield from recovery.recover(pruned, settings, place / "checkpoint", place / "state")


def _opened(request: Mapping[str, Any]) -> Generator[dict[str, Any], None, pipeline.Opened]:
    """The request's model, with its images."""
    opened = pipeline.open_model(request["model"], request["weights"], named_only=True)
    if request.get("images"):
        for (doing, _, _), found in judged_by(opened, from_request(request["images"])):
            yield {"doing": doing}
            opened = found or opened
    return opened


def _search(row: Method, request: Mapping[str, Any], place: Path) -> Events:
    """Search a smaller model by a paper's whole method."""
    opened = yield from _opened(request)
    yield from row.search(opened, row.search_from(request["search"]), place / "checkpoint", place / "state")


def _find(request: Mapping[str, Any], place: Path) -> Events:
    """Find the best cut for a budget."""
    opened = yield from _opened(request)
    wanted, threads = find.Wanted(**request["search"]), Threads()
    steps = find.find(opened, wanted, place / "checkpoint", state=place / "tried")
    while True:
        with threads.given():  # many short steps, and somebody waits for them
            event = next(steps, None)
        if event is None:
            return
        yield event


def _fetch(request: Mapping[str, Any], place: Path) -> Events:
    """Bring a known set of images into the data folder."""
    for download in sets.fetching(request["set"]):
        yield download.event()
    yield {"result": {"set": request["set"]}}


def _sweep(request: Mapping[str, Any], place: Path) -> Events:
    """Begin the study of a sweep, unless it is there, and do its trials beside any other processes."""
    name, asked = request["study"], shared.Asked.kept(request["asked"])
    yield {"doing": "Looking at the models and their images"}
    ledger = shared.found(name) or shared.begin(name, asked, shared.look(asked))
    for step in shared.work(ledger, every=_LOOK):
        event = {"doing": "Measuring", "step": step.standing.done, "steps": step.standing.total, "own": step.own}
        yield event if step.seconds is None else {**event, "seconds_left": step.seconds}
    yield {"result": {"own": step.own}}


_KINDS = {"recover": _recover, "find": _find, "fetch": _fetch, "sweep": _sweep}


def work(kind: str, request: Mapping[str, Any], place: Path) -> Events:
    """The events of a kind of job: "recover", "find", "fetch", "sweep", or a method's key."""
    return _KINDS[kind](request, place) if kind in _KINDS else _search(method(kind), request, place)


def run(ledger: Ledger, token: str) -> None:
    """Work on a job to its end, its cancellation or its failure, and keep the ledger up to date."""
    job = ledger.find(token)
    if job is None:
        return
    place = ledger.place(token)
    place.mkdir(parents=True, exist_ok=True)
    try:
        result = _follow(ledger, token, work(job.kind, job.request, place))
    except PruningError as error:
        ledger.finish(token, None, str(error))
    except Exception as error:  # whatever ends it has to be in the ledger, or the job seems interrupted for ever
        traceback.print_exc(file=sys.stderr)
        sentence = f"The work stopped ({type(error).__name__}); resume it, or try smaller batches."
        ledger.finish(token, None, sentence)
    else:
        if result is not None:
            ledger.finish(token, result)


def _follow(ledger: Ledger, token: str, events: Events) -> Mapping[str, Any] | None:
    """Report events until the last; None where the job was cancelled."""
    told, shown = 0.0, -1
    for event in events:
        if ledger.state(token) != "running":
            return None
        if "result" in event:
            return event["result"]
        wanted = "loss" in event and event["step"] * _POINTS // event["steps"] > shown
        if "top1" in event or wanted:
            shown = event["step"] * _POINTS // event["steps"]
            ledger.add_point(token, event)
        if event and (time.monotonic() - told > _OFTEN or "top1" in event or "doing" in event):
            ledger.report(token, event)
            told = time.monotonic()
    return None


def _end_with_the_server() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Work on the job that the command line names."""
    os.nice(10)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    ledger = Ledger(Path(sys.argv[1]))
    run(ledger, sys.argv[2])
    ledger.close()


if __name__ == "__main__":
    main()
