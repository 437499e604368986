"""Every page on every kind of model: drawn without an error, from the same plan, without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = {
    "weights": {"ridges", "argument", "blocks"},
    "importance": {"heat", "heads", "mask"},
}


@pytest.mark.parametrize("model", ["swin-textured", "deit-textured", "swin-digits", "deit-digits", "swin-flatten"])
def test_each_page_draws_all_its_figures(open_app, model):
    app = open_app(model=model, ratio="0.6").live()
    for page, keys in FIGURES.items():
        app.page(page)
        app.until(lambda keys=keys: keys <= {chart.key for chart in app.at.get("plotly_chart")}, f"figures of {page}")
        assert app.notices == [] and not app.at.error
        assert app.url["ratio"] == "0.6" and app.url["model"] == model
        assert all(chart.proto.alt for chart in app.at.get("plotly_chart"))


def test_the_plan_of_one_page_is_the_plan_of_the_others(app):
    app.page("prune").set("w_ratio", 30.0).page("weights").set("w_scope", "layer").page("importance")
    assert (app.plan.ratio, app.plan.scope) == (0.3, "layer")
    assert {cell for row in app.figure("heat")["data"][0]["text"] for cell in row} == {"70"}


def test_the_weights_page_shows_every_view_and_every_row(app):
    app.page("weights")
    first = app.figure("ridges")
    for view in ("signed", "norms", "log"):
        app.set("weights_view", view)
        assert app.figure("ridges") if view == "log" else app.figure("ridges") != first
    rows = app.widget("weights_row").options
    assert len(rows) == 16
    app.set("weights_row", rows[-1])
    assert "4 · fc2" in next(c.proto.alt for c in app.at.get("plotly_chart") if c.key == "blocks")


def test_the_plain_threshold_is_put_in_force_and_taken_back(open_app):
    app = open_app(model="swin-digits", ratio="0.6").page("weights")
    app.until(lambda: any(button.key == "plain_cut" for button in app.at.button), "the threshold")
    app.click("Cut by this threshold instead").live()
    assert (app.plan.criterion, app.plan.scope, app.plan.ratio) == ("magnitude", "model", 0.6)
    assert not any(button.key == "plain_cut" for button in app.at.button)
    assert app.click("Undo").live().plan.scope == "module"


def test_random_scores_say_that_no_threshold_exists(app):
    app.page("weights").set("w_criterion", "random").live()
    assert any("no threshold" in text for text in app.texts())
    app.set("w_criterion", "dimap").live()
    assert not any("no threshold" in text for text in app.texts())


def test_one_plain_threshold_may_be_unable_to_remove_as_much(open_app):
    app = open_app(model="swin-digits", ratio="0.995").page("weights")
    app.until(lambda: app.at.info or "argument" in {c.key for c in app.at.get("plotly_chart")}, "the comparison")
    (sentence,) = [element.value for element in app.at.info]
    assert "cannot remove as much" in sentence and "empties the layer" in sentence


def test_the_importance_page_shows_what_is_asked(app):
    app.page("importance")
    shown = [app.figure("heat")["data"][0]["text"]]
    for value in ("score", "lost"):
        shown.append(app.set("importance_value", value).figure("heat")["data"][0]["text"])
    assert len({str(texts) for texts in shown}) == 3
    app.set("importance_value", "kept").set("block_place", 9).set("block_layer", "fc1")
    assert any(text.startswith("layers.3.blocks.1.mlp.fc1: ") for text in app.texts())


def test_a_block_that_the_next_model_lacks_is_left(app):
    app.page("importance").set("w_model", "swin-digits").live().set("block_place", 9)
    app.set("w_model", "deit-digits").live()
    assert app.widget("block_place").value < 8
    app.set("w_model", "swin-digits").live()


def test_pages_and_app_import_no_torch():
    names = [f"pages.ui.{path.parent.name}" for path in sorted((ROOT / "pages" / "ui").glob("*/__init__.py"))]
    figures = [f"dimap_core.figures.{p.stem}" for p in sorted((ROOT / "dimap_core/figures").glob("*.py"))]
    imports = f"{names + [name for name in figures if not name.endswith('__init__')]!r}"
    code = f"import importlib, sys\nfor n in {imports}: importlib.import_module(n)\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert len(names) >= 8
