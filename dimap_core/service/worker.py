"""The process that `client` starts (`python -m dimap_core.service.worker FOLDER`): scores, evaluates; never draws.

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..models import memory
from ..types import FIRST, TEMPORARY, PruningError, is_full, sentence
from .open_models import OpenModels, model_key
from .pipes import own_pipe
from .requests import HANDLERS, Events
from .threads import Threads

CHANNELS = ("open", "live", "glance", "pictures", "versus", "story", "report", "background", "truth", "sensitivity")
"""Most urgent first; a channel is served only while the ones before it are idle, or can wait. Versus, story, report,
truth and sensitivity last for a while; each has a channel of its own, so that none replaces another."""

_LETS_PASS = {"": "", "judged": "report", "fetching": CHANNELS[-1]}
"""The last channel with which a request takes turns, by how far it is: "judged" on the first images, or "fetching",
which another thread does."""
_WAITING = "Waiting until other sessions' models leave room in memory"
_PATIENCE = 20.0  # seconds after which a request that waits for memory holds up those that come later
_TIDY = 10.0  # seconds between two returns of free memory to the system


@dataclass
class Task:
    """A request under way: `asked` is when its session asked on this channel first without being started, `told`
    whether it knows that it waits for memory; `others`: sessions that joined the one that asked; `far`: one of
    `_LETS_PASS`."""

    ticket: str
    request: dict[str, Any]
    steps: Events
    asked: float
    started: bool = False
    told: bool = False
    others: set[str] = field(default_factory=set)
    far: str = ""

    @property
    def place(self) -> int:
        """Where it stands among the channels after a step of one that can wait."""
        channel = CHANNELS.index(self.request["channel"])
        last = _LETS_PASS[self.far]
        return max(channel, CHANNELS.index(last) + 1) if last else channel

    def heard(self, event: dict[str, Any]) -> None:
        """How far it is by what it says; a step without news changes nothing."""
        if event:
            fetching, judged = {"doing", "done", "total"} <= event.keys(), event.get("n", 0) >= FIRST
            self.far = "fetching" if fetching else "judged" if judged else ""


class Worker:
    """What requests share, and the requests under way."""

    def __init__(self, folder: Path) -> None:
        self.models = OpenModels(folder)
        self.threads = Threads()
        self.tasks: dict[str, OrderedDict[str, Task]] = {channel: OrderedDict() for channel in CHANNELS}
        self.let_pass = False  # whether the last step was of a request that can wait

    def accept(self, message: dict[str, Any]) -> list[str]:
        """Start a request, or cancel what a session has (on one channel, if it is named), or forget models whose names
        begin as told, or let a session join a request of another one; returns the tickets that end by this.

        A request replaces the one its session has on the same channel, but for requests to open a model, which all run;
        one that has to read images to score it is live, and is replaced like any other.
        """
        if "forget" in message:
            return self._forget(message["forget"])
        if "cancel" in message:
            channels = (message["channel"],) if message.get("channel") else CHANNELS
            if len(channels) > 1:
                self.models.leave(message["cancel"])
            ended = [ticket for channel in channels for ticket in _left(self.tasks[channel], message["cancel"])]
            if not message.get("channel"):
                self.models.images.end(self.models.folder, message["cancel"])
            return ended
        if "join" in message:
            return _joined(self.tasks[message["channel"]], message["session"], message["join"])
        # All that others will ask of the task is looked up before anything is changed: it may not be there.
        tasks, ticket, session = self.tasks[message["channel"]], message["ticket"], message["session"]
        if not all(isinstance(part, str) for part in (ticket, session, *model_key(message))):
            raise TypeError("a request's ticket, session, model and weights are text")
        steps = HANDLERS[message["kind"]](self.models, message)
        stays = message["kind"] == message["channel"] == "open"
        key = ticket if stays else session
        replaced = tasks.get(key)
        ended = [] if stays else _left(tasks, session)
        asked = replaced.asked if replaced and not replaced.started else time.monotonic()
        # What is opened may be fetched first.
        tasks[key] = Task(ticket, message, steps, asked, far="fetching" if message["kind"] == "open" else "")
        if not stays:
            tasks.move_to_end(key, last=False)  # a first number soon; then it takes turns with the others
        return ended

    def take(self, line: str) -> list[dict[str, Any]]:
        """`accept` what the client sent, as it sent it; returns the events that follow at once."""
        message: Any = None
        try:
            message = json.loads(line)
            return [{"ticket": ticket, "replaced": True} for ticket in self.accept(message)]
        except Exception as error:  # all sessions share this process: one's faulty request must not end it for them
            told, ticket = _failure(error), message.get("ticket") if isinstance(message, dict) else None
            return [] if ticket is None else [{"ticket": ticket, **told}]

    def line(self, event: dict[str, Any]) -> str:
        """An event as the client reads it; one that is no plain data ends its request with an error."""
        try:
            return json.dumps(event)
        except (TypeError, ValueError) as error:
            for tasks, key, task in list(self._all()):
                if task.ticket == event["ticket"]:
                    del tasks[key]
            return json.dumps({"ticket": event["ticket"], **_failure(error)})

    def _forget(self, prefix: str) -> list[str]:
        """End every request for models whose names begin with `prefix`, and let these go."""
        ended = []
        for tasks in self.tasks.values():
            for key in [key for key, task in tasks.items() if task.request["model"].startswith(prefix)]:
                ended.append(tasks.pop(key).ticket)
        self.models.forget(prefix)
        return ended

    @property
    def busy(self) -> bool:
        """Whether any request is under way."""
        return any(self.tasks.values())

    def step(self) -> dict[str, Any]:
        """Advance the most urgent request by one step and return its event; sessions on a channel take turns, and so do
        requests that can wait with less urgent ones.

        One whose model finds no room in memory waits until others have ended; those that came long after it wait too.
        """
        used = Counter(model_key(task.request) for _, _, task in self._all() if task.started)
        waiting = [task for _, _, task in self._all() if task.told and not task.started]
        oldest = min(waiting, key=lambda task: task.asked, default=None)
        in_turn = sorted(self._all(), key=lambda one: one[2].place) if self.let_pass else self._all()
        for tasks, key, task in in_turn:
            late = oldest is not None and task is not oldest and task.asked > oldest.asked + _PATIENCE
            try:
                if task.started or (not late and self.models.admits(task.request, used)):
                    task.started = True
                    return self._advance(tasks, key, task)
            except StopIteration:
                del tasks[key]
                return {"ticket": task.ticket, "done": True}
            except Exception as error:  # whatever one request stumbles over: the others go on
                del tasks[key]
                return {"ticket": task.ticket, **_failure(error)}
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
        with self.threads.given(parallel=tasks is not self.tasks["open"] and task.far != "fetching"):
            event = next(task.steps)
        task.heard(event)
        self.let_pass = bool(task.far)
        tasks.move_to_end(key)
        return {"ticket": task.ticket, "event": event}


def _left(tasks: OrderedDict[str, Task], session: str) -> list[str]:
    """A session wants nothing more of a channel: its request goes on for those who joined it, or ends."""
    for task in tasks.values():
        task.others.discard(session)
    own = tasks.pop(session, None)
    if own is None or not own.others:
        return [] if own is None else [own.ticket]
    tasks[own.others.pop()] = own
    return []


def _joined(tasks: OrderedDict[str, Task], session: str, ticket: str) -> list[str]:
    """A session waits for a request of another one, if that has not ended meanwhile, and for nothing else there."""
    if session in tasks and tasks[session].ticket == ticket:
        return []
    ended = _left(tasks, session)
    for task in tasks.values():
        if task.ticket == ticket:
            task.others.add(session)
    return ended


def _failure(error: Exception) -> dict[str, str]:
    """The end of a request's ticket: the sentence, and the class of an error that the core raised."""
    return {"error": _sentence(error), "kind": type(error).__name__ if isinstance(error, PruningError) else ""}


def _sentence(error: Exception) -> str:
    """What a request's page is told; what nobody foresaw is told in full to the log."""
    if isinstance(error, PruningError):
        return str(error)
    traceback.print_exception(error, file=sys.stderr)
    if is_full(error):
        return sentence(tempfile.gettempdir(), error, TEMPORARY)
    short = isinstance(error, MemoryError) or "memory" in str(error)
    remedy = f"choose a smaller model, or start with a larger {memory.SETTING}" if short else "try another one"
    return f"The model could not be run ({'out of memory' if short else type(error).__name__}); {remedy}."


def _read(lines: queue.Queue[str | None]) -> None:
    for line in sys.stdin:
        lines.put(line)
    lines.put(None)


def served(worker: Worker, lines: queue.Queue[str | None]) -> Iterator[str]:
    """The events of all that is asked in `lines`, each as the client reads it; ends with None among them."""
    tidied = time.monotonic()
    while True:
        if time.monotonic() - tidied > _TIDY:
            memory.give_back()
            tidied = time.monotonic()
        while not worker.busy or not lines.empty():
            line = lines.get()
            if line is None:
                return
            yield from map(worker.line, worker.take(line))
        event = worker.step()
        if event.get("event") != {}:  # a step without news
            yield worker.line(event)


def main() -> None:
    """Serve requests until stdin closes, at low priority."""
    os.nice(5)
    events, worker, lines = own_pipe(), Worker(Path(sys.argv[1])), queue.Queue[str | None]()
    if not torch.cuda.is_available():  # its driver reserves address space that is never used
        with contextlib.suppress(PruningError):  # a setting that is no number is told with the first request
            memory.cap(memory.allowed())
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    for line in served(worker, lines):
        events.write(line + "\n")
        events.flush()


if __name__ == "__main__":
    main()
