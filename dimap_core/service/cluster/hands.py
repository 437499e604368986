"""The worker in an actor: the same requests and events, line by line, for the sessions that the relay gives it.

Next door: `relay` makes it, `worker` is what it holds.
"""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from ...models import memory
from ...pipeline import cluster
from ...types import PruningError

MARK = "relay"  # a file in the shared folder, by which an actor knows that it is the app's


class Hands:
    """One actor. `folder`: its own, in the folder that the app reads; `shares`: how many of its kind share a machine's
    memory."""

    def __init__(self, folder: str, shares: int) -> None:
        self._folder, self._shares = Path(folder), shares
        self._lines: queue.Queue[str | None] = queue.Queue()

    def about(self, mark: str) -> tuple[str, dict[str, str], bool]:
        """Where it runs, which versions, and whether it sees the app's folder."""
        place = self._folder.parent / MARK
        seen = place.is_file() and place.read_text(encoding="utf-8") == mark
        return socket.gethostname(), cluster.versions(), seen

    def tell(self, line: str) -> None:
        """A message of the client; heard between two steps."""
        self._lines.put(line)

    def serve(self) -> Iterator[str]:
        """Events as they come, for ever."""
        program: Any = import_module("dimap_core.service.worker")  # by its name, as the client: with torch, here only
        cluster.be_gentle()
        self._folder.mkdir(exist_ok=True)
        worker = program.Worker(self._folder)
        with suppress(PruningError):  # a setting that is no number is told with the first request
            worker.models.limit = memory.allowed() // self._shares
        worker.threads.most = 1  # there is an actor on every core
        yield from program.served(worker, self._lines)
