"""The Export page: files made by the second worker, and what they hold."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dimap_core import load_model, pipeline
from dimap_core.plan.recipe import from_recipe
from dimap_core.studies import story
from dimap_core.types.plan import PruningPlan
from tests.helpers import FLIPS

LINK = {"model": "deit-digits", "granularity": "structure", "macs": "0.5", "round": "2"}


def made(app, form):
    """The bytes behind the download of that form, made by a press on its button."""
    app.click(f"Make the {form.replace('onnx', 'ONNX')} file")
    app.until(lambda: app.downloads(f"get_{form}"), f"the {form} file")
    return Path(ticket_of(app, form).last["file"]).read_bytes()


def ticket_of(app, form):
    """The request for the file of that form."""
    asked = app.at.session_state["streams"].values()
    (found,) = [t for (key, t) in asked if key[2] == "export" and json.loads(key[3])["format"] == form]
    return found


@pytest.mark.parametrize("link", [LINK, {"model": "swin-digits", "ratio": "0.6"}], ids=["smaller", "zeros"])
def test_the_checkpoint_reloads_as_what_the_page_shows(open_app, tmp_path, link):
    app = open_app(**link).live().page("export")
    zipfile.ZipFile(io.BytesIO(made(app, "checkpoint"))).extractall(tmp_path)
    assert from_recipe((tmp_path / "recipe.json").read_text()) == app.plan
    model, info = load_model(str(tmp_path))
    pruned, _, cost = pipeline.prune(pipeline.open_model(link["model"]), app.plan)
    images = torch.randn(2, 3, info.input_size, info.input_size)
    with torch.inference_mode():
        assert torch.equal(model(images), pruned(images))
    size = sum(p.numel() for p in model.parameters())
    assert size == (cost.total.params_after if link is LINK else cost.total.params)


def test_a_file_that_was_brought_goes_back_in_its_own_layout(open_app, tmp_path, monkeypatch):
    monkeypatch.setenv("DIMAP_ROOTS", str(tmp_path))
    state = {f"module.{name}": value for name, value in load_model("deit-digits")[0].state_dict().items()}
    torch.save({"model": state, "epoch": 3}, tmp_path / "theirs.pth.tar")
    name = f"file:{tmp_path / 'theirs.pth.tar'}@deit-digits"
    app = open_app(model=name, ratio="0.5", criterion="magnitude").live().page("export")
    app.click("Make the same-layout file").until(lambda: app.downloads("get_source"), "the file")
    assert any(r"left out\: epoch" in text for text in app.texts())
    found = torch.load(ticket_of(app, "source").last["file"], weights_only=True)
    wanted = pipeline.prune(pipeline.open_model(name), app.plan)[0].state_dict()
    assert found.keys() == {"model"} and found["model"].keys() == state.keys()
    assert all(torch.equal(found["model"][f"module.{key}"], value) for key, value in wanted.items())
    app = open_app(model=name, granularity="structure", ratio="0.5", criterion="magnitude").live().page("export")
    assert not any("same-layout" in button.label for button in app.at.button)


def test_every_judged_cut_is_in_the_table(open_app):
    app = open_app(model="swin-digits", ratio="0.3").judged().set("w_ratio", 40.0).judged().page("export")
    table = app.at.dataframe[0].value
    assert list(table["number"]) == [1, 2] and (table["joint_n"] == 540).all()
    assert [json.loads(recipe)["ratio"] for recipe in table["recipe"]] == [0.3, 0.4]
    assert (table["joint_low"] <= table["joint_accuracy"]).all()
    assert (table["params"] == 1_511_310).all() and (table["params_nonzero"] < table["params"]).all()


def test_a_file_that_was_cleared_away_is_said_and_made_again(open_app):
    app = open_app(**{**LINK, "macs": "0.4"}).live().page("export")
    made(app, "checkpoint")
    ticket = ticket_of(app, "checkpoint")
    ticket.last["file"] += ".gone"
    app.run()
    assert any("was cleared away" in element.value for element in app.at.error)
    assert app.run().downloads("get_checkpoint") == []


def test_speed_is_measured_on_request_with_batch_and_threads(open_app):
    app = open_app(**LINK).live()
    app.set("batches", [1]).click("Measure")
    app.until(lambda: any("MACs promise" in text for text in app.texts()), "the measurement")
    row = app.at.dataframe[-1].value.iloc[0]
    assert row["images"] == "1" and row["speed-up"].endswith(("×", "too noisy to tell")) and "to" in row["dense, ms"]
    assert any("1 thread(s)" in text for text in app.texts())


KEPT = story.Story(
    (
        story.NamedCut("Half [of](x) all", "swin-digits", PruningPlan(ratio=0.5), "As said."),
        story.NamedCut("Too far", "swin-digits", PruningPlan(ratio=0.9, scope="layer")),
    ),
    "What goes",
)


def reported(app, form):
    """The report's file in that form, made by a press on its button."""
    app.set("report_form", form).click("Make the report file")
    app.until(lambda: app.downloads("get_report"), f"the report as {form}")
    asked = app.at.session_state["streams"]["report", False]
    return Path(asked[1].last["file"])


def test_the_report_tells_the_kept_cuts_by_the_numbers_of_the_core(open_app):
    app = open_app(model="swin-digits", ratio="0.6", story=story.to_link(KEPT)).live().page("export")
    assert any("your 2 kept cuts" in text for text in app.texts())
    rows = list(csv.DictReader(io.StringIO(reported(app, "CSV").read_text("utf-8"))))
    told = [one for _, one in story.tell(pipeline.open_model("swin-digits"), [cut.plan for cut in KEPT.cuts]) if one]
    for row, cut, one in zip(rows, KEPT.cuts, told[1:], strict=True):
        assert row["name"] == cut.name and int(row["params_nonzero"]) == one.total.params_after
        assert abs(int(row["correct"]) - one.estimate.top1.correct) <= FLIPS
    page = reported(app, "Web page").read_text("utf-8")
    assert "Half [of](x) all" in page and "<title>What goes</title>" in page and "/tmp" not in page
    assert zipfile.ZipFile(reported(app, "Markdown")).read("report.md").startswith(b"# What goes")


def test_with_nothing_kept_the_report_is_of_the_cut_in_force(open_app):
    app = open_app(model="swin-digits", ratio="0.35").live().page("export")
    (row,) = csv.DictReader(io.StringIO(reported(app, "CSV").read_text("utf-8")))
    assert from_recipe(row["recipe"]) == app.plan and row["name"] == "DIMAP, module, 35 %"


def test_a_story_is_saved_with_what_was_found(open_app, monkeypatch):
    saved, write = [], story.to_file
    monkeypatch.setattr(story, "to_file", lambda whole: saved.append(whole) or write(whole))
    app = open_app(model="swin-digits", ratio="0.6", story=story.to_link(KEPT)).live().page("export")
    app.until(lambda: app.downloads("save_story"), "the story's file")
    whole = next(whole for whole in reversed(saved) if whole.cuts[0].known)
    assert [cut.name for cut in whole.cuts] == [cut.name for cut in KEPT.cuts] and whole.title == "What goes"
    assert all(cut.known.told.estimate.n == len(cut.known.told.answers) == 540 for cut in whole.cuts)


def test_an_opened_story_takes_the_place_of_the_kept_one_and_says_what_differs(open_app):
    ground, told = [one for _, one in story.tell(pipeline.open_model("swin-digits"), [KEPT.cuts[0].plan]) if one]
    other = replace(told, total=replace(told.total, params_after=1))
    cut = replace(KEPT.cuts[0], name="Brought", known=story.Known("0" * 16, ground.images, other))
    app = open_app(model="swin-digits", ratio="0.6").live().page("export")

    def bring(content):
        app.widget("story_file").set_value(("story.json", content, "application/json"))
        app.run()

    bring(story.to_file(story.Story((cut,), "Elsewhere")).encode())
    assert app.at.session_state["story_title"] == "Elsewhere" and any("one cut" in text for text in app.notices)
    app.until(lambda: any("in the file" in text for text in app.texts()), "what differs")
    assert any("the model has other weights here" in text and "Brought" in text for text in app.texts())
    bring(b"{}")
    assert any("no story" in text for text in app.notices) and app.at.session_state["story_title"] == "Elsewhere"
