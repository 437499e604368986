"""The process that `client` starts (`python -m dimap_core.worker FOLDER`): loads, scores, evaluates; never draws.

Requests come as JSON lines on stdin, events leave as JSON lines on stdout. Every request becomes a generator; the loop
advances one step (one batch) at a time, so that a newer request of the same session and channel replaces the older
one within a batch, sessions take turns, and background curves wait for slider moves.
Next door: `requests` says what each step does, `threads` on how many cores.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .errors import PruningError
from .memory import SETTING, allowed, cap, give_back
from .requests import HANDLERS, Events
from .shelf import Shelf, model_key
from .threads import Threads
from .writing import TEMPORARY, is_full, sentence

CHANNELS = ("open", "live", "versus", "background", "truth", "sensitivity")
"""Most urgent first; a channel is served only while the ones before it are idle. Versus, truth and sensitivity are
started by buttons and last for a while; each has a channel of its own, so that none replaces another."""

_WAITING = "Waiting until other sessions' models leave room in memory"
_PATIENCE = 20.0  # seconds after which a request that waits for memory holds up those that come later
_TIDY = 10.0  # seconds between two returns of free memory to the system


@dataclass
class Task:
    """A request under way: `asked` is when its session asked on this channel first without being started, `told`
    whether it knows that it waits for memory."""

    ticket: str
    request: dict[str, Any]
    steps: Events
    asked: float
    started: bool = False
    told: bool = False


class Worker:
    """What requests share, and the requests under way."""

    def __init__(self, folder: Path) -> None:
        self.shelf = Shelf(folder)
        self.threads = Threads()
        self.tasks: dict[str, OrderedDict[str, Task]] = {channel: OrderedDict() for channel in CHANNELS}

    def accept(self, message: dict[str, Any]) -> list[str]:
        """Start a request, or cancel what a session has (on one channel, if it is named), or forget models whose names
        begin as told; returns the tickets that end by this.

        A request replaces the one its session has on the same channel, but for requests to open a model, which all run;
        one that has to read images to score it is live, and is replaced like any other.
        """
        if "forget" in message:
            return self._forget(message["forget"])
        if "cancel" in message:
            channels = (message["channel"],) if message.get("channel") else CHANNELS
            if len(channels) > 1:
                self.shelf.leave(message["cancel"])
            ended = [self.tasks[channel].pop(message["cancel"], None) for channel in channels]
            if not message.get("channel"):
                self.shelf.images.end(self.shelf.folder, message["cancel"])
            return [task.ticket for task in ended if task]
        tasks = self.tasks[message["channel"]]
        stays = message["kind"] == message["channel"] == "open"
        key = message["ticket"] if stays else message["session"]
        replaced = tasks.pop(key, None)
        asked = replaced.asked if replaced and not replaced.started else time.monotonic()
        steps = HANDLERS[message["kind"]](self.shelf, message)
        tasks[key] = Task(message["ticket"], message, steps, asked)
        if not stays:
            tasks.move_to_end(key, last=False)  # a first number soon; then it takes turns with the others
        return [replaced.ticket] if replaced else []

    def _forget(self, prefix: str) -> list[str]:
        """End every request for models whose names begin with `prefix`, and let these go."""
        ended = []
        for tasks in self.tasks.values():
            for key in [key for key, task in tasks.items() if task.request["model"].startswith(prefix)]:
                ended.append(tasks.pop(key).ticket)
        self.shelf.forget(prefix)
        return ended

    @property
    def busy(self) -> bool:
        """Whether any request is under way."""
        return any(self.tasks.values())

    def step(self) -> dict[str, Any]:
        """Advance the most urgent request by one step and return its event; sessions on a channel take turns.

        One whose model finds no room in memory waits until others have ended; those that came long after it wait too.
        """
        used = Counter(model_key(task.request) for _, _, task in self._all() if task.started)
        waiting = [task for _, _, task in self._all() if task.told and not task.started]
        oldest = min(waiting, key=lambda task: task.asked, default=None)
        for tasks, key, task in self._all():
            late = oldest is not None and task is not oldest and task.asked > oldest.asked + _PATIENCE
            try:
                if task.started or (not late and self.shelf.admits(task.request, used)):
                    task.started = True
                    return self._advance(tasks, key, task)
            except StopIteration:
                del tasks[key]
                return {"ticket": task.ticket, "done": True}
            except (PruningError, RuntimeError, MemoryError, OSError) as error:
                del tasks[key]
                kind = type(error).__name__ if isinstance(error, PruningError) else ""
                return {"ticket": task.ticket, "error": _sentence(error), "kind": kind}
            if not task.told:
                task.told = True
                return {"ticket": task.ticket, "event": {"doing": _WAITING}}
        raise RuntimeError("every request waits for another one")

    def _all(self) -> Iterator[tuple[OrderedDict[str, Task], str, Task]]:
        for tasks in self.tasks.values():
            for key, task in tasks.items():
                yield tasks, key, task

    def _advance(self, tasks: OrderedDict[str, Task], key: str, task: Task) -> dict[str, Any]:
        """One step of a request, which then is the last of its channel."""
        with self.threads.given(parallel=tasks is not self.tasks["open"]):
            event = {"ticket": task.ticket, "event": next(task.steps)}
        tasks.move_to_end(key)
        return event


def _sentence(error: Exception) -> str:
    """What a request's page is told; what nobody foresaw is told in full to the log."""
    if isinstance(error, PruningError):
        return str(error)
    traceback.print_exception(error, file=sys.stderr)
    if is_full(error):
        return sentence(tempfile.gettempdir(), error, TEMPORARY)
    short = isinstance(error, MemoryError) or "memory" in str(error)
    remedy = f"choose a smaller model, or start with a larger {SETTING}" if short else "try another one"
    return f"The model could not be run ({'out of memory' if short else type(error).__name__}); {remedy}."


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
    if not torch.cuda.is_available():  # its driver reserves address space that is never used
        with contextlib.suppress(PruningError):  # a setting that is no number is told with the first request
            cap(allowed())
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    tidied = time.monotonic()
    while True:
        if time.monotonic() - tidied > _TIDY:
            give_back()
            tidied = time.monotonic()
        while not worker.busy or not lines.empty():
            message = lines.get()
            if message is None:
                return
            for ticket in worker.accept(message):
                emit({"ticket": ticket, "replaced": True})
        emit(worker.step())


if __name__ == "__main__":
    main()
