"""What the worker does for stories: reports on cuts of several models, within the memory that there is."""

import csv
import io
from pathlib import Path

import pytest

from dimap_core.service import story_requests
from dimap_core.service.open_models import OpenModels
from dimap_core.studies import story
from dimap_core.types.errors import StoryError
from dimap_core.types.plan import PruningPlan
from tests.helpers import assert_refused

CUTS = [story.NamedCut(name, name, PruningPlan(ratio=0.6)) for name in ("swin-digits", "upload:0", "swin-digits")]


def request(form):
    """A report on cuts of two models, one of them somebody's own."""
    asked = [{"model": name, "weights": "pretrained", "images": None} for name in ("swin-digits", "deit-digits")]
    told = story.to_file(story.Story(tuple(CUTS), "Two"))
    return {**asked[0], "format": form, "ticket": form, "story": told, "opens": [asked[0], asked[1], asked[0]],
            "names": {"upload:0": "own.pth"}}  # fmt: skip


def test_cuts_of_several_models_are_told_in_their_order_and_each_model_is_opened_once(tmp_path):
    models = OpenModels(tmp_path)
    *steps, last = story_requests.report(models, request("csv"))
    rows = list(csv.DictReader(io.StringIO(Path(last["file"]).read_text("utf-8"))))
    assert [row["model"] for row in rows] == ["swin-digits", "own.pth", "swin-digits"]
    assert [row["letter"] for row in rows] == ["A", "B", "C"] and rows[0]["top1"] == rows[2]["top1"]
    assert [step["doing"] for step in steps if step["doing"].startswith("Opening")] == [
        "Opening swin-digits", "Opening own.pth",
    ]  # fmt: skip
    assert last["bytes"] == Path(last["file"]).stat().st_size and len(models.opened) == 2


def test_models_that_do_not_fit_into_memory_together_are_refused(tmp_path, monkeypatch):
    models = OpenModels(tmp_path)
    monkeypatch.setattr(models, "admits", lambda asked, used: not used)
    assert_refused(StoryError, lambda: list(story_requests.report(models, request("csv"))), "one at a time")


def test_only_the_newest_files_are_kept(tmp_path):
    models = OpenModels(tmp_path)
    for number in range(25):
        made = story_requests.made_files.place(tmp_path, str(number), "report.csv")
        made.write_text("x")
        story_requests.made_files.kept(made)
    left = {path.name for path in (tmp_path / "exports").iterdir()}
    assert len(left) == 20 and "24" in left and models.folder == tmp_path


@pytest.mark.parametrize("form", ["html", "md"])
def test_a_stopped_report_leaves_no_file(tmp_path, form):
    steps = story_requests.report(OpenModels(tmp_path), request(form))
    next(steps)
    steps.close()
    assert not (tmp_path / "exports").exists()
