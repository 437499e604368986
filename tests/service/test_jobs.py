"""Jobs: real processes that train, are cancelled, killed and resumed; nothing is lost and nobody else's is seen."""

import os
import signal

import pytest

from dimap_core import pipeline
from dimap_core.data import permitted
from dimap_core.service import jobs, runner
from dimap_core.service.jobs import Jobs, Ledger
from dimap_core.training.methods.latency_table import latency_cost
from dimap_core.training.methods.units import Units
from dimap_core.types import folders
from dimap_core.types.errors import PruningError
from dimap_core.types.folders import data_folder
from tests.helpers import full_disk, wait

CUT = {"version": 1, "criterion": "magnitude", "granularity": "structure", "scope": "layer", "budget": {"macs": 0.7}}
REQUEST = {"model": "swin-digits", "weights": "pretrained", "recipe": CUT}


def asked(**settings):
    return {**REQUEST, "settings": {"lr": 5e-4, "augment": "affine", **settings}}


@pytest.fixture
def kept(tmp_path):
    started = Jobs(tmp_path)
    yield started
    started.close()


def until(kept, token, condition):
    wait(lambda: condition(kept.find(token)), f"the job {kept.find(token)}")
    return kept.find(token)


def test_a_job_runs_to_its_end_while_the_next_waits(kept):
    first = kept.submit("recover", "first", asked(epochs=0.5))
    second = kept.submit("recover", "second", asked(epochs=0.0))
    assert (kept.find(first).state, kept.find(second).state) == ("running", "waiting")
    assert kept.ledger.waiting_before(second) == 1
    done = until(kept, first, lambda job: job.ended)
    assert (done.state, done.error, done.title) == ("done", None, "first")
    points = kept.ledger.points(first)
    assert [point["step"] for point in points] == list(range(1, points[-1]["steps"] + 1))
    assert "top1" in points[-1] and points[-1]["n"] == 256 and points[0]["loss"] > 0
    model = pipeline.open_model(done.result["out"])
    assert pipeline.judge_fully(model, pipeline.default_data(model)).top1.value == done.result["top1_after"]
    failed = until(kept, second, lambda job: job.ended)
    assert failed.state == "failed" and failed.error == "This cannot be trained: epochs must be more than 0."
    kept.remove(first)
    assert kept.find(first) is None and not kept.ledger.place(first).exists() and kept.find(second) is not None


def test_a_killed_process_leaves_an_interrupted_job_that_can_be_resumed(kept, tmp_path):
    token = kept.submit("recover", "long", asked(epochs=40))
    until(kept, token, lambda job: len(list((tmp_path / token).glob("state/*/whole"))) > 0)
    ((_, pid),) = kept.ledger.running()
    os.kill(pid, signal.SIGKILL)
    stopped = until(kept, token, lambda job: job.ended)
    assert stopped.state == "interrupted"
    before = kept.ledger.points(token)[-1]["step"]
    kept.resume(token)
    going = until(kept, token, lambda job: job.state == "running" and job.progress.get("step", 0) not in (0, before))
    assert going.progress["step"] > 1
    kept.cancel(token)
    assert kept.find(token).state == "cancelled"
    wait(lambda: not jobs._works_on(kept._process.pid if kept._process else None, token), "its end within a step")
    assert kept.ledger.points(token)[-1]["step"] >= before - 1


def test_a_server_that_comes_back_finds_what_was_interrupted(tmp_path):
    ledger = Ledger(tmp_path)
    token, other = ledger.add("recover", "t", asked(epochs=1)), ledger.add("recover", "u", asked(epochs=1))
    ledger.move(token, "running", "waiting")
    ledger.started(token, os.getpid())  # a number that another process has now
    ledger.move(other, "cancelled", "waiting")
    ledger.close()
    back = Jobs(tmp_path)
    assert (back.find(token).state, back.find(other).state) == ("interrupted", "cancelled")
    assert back.find("0" * 32) is None
    back.close()


def test_the_queue_is_bounded(kept, monkeypatch):
    monkeypatch.setattr(jobs, "MOST_WAITING", 0)
    with pytest.raises(PruningError, match="0 jobs wait already"):
        kept.submit("recover", "t", asked(epochs=1))


def test_what_nobody_foresaw_ends_its_job_with_a_sentence(tmp_path, monkeypatch):
    def broken(kind, request, place):
        yield {"doing": "Reading"}
        raise KeyError("units")

    monkeypatch.setattr(runner, "work", broken)
    ledger = Ledger(tmp_path)
    token = ledger.add("recover", "one", {})
    ledger.move(token, "running", "waiting")
    runner.run(ledger, token)
    job = ledger.find(token)
    assert (job.state, job.error) == (
        "failed", "The work stopped (KeyError); resume it, or try smaller batches.",
    )  # fmt: skip
    ledger.close()


def test_sessions_that_ask_at_once_are_counted_one_after_the_other(kept, monkeypatch):
    held = []
    monkeypatch.setattr(kept.ledger, "add", lambda *_: held.append(kept._lock.locked()) or "token")
    assert kept.submit("recover", "one", asked(epochs=1)) == "token" and held == [True]


def assert_names_the_home(call, folder):
    with pytest.raises(PruningError, match=r"^[^\n]*; (make room there, or )?choose .* DIMAP_HOME\.$") as error:
        call()
    assert str(folder) in str(error.value)


def test_a_home_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "home").touch()
    monkeypatch.delenv("DIMAP_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert_names_the_home(Jobs, tmp_path / "home" / ".local" / "share" / "dimap-explorer" / "jobs")
    (tmp_path / "jobs.sqlite").mkdir()
    assert_names_the_home(lambda: Jobs(tmp_path), tmp_path)


def test_a_user_without_a_home_has_a_folder_all_the_same(monkeypatch):
    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("DIMAP_HOME", raising=False)
    monkeypatch.delenv("DIMAP_ROOTS", raising=False)
    monkeypatch.delenv("DIMAP_DATA", raising=False)
    monkeypatch.setattr("pathlib.Path.home", none)
    assert folders.home().is_absolute() and permitted.roots() and data_folder().is_absolute()


def test_a_disk_that_is_full_is_told_and_nothing_is_lost(tmp_path):
    ledger = Ledger(tmp_path)
    token = ledger.add("recover", "t", {})
    with full_disk(4096):
        assert_names_the_home(lambda: ledger.add("recover", "t", {"long": "x" * 100_000}), tmp_path)
    assert ledger.find(token).state == "waiting" and ledger.waiting == 1
    ledger.close()


def test_times_that_could_not_be_kept_are_not_measured(tiny_swin, tmp_path, monkeypatch):
    (tmp_path / "home").touch()
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path / "home"))
    units = Units(tiny_swin.model, tiny_swin.anatomy)
    assert_names_the_home(lambda: next(latency_cost(tiny_swin.model, tiny_swin.info, units)), tmp_path / "home")
