"""The Importance page's parts: criteria side by side, the measured truth, sensitivity and the ratios made from it."""

from dataclasses import asdict
from itertools import islice

import pytest

from dimap_core import pipeline
from dimap_core.data.registry import load_data
from dimap_core.plan.recipe import to_recipe
from dimap_core.studies.effort import dense_plan
from dimap_core.studies.leave_one_out import leave_one_out
from dimap_core.studies.sensitivity import sensitivity
from dimap_core.types.plan import PruningPlan
from pages.ui.session import cache, requests

LINK = {"model": "swin-digits", "ratio": "0.7"}
CURVED = PruningPlan("magnitude", "structure", "module", 0.5)
N = 30


def to(app, part):
    """Another part of the page."""
    return app.page("importance").set("importance_part", part)


def charts(app):
    return {chart.key for chart in app.at.get("plotly_chart")}


def labels(app):
    return [button.label for button in app.at.button]


@pytest.fixture(scope="module")
def opened():
    return pipeline.open_model("swin-digits")


@pytest.fixture(scope="module")
def curves(opened):
    """Sensitivity of a few images and ratios, as if someone had measured it before."""
    rows = [asdict(row) for row in sensitivity(opened, load_data("digits", "train"), CURVED, (0.5, 0.9), N) if row]
    key = requests.content(opened.info, {"kind": "sensitivity", "recipe": to_recipe(dense_plan(CURVED))})
    cache.shared().remember(key, rows)
    yield rows
    cache.shared().results.pop(key)


@pytest.fixture(scope="module")
def truth(opened):
    """What the first forty pieces cost on a few images."""
    found = (effect for effect in leave_one_out(opened, load_data("digits"), N) if effect)
    events = [asdict(effect) for effect in islice(found, 40)]
    key = requests.content(opened.info, {"kind": "truth"})
    cache.shared().remember(key, events)
    yield events
    cache.shared().results.pop(key)


def test_two_criteria_are_set_side_by_side(open_app):
    app = to(open_app(**LINK).live(), "criteria")
    app.until(lambda: "agreement" in charts(app), "agreement")
    names, table = app.figure("agreement")["layout"]["yaxis"]["ticktext"], app.figure("agreement")["data"][0]["text"]
    assert names == ["stage 1", "stage 2", "stage 3", "stage 4", "all"]
    assert all(0.7 < float(value) < 1 for value in table[-1])  # both order a layer by |w|, but not its module
    places = app.widget("compare_place")
    assert places.value.startswith("4:")  # where they agree least
    assert len(places.options) == 5 * 3 + 40
    app.set("compare_second", "random").until(lambda: "agreement" in charts(app), "agreement")
    random = app.figure("agreement")["data"][0]["text"]
    assert all(abs(float(value.replace("−", "-"))) < 0.1 for value in random[-1])
    before = app.figure("units_scatter")
    app.set("compare_place", "layers.1.blocks.0.mlp.fc1")
    assert app.figure("units_scatter") != before
    far = next(table.value for table in app.at.dataframe if "unit" in table.value)
    assert list(far.columns) == ["unit", "DIMAP, %", "Random, %"]
    assert all(name.startswith("block 2.1, fc1: output ") for name in far["unit"])
    app.set("compare_first", "random").until(lambda: "agreement" in charts(app), "agreement")
    assert app.widget("compare_second").value != "random"  # never a criterion with itself


def test_the_part_and_what_was_picked_stay_over_pages_and_what_is_removed(open_app):
    app = to(open_app(**LINK).live(), "criteria")
    app.until(lambda: "agreement" in charts(app), "agreement").set("compare_second", "random")
    app.page("weights").page("importance")
    assert app.widget("importance_part").value == "criteria"
    app.until(lambda: "agreement" in charts(app), "agreement")
    assert app.widget("compare_second").value == "random"
    app.set("w_granularity", "structure").live()
    app.until(lambda: "agreement" in charts(app), "agreement of structures")
    assert app.figure("agreement")["layout"]["xaxis"]["ticktext"] == ["hidden", "heads", "Q/K dims", "V dims"]


def test_criteria_that_read_images_are_offered_only_where_there_are_images(open_app):
    link = {"model": "deit_tiny_patch16_224", "weights": "random", "granularity": "structure", "ratio": "0.3"}
    app = to(open_app(**link).live(), "criteria")
    app.until(lambda: "agreement" in charts(app), "agreement")
    assert "Taylor" not in app.widget("compare_first").options
    assert any("needs a trained model with images" in text for text in app.texts())
    app.set("importance_part", "sensitivity")
    assert any("needs a trained model with images" in text for text in app.texts())
    assert not any(label.startswith("Measure") for label in labels(app)) and app.notices == []


def test_a_measurement_starts_by_a_button_and_can_be_stopped(open_app):
    app = to(open_app(model="swin-digits", ratio="0.7").live(), "sensitivity")
    (start,) = [label for label in labels(app) if label.startswith("Measure (about ")]
    assert "Stop" not in labels(app)
    app.click(start)
    assert "Stop" in labels(app) and start not in labels(app)
    app.until(lambda: "bears_QKV-M" in charts(app), "first rows")
    app.click("Stop")
    assert start in labels(app) and "Stop" not in labels(app)
    app.run()
    assert start in labels(app)


def test_a_pattern_has_no_curves(open_app):
    app = to(open_app(model="swin-digits", granularity="nm", nm="2:4").live(), "sensitivity")
    assert any("A pattern fixes every ratio" in text for text in app.texts())


def test_known_curves_show_at_once_and_become_ratios_that_undo_takes_back(open_app, curves):
    link = {"model": "swin-digits", "criterion": "magnitude", "granularity": "structure", "scope": "module"}
    app = to(open_app(**link, ratio="0.5").live(), "sensitivity")
    assert {"bears_mlp_neuron", "bears_head", "bears_qk_dim", "bears_v_dim", "ratios"} <= charts(app)
    assert any("Top-1, %, on 360 training images" in text for text in app.texts())
    assert any("None of them had a part in the curves, which 360 training images made." in text for text in app.texts())
    app.set("share", 40)
    text = app.figure("ratios")["data"][0]["text"]
    before = app.url
    app.click("Use these ratios")
    own = dict(app.plan.overrides)
    kinds = ["mlp_neuron", "head", "qk_dim", "v_dim"]
    assert [[f"{100 * own[stage, kind]:.0f}" for kind in kinds] for stage in range(4)] == text
    assert app.url["ratio"] == "0" and app.widget("w_mode").value == "grid"
    removed = float(next(text for text in app.texts() if "% params" in text).split("params, −")[1].split(" %")[0])
    assert 40 <= removed < 45
    assert next(button for button in app.at.button if button.label == "Use these ratios").disabled
    app.click("Undo")
    assert app.url == before
    app.click(next(label for label in labels(app) if label.startswith("Compare (about ")))
    told = ("are **ahead by", "are **behind by", "No difference that n = ")
    app.until(lambda: any(words in text for text in app.texts() for words in told), "the judgement")
    table = next(table.value for table in app.at.dataframe if "plan" in table.value)
    assert list(table["plan"]) == ["ratios from the curves", "plain scope"] and table["n"].nunique() == 1
    app.set("share", 95)
    assert any("together; ask for less." in text for text in app.texts())


def test_the_known_truth_shows_at_once_for_both_criteria(open_app, truth):
    app = to(open_app(**LINK).live(), "criteria")
    app.until(lambda: {"truth_dimap", "truth_magnitude"} <= charts(app), "truth")
    assert not any(label.startswith("Measure") for label in labels(app))
    assert sum("n = 40" in text for text in app.texts()) == 2
    missed = next(table.value for table in app.at.dataframe if "left out" in table.value)
    costliest = max(truth, key=lambda event: event["rise"]["value"])
    assert missed["rise in loss"][0].startswith(f"+{costliest['rise']['value']:.4f}") and len(missed) == 5
