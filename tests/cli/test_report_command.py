"""`report`: of directories that `prune` wrote and of stories, in every form, and what it refuses."""

import csv
import io
import json
import shutil

import pytest
import torch
from typer.testing import CliRunner

from dimap_core import load_model
from dimap_core.cli.commands import app
from dimap_core.studies import story
from dimap_core.types.plan import PruningPlan

PLAN = PruningPlan(ratio=0.7)


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """A directory of a cut, and one of a cut that makes the model smaller."""
    folder = tmp_path_factory.mktemp("cuts")
    for name, options in (("zeros", []), ("small", ["--granularity", "structure"])):
        line = ["prune", "deit-digits", "--ratio", "0.4", *options, "--out", str(folder / name)]
        assert CliRunner().invoke(app, line).exit_code == 0
    return folder


def test_directories_and_stories_are_told_together(call, pruned, tmp_path):
    file, out = tmp_path / "story.json", tmp_path / "report.html"
    file.write_text(story.to_file(story.Story((story.NamedCut("Mine", "deit-digits", PLAN, "Much."),), "A title")))
    code, stdout, stderr = call("report", pruned / "zeros", file, pruned / "small", "--out", out, "--json")
    assert code == 0, stderr
    result = json.loads(stdout)
    assert [row["name"] for row in result["cuts"]] == ["zeros", "Mine", "small"] and result["differs"] == {}
    assert [row["letter"] for row in result["cuts"]] == ["A", "B", "C"] and result["bytes"] == out.stat().st_size < 6e6
    assert [row["really_smaller"] for row in result["cuts"]] == [False, False, True]
    text = out.read_text("utf-8")
    assert "<title>A title</title>" in text and str(tmp_path) not in text and str(pruned) not in text
    assert stderr.count("Opening deit-digits") == 1 and "Judging cut 3 of 3" in stderr
    shown, printed, _ = call("prune", "deit-digits", "--ratio", "0.7", "--data", "digits", "--json")
    alone = json.loads(printed)
    assert shown == 0 and alone["accuracy"]["top1"] == pytest.approx(result["cuts"][1]["top1"], abs=1e-6)
    assert alone["params_after"] == result["cuts"][1]["params_nonzero"]


@pytest.mark.parametrize("form", ["csv", "tex", "md"])
def test_other_forms_hold_the_same_cut(call, pruned, tmp_path, form):
    out = tmp_path / f"table.{form}"
    code, stdout, _ = call("report", pruned / "small", "--out", out, "--format", form)
    text = out.read_text("utf-8")
    assert code == 0 and str(out) in stdout and "small" in text
    if form == "csv":
        (row,) = csv.DictReader(io.StringIO(text))
        card = json.loads((pruned / "small" / "card.json").read_text("utf-8"))
        assert int(row["params"]) == card["result"]["params_after"]
    if form == "md":
        assert (tmp_path / "table-pictures" / "map-A.svg").exists()


def refused(call, *arguments):
    """The one sentence that a report is refused with."""
    code, _, stderr = call("report", *arguments)
    line = stderr.strip().splitlines()[-1]
    assert code == 2 and line.endswith(".") and "Traceback" not in stderr
    return line


def test_what_is_neither_story_nor_cut_is_refused_in_a_sentence(call, pruned, tmp_path):
    out, other = ("--out", tmp_path / "r.html"), tmp_path / "other.json"
    assert "cannot be read" in refused(call, tmp_path / "none.json", *out)
    other.write_text("{}")
    assert "no story" in refused(call, other, *out)
    assert "not a pruned checkpoint" in refused(call, tmp_path, *out)
    assert "no known format" in refused(call, pruned / "zeros", *out, "--format", "pdf")
    assert "at most 9" in refused(call, *[pruned / "zeros"] * 10, *out)
    other.write_text(story.to_file(story.Story()))
    assert "no cut to report on" in refused(call, other, *out)
    assert not (tmp_path / "r.html").exists()


def changed(pruned, tmp_path, name, change):
    """A copy of a directory with another card."""
    copy = tmp_path / name
    shutil.copytree(pruned / "zeros", copy)
    card = json.loads((copy / "card.json").read_text("utf-8"))
    change(card)
    (copy / "card.json").write_text(json.dumps(card))
    return copy


def test_a_directory_whose_cut_cannot_be_repeated_is_refused(call, pruned, tmp_path):
    out = "--out", tmp_path / "r.html"
    cases = {
        "trained": (lambda card: card.update(recovered={}), "trained after it was cut"),
        "bare": (lambda card: card.pop("result"), "does not say how it was cut"),
        "gone": (lambda card: card.update(dense={"file": "/none/m.pth", "fingerprint": "0"}), "(m.pth)"),
        "twice": (lambda card: card["result"].update(params_before=7), "been cut before"),
    }
    for name, (change, said) in cases.items():
        assert said in refused(call, changed(pruned, tmp_path, name, change), *out)


def test_what_a_directory_counts_otherwise_is_told(call, pruned, tmp_path):
    other = changed(pruned, tmp_path, "less", lambda card: card["result"].update(params_after=7))
    code, stdout, stderr = call("report", other, "--out", tmp_path / "t.csv", "--format", "csv", "--json")
    (line,) = json.loads(stdout)["differs"]["A"]
    assert code == 0 and line.startswith("params: 7 in the directory") and "not as the file says" in stderr


def test_a_model_that_came_as_a_file_is_opened_again_and_called_by_its_name(call, tmp_path):
    model, _ = load_model("deit-digits")
    file = tmp_path / "mine.pth"
    torch.save(model.state_dict(), file)
    cut = tmp_path / "cut"
    assert call("prune", file, "--ratio", "0.4", "--out", cut)[0] == 0
    code, stdout, stderr = call("report", cut, "--out", tmp_path / "r.html", "--json")
    (row,) = json.loads(stdout)["cuts"]
    assert code == 0 and row["model"].startswith("mine.pth") and row["name"] == "cut", stderr
    assert str(tmp_path) not in (tmp_path / "r.html").read_text("utf-8")
