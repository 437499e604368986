"""Long work (training, searches): kept on disk, done by a process of its own, one job at a time, in order of request.

An SQLite index holds every job and its progress, a folder per job its checkpoints and result, so that nothing is lost
when the server is killed: a job that no process works on any more is interrupted, and `resume` goes on from its last
state. A job is known by a token of 128 random bits; whoever has not made it cannot name it. No torch here.
Next door: `runner` is the process, `client` serves what must answer at once.
"""

from __future__ import annotations

import json
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ..types import PruningError, home
from .databases import usable

ENDED = ("done", "failed", "cancelled", "interrupted")
MOST_WAITING = 20
_ROOT = Path(__file__).resolve().parents[2]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    token TEXT PRIMARY KEY, kind TEXT, title TEXT, request TEXT, state TEXT, asked REAL, pid INTEGER,
    progress TEXT, result TEXT, error TEXT);
CREATE TABLE IF NOT EXISTS points (token TEXT, step INTEGER, point TEXT, PRIMARY KEY (token, step));
"""


@dataclass(frozen=True)
class Job:
    """A job as it stands: `state` is waiting, running or one of `ENDED`; `progress` the newest event, `result` what it
    made, `error` one sentence where it failed."""

    token: str
    kind: str
    title: str
    request: Mapping[str, Any]
    state: str
    progress: Mapping[str, Any]
    result: Mapping[str, Any] | None
    error: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come, unless it is resumed."""
        return self.state in ENDED


class Ledger:
    """The index of all jobs on disk; the app and the processes of jobs each open their own.

    Raises PruningError, then and later, where the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        with usable(self.folder, "Jobs"):
            folder.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(
                folder / "jobs.sqlite", check_same_thread=False, isolation_level=None, timeout=30
            )
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.executescript(_SCHEMA)

    def close(self) -> None:
        """Let the file go."""
        self._base.close()

    def add(self, kind: str, title: str, request: Mapping[str, Any]) -> str:
        """A new job that waits for its turn; its token."""
        token = secrets.token_hex(16)
        row = (token, kind, title, json.dumps(request), "waiting", time.time(), "{}")
        self._do("INSERT INTO jobs (token, kind, title, request, state, asked, progress) VALUES (?,?,?,?,?,?,?)", *row)
        return token

    def find(self, token: str) -> Job | None:
        """The job of that token, if there is one."""
        columns = "token, kind, title, request, state, progress, result, error"
        rows = self._do(f"SELECT {columns} FROM jobs WHERE token = ?", token)
        if not rows:
            return None
        token, kind, title, request, state, progress, result, error = rows[0]
        return Job(
            token, kind, title, json.loads(request), state, json.loads(progress), result and json.loads(result), error
        )

    def points(self, token: str) -> list[dict[str, Any]]:
        """The job's curve so far, by step."""
        rows = self._do("SELECT point FROM points WHERE token = ? ORDER BY step", token)
        return [json.loads(point) for (point,) in rows]

    def place(self, token: str) -> Path:
        """The job's own folder."""
        return self.folder / token

    def state(self, token: str) -> str | None:
        """The job's state alone; cheap enough to look at between two steps."""
        rows = self._do("SELECT state FROM jobs WHERE token = ?", token)
        return rows[0][0] if rows else None

    def move(self, token: str, state: str, *allowed: str) -> bool:
        """Change the state, if it is one of `allowed`; whether it was."""
        marks = ",".join("?" * len(allowed))
        done = f"UPDATE jobs SET state = ? WHERE token = ? AND state IN ({marks}) RETURNING token"
        return bool(self._do(done, state, token, *allowed))

    def started(self, token: str, pid: int) -> None:
        """Note whose process works on it."""
        self._do("UPDATE jobs SET pid = ?, error = NULL WHERE token = ?", pid, token)

    def report(self, token: str, progress: Mapping[str, Any]) -> None:
        """Keep the newest event."""
        self._do("UPDATE jobs SET progress = ? WHERE token = ?", json.dumps(progress), token)

    def add_point(self, token: str, point: Mapping[str, Any]) -> None:
        """A point of the job's curve; a step that is done again after a stop replaces the one before."""
        self._do("INSERT OR REPLACE INTO points VALUES (?,?,?)", token, point["step"], json.dumps(point))

    def finish(self, token: str, result: Mapping[str, Any] | None, error: str | None = None) -> None:
        """The job's end by itself: done, or failed with one sentence."""
        state = "done" if error is None else "failed"
        text = None if result is None else json.dumps(result)
        self._do(
            "UPDATE jobs SET state = ?, result = ?, error = ? WHERE token = ? AND state = 'running'",
            state,
            text,
            error,
            token,
        )

    @property
    def waiting(self) -> int:
        """How many jobs wait for their turn."""
        return int(self._do("SELECT COUNT(*) FROM jobs WHERE state = 'waiting'")[0][0])

    def next_waiting(self) -> str | None:
        """The job that has waited longest."""
        rows = self._do("SELECT token FROM jobs WHERE state = 'waiting' ORDER BY asked LIMIT 1")
        return rows[0][0] if rows else None

    def waiting_before(self, token: str) -> int:
        """How many jobs run or wait before this one."""
        asked = "(SELECT asked FROM jobs WHERE token = ?)"
        rows = self._do(f"SELECT COUNT(*) FROM jobs WHERE state IN ('waiting', 'running') AND asked < {asked}", token)
        return int(rows[0][0])

    def running(self) -> list[tuple[str, int | None]]:
        """(token, process) of what is said to run."""
        return self._do("SELECT token, pid FROM jobs WHERE state = 'running'")

    def remove(self, token: str) -> None:
        """Forget an ended job and all its files."""
        self._do("DELETE FROM points WHERE token = ?", token)
        self._do("DELETE FROM jobs WHERE token = ?", token)
        shutil.rmtree(self.place(token), ignore_errors=True)

    def _do(self, statement: str, *values: Any) -> list[Any]:
        with self._lock, usable(self.folder, "Jobs"):
            return self._base.execute(statement, values).fetchall()


class Jobs:
    """What the app asks for long work; starts one process at a time and looks after it."""

    def __init__(self, folder: Path | None = None) -> None:
        self.ledger = Ledger(folder or home() / "jobs")
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self.look_after()

    def submit(self, kind: str, title: str, request: Mapping[str, Any]) -> str:
        """Ask for a job; it starts when those before it have ended. Returns its token."""
        with self._lock:  # sessions that ask at once are counted one after the other
            waiting = self.ledger.waiting
            if waiting >= MOST_WAITING:
                raise PruningError(f"{waiting} jobs wait already; try again when some of them are done.")
            token = self.ledger.add(kind, title, request)
        self.look_after()
        return token

    def find(self, token: str) -> Job | None:
        """The job as it stands."""
        self.look_after()
        return self.ledger.find(token)

    def cancel(self, token: str) -> None:
        """End a job: at once if it waits, within a step if it runs."""
        self.ledger.move(token, "cancelled", "waiting", "running")

    def resume(self, token: str) -> None:
        """Let an interrupted, cancelled or failed job wait for its turn again; it goes on from its last state."""
        self.ledger.move(token, "waiting", "interrupted", "cancelled", "failed")
        self.look_after()

    def remove(self, token: str) -> None:
        """Forget a job that has ended, with its files."""
        job = self.ledger.find(token)
        if job is not None and job.ended:
            self.ledger.remove(token)

    def look_after(self) -> None:
        """Mark what nobody works on as interrupted, and start the next job if none runs."""
        with self._lock:
            if self._closed or (self._process is not None and self._process.poll() is None):
                return
            for token, pid in self.ledger.running():
                if not _works_on(pid, token):
                    self.ledger.move(token, "interrupted", "running")
            self._process = None
            waiting = None if self.ledger.running() else self.ledger.next_waiting()
            if waiting is not None and self.ledger.move(waiting, "running", "waiting"):
                self._start(waiting)

    def close(self) -> None:
        """Stop the process under way; its job is interrupted and can be resumed."""
        with self._lock:
            self._closed = True
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(signal.SIGKILL)
                self._process.wait()
            for token, pid in self.ledger.running():
                if not _works_on(pid, token):
                    self.ledger.move(token, "interrupted", "running")
            self.ledger.close()

    def _start(self, token: str) -> None:
        command = [sys.executable, "-m", "dimap_core.service.runner", str(self.ledger.folder), token]
        # The runner ends when this pipe closes, so that a killed server leaves no process behind.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=_ROOT)
        self.ledger.started(token, self._process.pid)
        threading.Thread(target=self._next, args=(self._process,), daemon=True).start()

    def _next(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        if self._process is process:
            self.look_after()


def _works_on(pid: int | None, token: str) -> bool:
    """Whether that process lives and is the job's own: numbers of processes are used again."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and token in process.cmdline()
    except (psutil.Error, ValueError):
        return False
