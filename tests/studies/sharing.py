"""Processes that share a study of a tiny model, and a PostgreSQL server that can be ended and started again."""

import contextlib
import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from optuna.trial import TrialState
from sqlalchemy import text

from dimap_core.data.registry import load_data
from dimap_core.studies.shared import asked, ledger, rows, same, working
from tests.helpers import wait

GRID = {"criteria": ["dimap", "magnitude"], "scopes": ["layer", "model"], "ratios": [0.3, 0.5, 0.8], "seeds": [0, 1]}


def digits(count=40):
    """A few labelled images."""
    data = load_data("digits")
    return replace(data, images=data.images[:count], labels=data.labels[:count])


def asked_for(models=("tiny",), heartbeat=1, **grid):
    """What a study of the tiny model asks for."""
    file = asked.checked({"models": [*models], "grids": [{**GRID, **grid}], "heartbeat": heartbeat})
    return asked.Asked.by(file)


def use_tiny(monkeypatch, opened, data=None):
    """Let every model's name mean the tiny one."""
    data = data or digits()
    monkeypatch.setattr(same, "open_for", lambda asked, model, place=None: (opened, data))
    return data


@dataclass
class Process:
    """A forked process that works at a study; `stop_at`: the trial of its own, from 0, in which it stands still until
    it is told to go on, or is ended."""

    name: str
    log: Path
    stop_at: int | None = None

    def __post_init__(self):
        ours = multiprocessing.get_context("fork")
        self.reached, self.go_on = ours.Event(), ours.Event()
        self.process = ours.Process(target=self._run, daemon=True)
        self.process.start()

    def _run(self):
        do, row, count = working.Worker.do, rows.row, iter(range(10_000))

        def noted(worker, trial):
            with self.log.open("a") as log:
                log.write(f"{trial.number} {trial.user_attrs['point']} {os.getpid()}\n")
            do(worker, trial)

        def slow(*what):
            if next(count) == self.stop_at:
                self.reached.set()
                self.go_on.wait()
            return row(*what)

        working.Worker.do, rows.row = noted, slow
        for _ in working.work(ledger.named(self.name), told=self.log.with_suffix(".told").write_text):
            pass

    def kill(self):
        """End it as nothing can be answered to."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    def ended(self):
        """Whether it came to its end by itself."""
        wait(lambda: not self.process.is_alive(), f"the end of a worker of '{self.name}'")
        return self.process.exitcode == 0


def done_once(name, log):
    """Every point has one row, and no trial was done twice; asked of the database itself. How many failed."""
    kept = ledger.named(name)
    with kept.storage.engine.connect() as base:
        states = base.execute(text("SELECT trial_id, number, state FROM trials")).all()
        known = base.execute(text("SELECT trial_id, value_json FROM trial_user_attributes WHERE key = 'point'")).all()
    points, state = {trial: int(point) for trial, point in known}, {trial: state for trial, _, state in states}
    done = Counter(points[trial] for trial in state if state[trial] == "COMPLETE")
    assert done == Counter(range(len(kept.points)))
    assert not {"RUNNING", "WAITING"} & {*state.values()}
    trials = [line.split()[0] for line in log.read_text().splitlines()]
    assert len(trials) == len({*trials})
    assert [row["worker"] for row in kept.rows()] and len(kept.rows()) == len(kept.points)
    return sum(trial.state == TrialState.FAIL for trial in kept.study.get_trials())


class Postgres:
    """A server of its own, on a free TCP port; skips the test with the reason where there can be none."""

    def __init__(self):
        self.driver = pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
        found = shutil.which("postgres") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")), None)
        if found is None:
            pytest.skip("there is no PostgreSQL server on this machine")
        self.programs = Path(found).parent
        self.user = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            try:
                there = pwd.getpwnam("postgres")
            except KeyError:
                pytest.skip("PostgreSQL does not run as root, and there is no user 'postgres'")
            self.user = {"user": there.pw_uid, "group": there.pw_gid, "extra_groups": []}
        self.folder = Path(tempfile.mkdtemp(prefix="dimap-postgres-"))
        if self.user:
            os.chown(self.folder, self.user["user"], self.user["group"])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "-D", self.folder / "data", "-U", "dimap", "--auth=trust", "--no-sync", "-E", "UTF8")
        self.start()

    @property
    def url(self):
        return f"postgresql://dimap:secret@127.0.0.1:{self.port}/postgres"

    def _run(self, program, *arguments):
        command = [self.programs / program, *arguments]
        return subprocess.run(command, check=True, capture_output=True, cwd=self.folder, env=self._env(), **self.user)

    def _env(self):
        return {"PATH": os.environ["PATH"], "LC_ALL": "C"}

    def start(self):
        """Start it, again where one was killed: its processes may need a moment to end."""
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder}
        settings |= {"fsync": "off", "max_connections": 20, "shared_buffers": "16MB"}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = [self.programs / "postgres", "-D", self.folder / "data", *options]

        def runs():
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self._env(), start_new_session=True,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.user,
            )  # fmt: skip
            while self.process.poll() is None:
                with contextlib.suppress(self.driver.OperationalError):  # it listens before it is ready
                    self.driver.connect(self.url).close()
                    return True
                time.sleep(0.05)
            return False

        wait(runs, "PostgreSQL")

    def kill(self):
        """End the server and all its processes at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self):
        """End it and leave nothing."""
        with contextlib.suppress(ProcessLookupError):
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
