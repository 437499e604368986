"""Real processes at one study, on SQLite and on a PostgreSQL server: killed, and the server too, nothing is lost and
nothing is done twice."""

import multiprocessing
import random

import pytest

from dimap_core.studies import sweep
from dimap_core.studies.shared import ledger, same
from tests.helpers import wait
from tests.studies.sharing import Postgres, Process, asked_for, done_once, use_tiny


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path))
    monkeypatch.delenv("DIMAP_STUDIES", raising=False)


@pytest.fixture
def postgres(monkeypatch):
    server = Postgres()
    monkeypatch.setenv("DIMAP_STUDIES", server.url)
    yield server
    server.close()


@pytest.fixture
def begun(monkeypatch, tiny_swin):
    """begun(name) -> the images; the study is in the database and no connection is left to it here."""

    def begin(name, **grid):
        data = use_tiny(monkeypatch, tiny_swin)
        asked = asked_for(**grid)
        ledger.begin(name, asked, same.look(asked)).storage.engine.dispose()
        return data

    return begin


def claim(name, pipe):
    """Take trials until there are none; their numbers."""
    random.randrange = lambda _: 0  # all begin at the same one
    kept, taken = ledger.named(name), []
    while (trial := kept.take()) is not None:
        taken.append(trial.number)
    pipe.send(taken)


def test_no_trial_is_taken_by_two_processes(begun):
    begun("race", ratios=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    ours = multiprocessing.get_context("fork")
    pipes = [ours.Pipe() for _ in range(4)]
    processes = [ours.Process(target=claim, args=("race", end), daemon=True) for _, end in pipes]
    for process in processes:
        process.start()
    wait(lambda: not any(process.is_alive() for process in processes), "the end of all processes")
    assert [process.exitcode for process in processes] == [0] * 4
    taken = [number for start, _ in pipes for number in start.recv()]
    assert sorted(taken) == list(range(64))


def test_four_processes_do_a_study_and_one_of_them_is_killed(begun, tiny_swin, tmp_path):
    data, log = begun("four"), tmp_path / "log"
    doomed = Process("four", log, stop_at=1)
    others = [Process("four", log) for _ in range(3)]
    wait(doomed.reached.is_set, "a trial under way")
    doomed.kill()
    assert all(other.ended() for other in others)
    assert done_once("four", log) >= 1  # the trial that was under way
    assert len({line.split()[2] for line in log.read_text().splitlines()}) >= 2
    kept = ledger.named("four")
    expected = list(sweep.run(tiny_swin, data, kept.asked.plans))
    rows = kept.rows()
    assert [{key: row[key] for key in wanted} for row, wanted in zip(rows, expected, strict=True)] == expected


def test_a_worker_and_the_server_are_killed(postgres, begun, tmp_path):
    begun("served")
    log = tmp_path / "log"
    workers = doomed, other = [Process("served", log, stop_at=1) for _ in range(2)]
    for worker in workers:
        wait(worker.reached.is_set, "a trial under way")
    doomed.kill()
    postgres.kill()
    other.go_on.set()  # it ends its trial, and nobody is there to be told
    wait(log.with_suffix(".told").exists, "a worker that notices")
    postgres.start()
    assert other.ended()
    assert "nobody answers" in log.with_suffix(".told").read_text()
    assert done_once("served", log) >= 1
