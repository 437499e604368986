"""The worker process that `jobs` starts (`python -m dimap_core.worker FOLDER`): loads, scores, evaluates; never draws.

Requests come as JSON lines on stdin, events leave as JSON lines on stdout. Every request becomes a generator; the loop
advances one step (one batch) at a time, so that a newer request of the same session and channel replaces the older
one within a batch, sessions take turns, and background curves wait for slider moves.
Next door: `requests` says what each step does, `threads` on how many cores.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections import OrderedDict
from pathlib import Path
from typing import Any

from .errors import PruningError
from .memory import give_back
from .requests import HANDLERS, Events, Shelf
from .threads import Threads

CHANNELS = ("open", "live", "versus", "background", "truth", "sensitivity")
"""Most urgent first; a channel is served only while the ones before it are idle. Versus, truth and sensitivity are
started by buttons and last for a while; each has a channel of its own, so that none replaces another."""

_TIDY = 10.0  # seconds between two returns of free memory to the system


class Worker:
    """What requests share, and the requests under way."""

    def __init__(self, folder: Path) -> None:
        self.shelf = Shelf(folder)
        self.threads = Threads()
        self.tasks: dict[str, OrderedDict[str, tuple[str, Events]]] = {channel: OrderedDict() for channel in CHANNELS}

    def accept(self, message: dict[str, Any]) -> list[str]:
        """Start a request, or cancel what a session has (on one channel, if it is named); returns the tickets that end
        by this.

        A request replaces the one its session has on the same channel, but for requests to open a model, which all run;
        one that has to read images to score it is live, and is replaced like any other.
        """
        if "cancel" in message:
            channels = (message["channel"],) if message.get("channel") else CHANNELS
            ended = [self.tasks[channel].pop(message["cancel"], None) for channel in channels]
            if not message.get("channel"):
                self.shelf.images.end(self.shelf.folder, message["cancel"])
            return [task[0] for task in ended if task]
        tasks = self.tasks[message["channel"]]
        stays = message["kind"] == message["channel"] == "open"
        key = message["ticket"] if stays else message["session"]
        replaced = tasks.pop(key, None)
        tasks[key] = (message["ticket"], HANDLERS[message["kind"]](self.shelf, message))
        if not stays:
            tasks.move_to_end(key, last=False)  # a first number soon; then it takes turns with the others
        return [replaced[0]] if replaced else []

    @property
    def busy(self) -> bool:
        """Whether any request is under way."""
        return any(self.tasks.values())

    def step(self) -> dict[str, Any]:
        """Advance the most urgent request by one step and return its event; sessions on a channel take turns."""
        tasks = next(tasks for tasks in self.tasks.values() if tasks)
        key, (ticket, steps) = next(iter(tasks.items()))
        event: dict[str, Any]
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
