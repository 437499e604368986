"""Background work: starts the worker process, sends it requests, keeps what comes back. No process or thread starts
anywhere else, and nothing here imports torch.

Next door: `worker` is the other end of the pipe; with DIMAP_RAY set `cluster.relay` is, which speaks for the workers of
a Ray cluster.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..pipeline import cluster
from ..types import temporary

_ROOT = Path(__file__).resolve().parents[2]
_RESTARTED = "The evaluation process stopped and was started anew; move a slider to try again."


@dataclass
class Ticket:
    """A request under way, filled in by the reader thread: `events` grows (and begins anew where the request had to, on
    another machine of a cluster), then `done` or `error` is set.

    `replaced`: a newer request of the session, or its end, cut it short, and no other session waited for it; its events
    are not the whole answer. `kind`: the error's class name, where the core raised it. `asked`: channel and request.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    done: bool = False
    replaced: bool = False
    error: str | None = None
    kind: str = ""
    asked: str = ""

    @property
    def running(self) -> bool:
        """Whether more events may come."""
        return not self.done and self.error is None

    @property
    def last(self) -> dict[str, Any] | None:
        """The newest event, if any."""
        return self.events[-1] if self.events else None


class WorkerClient:
    """One worker process, shared by all sessions; started on first use and again after it died. `here`: on this
    machine, whatever DIMAP_RAY says."""

    def __init__(self, here: bool = False) -> None:
        self._program = "cluster.relay" if cluster.wanted() and not here else "worker"
        self._folder = temporary("dimap-explorer-")
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._tickets: dict[str, Ticket] = {}
        self._process: subprocess.Popen[str] | None = None

    def submit(self, session: str, channel: str, request: Mapping[str, Any]) -> Ticket:
        """Send a request; it replaces the one this session has on that channel (requests to open a model queue up).

        One that another session waits for already is not sent again: both share its ticket.
        """
        # Before anyone waits for it: what is no JSON is this caller's error and leaves no ticket behind.
        asked = json.dumps([channel, request], sort_keys=True)
        whose = {"session": session, "channel": channel}
        with self._lock:
            process = self._running()
            same = (one for one, ticket in self._tickets.items() if ticket.asked == asked)
            number = next(same, None) if channel != "open" else None
            if number is None:
                number = str(next(self._numbers))
                self._tickets[number] = Ticket(asked=asked)
                message = {**request, **whose, "ticket": number}
            else:
                message = {**whose, "join": number}
            ticket = self._tickets[number]
            self._send(process, json.dumps(message))
        return ticket

    @property
    def waiting(self) -> int:
        """Requests under way, of all sessions."""
        return len(self._tickets)

    def cancel(self, session: str, channel: str | None = None) -> None:
        """Drop what this session still waits for, on one channel or on all."""
        with self._lock:
            if self._process is not None:
                self._send(self._process, json.dumps({"cancel": session, "channel": channel}))

    def forget(self, prefix: str) -> None:
        """Let the worker drop the models whose names begin with `prefix`, their files, and what is asked of them."""
        with self._lock:
            if self._process is not None:
                self._send(self._process, json.dumps({"forget": prefix}))

    def close(self) -> None:
        """Stop the worker and remove its files."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        self._folder.cleanup()

    def _send(self, process: subprocess.Popen[str], line: str) -> None:
        if process.stdin is None:
            return
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            self._fail_all()  # the reader thread sees the end of the pipe too; whoever is first tells the tickets

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._fail_all()  # the old process's reader may not have come to it yet
            command = [sys.executable, "-m", f"dimap_core.service.{self._program}", self._folder.name]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace", cwd=_ROOT
            )
            threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        return self._process

    def _listen(self, process: subprocess.Popen[str]) -> None:
        """Hand every event to its ticket until the process ends."""
        for line in process.stdout or ():
            self._hand_over(line)
        process.wait()  # its end of the request pipe may still be open: nothing more must be sent there
        with self._lock:
            if self._process is process:
                self._process = None
                self._fail_all()

    def _hand_over(self, line: str) -> None:
        """Hand one event to its ticket. A line that is none goes to the log: the others must still be read."""
        try:
            message = json.loads(line)
            number = str(message["ticket"])
        except (ValueError, KeyError, TypeError):
            sys.stderr.write(line)
            return
        with self._lock:
            ticket = self._tickets.get(number)
            if ticket is not None and "event" in message:
                ticket.events.append(message["event"])
            elif ticket is not None and "again" in message:
                ticket.events = []  # whoever reads the old list sees it as it was
            elif ticket is not None:
                ticket.kind, ticket.error = message.get("kind", ""), message.get("error")
                ticket.replaced = message.get("replaced", False)
                ticket.done = ticket.error is None
                del self._tickets[number]

    def _fail_all(self) -> None:
        """Tell every ticket that its process is gone; the caller holds the lock."""
        for ticket in self._tickets.values():
            ticket.error = _RESTARTED
        self._tickets.clear()
