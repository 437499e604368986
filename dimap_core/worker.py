"""The worker process that `jobs` starts (`python -m dimap_core.worker FOLDER`): loads, scores, evaluates; never draws.

Requests come as JSON lines on stdin, events leave as JSON lines on stdout. Every request becomes a generator; the loop
advances one step (one batch) at a time, so that a newer request of the same session and channel replaces the older
one within a batch, sessions take turns, and background curves wait for slider moves.
Next door: `pipeline` does the work of each step, `threads` says on how many cores, `index` is what
`open` leaves on disk for the app.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import sys
import threading
import traceback
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from . import index, pipeline
from .errors import PruningError
from .evaluate import BATCH_SIZE
from .export import write_onnx
from .latency import measure
from .plan import from_recipe
from .prefix import PrefixCache
from .sweep import Measured
from .threads import Threads
from .types import LabelledImages

CHANNELS = ("open", "live", "background")
"""Most urgent first; a channel is served only while the ones before it are idle."""

_SIZES = (30, 60, 120)  # batches tried out on the dense model
_CACHES = 2  # sessions whose prefix caches are kept, each of at most `prefix.LIMIT` bytes
_EXPORTS = 20  # files kept for downloads
_MEMORY = 2 * 1024**3  # bytes of weights and scores kept for models opened earlier


class Worker:
    """Opened models, and the requests under way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: OrderedDict[tuple[str, str], pipeline.Opened] = OrderedDict()
        self.tuning: set[str] = set()
        self.threads = Threads()
        self.caches: OrderedDict[str, tuple[str, PrefixCache]] = OrderedDict()
        self.tasks: dict[str, OrderedDict[str, tuple[str, Iterator]]] = {channel: OrderedDict() for channel in CHANNELS}

    def accept(self, message: dict[str, Any]) -> list[str]:
        """Start a request, or cancel what a session has; returns the tickets that end by this.

        A request replaces the one its session has on the same channel, but for requests to open, which all run.
        """
        if "cancel" in message:
            ended = [tasks.pop(message["cancel"], None) for tasks in self.tasks.values()]
            return [task[0] for task in ended if task]
        handlers = {
            "open": self._open, "evaluate": self._evaluate, "curve": self._curve, "latency": self._latency,
            "export": self._export,
        }  # fmt: skip
        handler = handlers[message["kind"]]
        tasks = self.tasks[message["channel"]]
        key = message["session"] if message["kind"] != "open" else message["ticket"]
        replaced = tasks.pop(key, None)
        tasks[key] = (message["ticket"], handler(message))
        return [replaced[0]] if replaced else []

    @property
    def busy(self) -> bool:
        """Whether any request is under way."""
        return any(self.tasks.values())

    def step(self) -> dict[str, Any]:
        """Advance the most urgent request by one step and return its event; sessions on a channel take turns."""
        tasks = next(tasks for tasks in self.tasks.values() if tasks)
        key, (ticket, steps) = next(iter(tasks.items()))
        try:
            with self.threads.given(parallel=tasks is not self.tasks["open"]):
                event = {"ticket": ticket, "event": next(steps)}
            tasks.move_to_end(key)
            return event
        except StopIteration:
            event = {"ticket": ticket, "done": True}
        except PruningError as error:
            event = {"ticket": ticket, "error": str(error)}
        except (RuntimeError, MemoryError, OSError) as error:
            traceback.print_exc(file=sys.stderr)
            event = {
                "ticket": ticket,
                "error": f"The model could not be run ({type(error).__name__}); try another one.",
            }
        del tasks[key]
        return event

    def _model(self, request: dict[str, Any]) -> pipeline.Opened:
        key = (request["model"], request["weights"])
        if key not in self.opened:
            self.opened[key] = pipeline.open_model(*key, named_only=True)
        self.opened.move_to_end(key)
        while len(self.opened) > 1 and sum(map(_size, self.opened.values())) > _MEMORY:
            _, evicted = self.opened.popitem(last=False)
            shutil.rmtree(self.folder / evicted.info.fingerprint, ignore_errors=True)
        return self.opened[key]

    def _open(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Load a model, score it, and leave both on disk; the last event says where."""
        opened = self._model(request)
        plan = from_recipe(request["recipe"])
        folder = self.folder / opened.info.fingerprint
        if not (folder / "anatomy.json").exists():
            index.write_model(folder, opened.info, opened.anatomy, pipeline.weight_arrays(opened))
        weights = sum(layer.size for layer in opened.anatomy.prunable)
        yield {"loaded": str(folder), "doing": f"Ranking {weights:,} weights"}
        scored = "structure" if plan.granularity == "structure" else "weight"
        if not index.has_scores(folder, plan.criterion, plan.seed, scored):
            for doing, _, _ in pipeline.prepare_scores(opened, plan):
                yield {"doing": doing}
            index.write_scores(folder, pipeline.score(opened, plan))
        yield {"folder": str(folder)}

    def _evaluate(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Stream estimates of a plan (no recipe: of the dense model), the dense model first where it is not known."""
        opened = self._model(request)
        data = pipeline.default_data(opened, request["data"])
        plan = from_recipe(request["recipe"]) if request["recipe"] else None
        while plan is not None and not pipeline.knows_dense(opened, data):
            if opened.info.fingerprint in self.tuning:
                yield {}  # another session's request is at it
            else:
                yield from self._tune(opened, data)
        if plan is not None:
            for doing, _, _ in pipeline.prepare(opened, plan):
                yield {"doing": doing}
        for estimate in pipeline.judge(opened, data, plan, cache=self._prefix(request["session"], opened)):
            yield asdict(estimate)

    def _prefix(self, session: str, opened: pipeline.Opened) -> PrefixCache:
        """The session's own cache, begun anew with another model; the sessions seen last keep theirs."""
        owner, cache = self.caches.pop(session, ("", PrefixCache()))
        if owner != opened.info.fingerprint:
            cache = PrefixCache()
        self.caches[session] = (opened.info.fingerprint, cache)
        while len(self.caches) > _CACHES:
            _, (_, evicted) = self.caches.popitem(last=False)
            evicted.close()  # its session may be evaluating: without this the memory of all sessions would add up
        return cache

    def _tune(self, opened: pipeline.Opened, data: LabelledImages) -> Iterator[dict[str, Any]]:
        """Judge the dense model with batches of several sizes, and keep the size that took least time an image."""
        spent: dict[int, list[float]] = {size: [] for size in _SIZES}
        before, seconds = 0, 0.0
        self.tuning.add(opened.info.fingerprint)
        try:
            for estimate in pipeline.judge(opened, data, sizes=_SIZES):
                if estimate.n - before in spent:
                    spent[estimate.n - before].append((estimate.seconds - seconds) / (estimate.n - before))
                before, seconds = estimate.n, estimate.seconds
                yield {"waiting": "dense"}
        finally:
            self.tuning.discard(opened.info.fingerprint)
        cost = {size: median(times) for size, times in spent.items() if times}
        opened.sizes = (min(cost, key=lambda size: cost[size], default=BATCH_SIZE),)

    def _curve(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """One event a ratio: the measured row of the recipe at that common ratio."""
        opened = self._model(request)
        data = pipeline.default_data(opened, request["data"])
        for ratio in request["ratios"]:
            plan = from_recipe({**request["recipe"], "ratio": ratio})
            try:
                selection, cost = pipeline.apply_plan(opened, plan)
            except PruningError:
                continue  # the curve ends where a layer would be emptied
            for _ in pipeline.prepare(opened, plan):
                yield {}
            estimates = []
            for estimate in pipeline.judge(opened, data, plan):
                estimates.append(estimate)
                yield {}
            yield Measured(plan, selection.ratio, cost, estimates[-1]).full_row()

    def _latency(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """One event a batch size: dense and pruned model by turns on this device."""
        opened, plan = self._model(request), from_recipe(request["recipe"])
        for doing, _, _ in pipeline.prepare(opened, plan):
            yield {"doing": doing}
        yield {"doing": "Measuring"}
        pruned, _, _ = pipeline.prune(opened, plan)
        for row in measure(opened.model, pruned, opened.info.input_size, request["batches"], request["threads"]):
            yield asdict(row)

    def _export(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Write the pruned model as a zipped checkpoint or ONNX file; the last event says where."""
        opened, plan = self._model(request), from_recipe(request["recipe"])
        for doing, _, _ in pipeline.prepare(opened, plan):
            yield {"doing": doing}
        yield {"doing": "Writing the file"}
        folder = self.folder / "exports" / request["ticket"]
        folder.mkdir(parents=True)
        if request["format"] == "onnx":
            path = folder / "model.onnx"
            pruned, _, _ = pipeline.prune(opened, plan)
            write_onnx(pruned, opened.info.input_size, path)
        else:
            pipeline.save_pruned(folder / "checkpoint", opened, plan)
            path = Path(shutil.make_archive(str(folder / "checkpoint"), "zip", folder / "checkpoint"))
        for older in sorted(folder.parent.iterdir(), key=lambda found: found.stat().st_mtime_ns)[:-_EXPORTS]:
            shutil.rmtree(older, ignore_errors=True)
        yield {"file": str(path), "bytes": path.stat().st_size}


def _size(opened: pipeline.Opened) -> int:
    """Bytes of weights, scores and repaired weights."""
    weights = sum(parameter.nbytes for parameter in opened.model.parameters())
    repaired = sum(tensor.nbytes for found in opened.repaired.values() for tensor in found.values())
    return weights + repaired + sum(scores.nbytes for scores in opened.scores.values())


def _read(lines: queue.Queue) -> None:
    for line in sys.stdin:
        lines.put(json.loads(line))
    lines.put(None)


def main() -> None:
    """Serve requests until stdin closes, at low priority."""
    os.nice(5)
    events, sys.stdout = sys.stdout, sys.stderr  # stray prints of libraries must not look like events

    def emit(event: dict[str, Any]) -> None:
        if event.get("event") != {}:  # a step without news
            events.write(json.dumps(event) + "\n")
            events.flush()

    worker, lines = Worker(Path(sys.argv[1])), queue.Queue[dict[str, Any] | None]()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    while True:
        while not worker.busy or not lines.empty():
            message = lines.get()
            if message is None:
                return
            for ticket in worker.accept(message):
                emit({"ticket": ticket, "replaced": True})
        emit(worker.step())


if __name__ == "__main__":
    main()
