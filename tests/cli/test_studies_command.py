"""`study` and `work`: a study begun, told, joined by another process, and its rows those of `sweep`."""

import json
import os
import signal

import pandas as pd
import pytest

from dimap_core.studies.shared import rows, same

GRID = ("--criteria", "dimap,magnitude", "--scopes", "model", "--ratios", "0.5,0.8")
BEGIN = ("--models", "swin-digits", *GRID, "--limit", "60")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DIMAP_STUDIES", raising=False)


@pytest.fixture
def ask(call):
    def run(*arguments):
        code, out, told = call(*arguments, "--json")
        assert code == 0 and out.count("\n") == 1, told
        return json.loads(out), told

    return run


@pytest.fixture
def refused(call):
    def run(*arguments):
        code, out, told = call(*arguments)
        lines = [line for line in told.splitlines() if not line.endswith("...")]
        assert code == 2 and out == "" and len(lines) == 1, told
        return lines[0]

    return run


def test_a_study_is_queued_told_worked_at_and_written_with_the_sweeps_rows(ask, call, refused, tmp_path):
    result, _ = ask("study", "own", *BEGIN, "--queue")
    assert result == {"study": "own", "total": 4, "done": 0, "running": 0, "waiting": 4, "given_up": 0}
    result, told = ask("work", "own")
    assert (result["done"], result["own"]) == (4, 4)
    assert told.splitlines()[0].startswith("0/4 done") and told.splitlines()[-1] == "4/4 done, 4 of them here"
    assert ask("study", "own", "--status")[0]["done"] == 4
    code, out, _ = call("study", "own", "--csv", tmp_path / "own.csv")
    assert code == 0 and "4 done" in out
    found = ask("study", "own")[0]["rows"]
    expected = ask("sweep", "swin-digits", *GRID, "--limit", "60")[0]["rows"]
    assert [{key: row[key] for key in wanted} for row, wanted in zip(found, expected, strict=True)] == expected
    written = pd.read_csv(tmp_path / "own.csv")
    assert written["top1"].tolist() == [row["top1"] for row in found] and set(written["model"]) == {"swin-digits"}
    assert "another study" in refused("study", "own", *BEGIN, "--seeds", "1")


def test_a_process_that_is_ended_by_a_scheduler_gives_its_trial_back(ask, call, monkeypatch):
    ask("study", "long", *BEGIN, "--queue")
    measured = iter([rows.row, None])

    def row(*what):
        measure = next(measured)
        return measure(*what) if measure else os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(rows, "row", row)
    code, out, _ = call("work", "long")
    assert code == 130 and out == ""
    result, _ = ask("study", "long", "--status")
    assert (result["done"], result["running"], result["waiting"]) == (1, 0, 3)


def test_a_file_says_what_is_run_and_one_that_comes_with_the_project_needs_its_name_only(ask, tmp_path, monkeypatch):
    (tmp_path / "own.toml").write_text('models = ["swin-digits"]\n[[grids]]\nscopes = ["layer"]\nratios = [0.5]\n')
    result, _ = ask("study", "filed", "--file", tmp_path / "own.toml", "--limit", "30")
    assert (result["done"], {row["n"] for row in result["rows"]}) == (2, {30})
    monkeypatch.setattr(same, "look", lambda asked: {"versions": {}, "models": {}})
    monkeypatch.setattr("dimap_core.studies.shared.look", same.look, raising=False)
    assert ask("study", "dimap-table3", "--queue")[0]["total"] == 18
    assert ask("study", "dimap-table3", "--imagenet", tmp_path, "--queue")[0]["study"] == "dimap-table3-imagenet"


def test_what_cannot_be_is_one_sentence(refused, monkeypatch, tmp_path):
    assert "no study 'nobody'" in refused("work", "nobody")
    assert "no study 'nobody'" in refused("study", "nobody", "--status")
    assert "no study 'nobody'" in refused("study", "nobody")
    assert "letters" in refused("study", "a/b", *BEGIN)
    assert "models" in refused("study", "a", *GRID)
    assert "0.5,0.7" in refused("study", "a", "--models", "swin-digits", "--ratios", "x")
    assert "seeds" in refused("study", "a", *BEGIN, "--seeds", "x")
    assert "yes or both" in refused("study", "a", *BEGIN, "--repair", "maybe")
    assert "leave out either" in refused("study", "a", "--file", tmp_path / "a.toml", *GRID)
    assert "no criterion" in refused("study", "a", "--models", "swin-digits", "--criteria", "x", "--ratios", "0.5")
    assert "nothing to do" in refused("study", "a", "--models", "swin-digits", "--criteria", "dimap")
    monkeypatch.setenv("DIMAP_STUDIES", "mysql://a@b/c")
    assert "PostgreSQL or SQLite" in refused("work", "a")


def test_another_version_is_refused_in_one_sentence(ask, refused, monkeypatch):
    ask("study", "versions", *BEGIN, "--queue")
    here = same.versions()
    monkeypatch.setattr(same, "versions", lambda: {**here, "timm": "0.9"})
    told = refused("work", "versions")
    assert "timm" in told and "0.9" in told and here["timm"] in told
