"""One selection for the whole app: pages take it over and make it, the map frames it, the link carries it."""

import re

import pytest


def framed(app):
    """The part that the page's map frames, as the link names it."""
    at = app.map["cut"]["selected"]
    return "" if at["stage"] is None else f"{at['stage'] + 1}" + ("" if at["block"] is None else f".{at['block'] + 1}")


def marked(app, key):
    """Rows of a figure that stand out."""
    ticks = app.figure(key)["layout"]["yaxis"]["ticktext"]
    return [tick.removeprefix("<b>").removesuffix("</b>") for tick in ticks if tick.startswith("<b>")]


def detail(app):
    """What is told of the selected part."""
    return next(text for text in app.texts() if ", kept: " in text)


def test_what_is_selected_on_one_page_is_selected_on_the_others(open_app):
    app = open_app(model="swin-digits").page("weights")
    assert framed(app) == "" and "at" not in app.url and marked(app, "ridges") == []
    app.set("at_stage", 2)
    assert app.url["at"] == framed(app) == "3"
    assert marked(app, "ridges") == ["3 · fc2", "3 · fc1", "3 · proj", "3 · qkv"]
    assert app.widget("weights_row").value == "3 · qkv" and detail(app).startswith("**Stage 3**, kept: QKV ")
    app.set("at_block", 2)
    assert app.url["at"] == "3.2" and marked(app, "blocks") == ["block 2"]
    app.page("importance")
    place = app.widget("block_place").value
    stage, block = open_app(model="swin-digits", at="3.2").page("importance"), app.figure("heat")["layout"]["shapes"]
    assert stage.widget("block_place").value == place and framed(app) == "3.2"
    assert (block[-1]["y0"], block[-1]["y1"]) == (place - 0.5, place + 0.5)
    app.set("block_place", 0)
    assert app.url["at"] == "1.1"
    app.page("weights")
    assert app.widget("weights_row").value == "1 · qkv" and app.widget("at_block").value == 1
    app.set("w_ratio", 50.0).set("at_block", 2).click("Undo")
    assert (app.url["at"], app.url["ratio"]) == ("1.2", "0.8")  # undo takes cuts back, no selection
    app.set("at_stage", None)
    assert "at" not in app.url and framed(app) == ""


def test_a_row_that_is_chosen_selects_its_stage_and_keeps_a_block_of_it(open_app):
    app = open_app(model="swin-digits", at="2.2").page("weights")
    assert app.set("weights_row", "2 · fc1").url["at"] == "2.2"
    assert app.set("weights_row", "4 · fc2").url["at"] == "4"
    assert app.set("at_stage", 0).widget("weights_row").value == "1 · fc2"  # the same layers


@pytest.mark.parametrize("page", ["weights", "importance"])
def test_the_next_model_keeps_a_selection_that_it_has_and_drops_another(open_app, page):
    app = open_app(model="swin-textured", at="3.4").page(page)
    assert app.set("w_model", "swin-flatten").live().url["at"] == "3.4"
    app.set("w_model", "deit-digits").live()
    assert "at" not in app.url and app.notices == [] and framed(app) == ""


def test_what_is_left_of_the_selected_part_is_counted(open_app):
    app = open_app(model="swin-digits", granularity="structure", ratio="0.5", at="1.1").page("importance")
    told = detail(app)
    kept, heads = re.search(r"(\d+) of (\d+) heads", told).groups()
    assert int(kept) <= int(heads) and re.search(r"MLP [\d.]+ of [\d.]+ k weights", told)
    dense = open_app(model="swin-digits", ratio="0", at="1.1").page("importance")
    pairs = re.findall(r"([\d.]+) of ([\d.]+)", detail(dense))
    assert len(pairs) == 5 and all(left == whole for left, whole in pairs)


def test_a_click_on_a_block_selects_it_on_every_page(open_app):
    app = open_app(model="swin-digits").live()
    app.click_block(2, 1)
    assert app.url["at"] == "3.2" and app.feed["cut"]["selected"] == {"stage": 2, "block": 1}
    assert framed(app.page("weights")) == "3.2"
    app.click_block(0, 0)
    assert app.url["at"] == framed(app) == "1.1"
    app.click_block(9, 0)
    assert "at" not in app.url


def test_the_map_is_filled_by_importance_and_says_where_sensitivity_is_not_measured(open_app):
    app = open_app(model="swin-digits", at="3").live()
    fills = {fill["name"]: fill for fill in app.map["fills"]}
    assert "rank among all bands by mean DIMAP score:" in fills["importance"]["note"]
    assert None not in fills["importance"]["levels"]
    assert set(fills["sensitivity"]["levels"]) == {None} and fills["sensitivity"]["most"] == ""
    assert "is not measured for this model" in fills["sensitivity"]["note"]
    app.set("w_criterion", "magnitude").live()
    other = next(fill for fill in app.map["fills"] if fill["name"] == "importance")
    assert "mean Magnitude score:" in other["note"] and other["levels"] != fills["importance"]["levels"]
    app.click("Measure it on Importance").live()
    assert app.widget("importance_part").value == "sensitivity"
    app.page("prune").set("w_granularity", "nm").live()  # a pattern has no curves
    assert "sensitivity" not in [fill["name"] for fill in app.map["fills"]]
