"""The Export page: files made by the second worker, and what they hold."""

import io
import json
import zipfile
from pathlib import Path

import pytest
import torch

from dimap_core import load_model, pipeline
from dimap_core.plan.recipe import from_recipe

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
