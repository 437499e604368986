"""A sweep as a job of the app: its process is killed with -9, it goes on, and one from the command line takes part;
counted in the database, nothing is lost and nothing done twice."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from optuna.trial import TrialState

from dimap_core.service.jobs import Jobs
from dimap_core.studies import shared
from tests.helpers import wait

ROOT = Path(__file__).resolve().parents[2]
GRID = {"criteria": ["dimap", "magnitude"], "scopes": ["layer", "module"], "ratios": [0.5, 0.7, 0.9]}


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Twelve cuts of a bundled model; jobs and studies lie in this test's own folder."""
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path))
    monkeypatch.delenv("DIMAP_STUDIES", raising=False)
    return shared.Asked.by(shared.checked({"models": ["deit-digits"], "grids": [GRID], "heartbeat": 1, "limit": 40}))


@pytest.fixture
def kept(tmp_path, asked):
    started = Jobs(tmp_path / "jobs")
    yield started
    started.close()


def submitted(kept, asked, name):
    return kept.submit("sweep", name, {"study": name, "asked": asked.told(), "settings": ["deit-digits"]})


def done(name):
    ledger = shared.found(name)
    return 0 if ledger is None else ledger.standing().done


def each_point_once(name):
    """Trials as the database has them: every point has one that is done; how many failed."""
    ledger = shared.named(name)
    trials = ledger.study.get_trials()
    whole = Counter(trial.user_attrs["point"] for trial in trials if trial.state == TrialState.COMPLETE)
    assert whole == Counter(range(len(ledger.points)))
    assert not any(trial.state in (TrialState.RUNNING, TrialState.WAITING) for trial in trials)
    assert [row["point"] for row in ledger.rows()] == list(range(len(ledger.points)))
    return sum(trial.state == TrialState.FAIL for trial in trials)


def test_a_sweep_whose_process_is_killed_goes_on_where_it_was(kept, asked):
    token = submitted(kept, asked, "killed")
    wait(lambda: done("killed") >= 2, "the first cuts")
    ((_, pid),) = kept.ledger.running()
    os.kill(pid, signal.SIGKILL)
    wait(lambda: kept.find(token).state == "interrupted", "the job's end")
    before = {row["point"]: row["worker"] for row in shared.named("killed").rows()}
    assert 2 <= len(before) < len(asked.points)
    kept.resume(token)
    wait(lambda: kept.find(token).ended, "the end of the sweep")
    assert kept.find(token).state == "done" and each_point_once("killed") <= 1  # the cut that was under way, if any
    rows = {row["point"]: row["worker"] for row in shared.named("killed").rows()}
    assert {point: rows[point] for point in before} == before  # no row was measured again
    assert len({*rows.values()}) == 2
    assert kept.find(token).result["own"] == len(asked.points) - len(before)


def test_a_paused_sweep_leaves_nothing_under_way_and_a_process_of_the_command_line_ends_it(kept, asked):
    token = submitted(kept, asked, "joined")
    wait(lambda: done("joined") >= 2, "the first cuts")
    kept.cancel(token)
    wait(lambda: kept._process is None or kept._process.poll() is not None, "the end of its process")
    standing = shared.named("joined").standing()
    assert standing.running == 0 and 0 < standing.left == standing.waiting
    command = [sys.executable, "-m", "dimap_core", "work", "joined"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"12 done.*, {standing.left} of them here", told)
    assert each_point_once("joined") == 0


def test_a_sweep_that_cannot_be_begun_fails_with_its_reason(kept, asked):
    token = kept.submit("sweep", "none", {"study": "none", "asked": {**asked.told(), "models": ["no-such-model"]}})
    wait(lambda: kept.find(token).ended, "the end of the sweep")
    assert kept.find(token).state == "failed" and "no-such-model" in kept.find(token).error
    assert shared.found("none") is None
