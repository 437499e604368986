"""Controls as a person works them: sliders by key, modes, undo, recipes; numbers follow at once, accuracy soon."""

import json

import pytest

pytestmark = pytest.mark.browser


def test_an_arrow_key_moves_the_cut_and_accuracy_follows(visit):
    screen = visit(model="swin-digits", ratio="0.8").judged()
    params, top1 = screen.metric(0), screen.metric(2)
    screen.press("w_ratio", "ArrowRight").linked(ratio="0.85")
    assert screen.metric(0) != params
    assert screen.judged().metric(2) != top1
    screen.until("document.body.innerText.includes('n = 540')")
    screen.press("w_ratio", "End").linked(ratio="0.98").press("w_ratio", "Home").linked(ratio="0").judged()
    assert "−0.0 %" in screen.metric(0) and "+0.0 points" in screen.metric(3)


def test_a_key_held_down_loses_no_move(visit):
    screen = visit(model="deit-digits", ratio="0.3").live()
    for _ in range(2):
        screen.press("w_ratio", *["ArrowRight"] * 5)
        screen.page.wait_for_timeout(500)
    screen.linked(ratio="0.8")
    slider = screen.widget("w_ratio").locator("input[type=range]")
    assert slider.get_attribute("aria-valuetext") == "80 %"
    assert screen.widget("w_typed").locator("input").input_value() == "80"
    screen.page.wait_for_timeout(500)
    assert screen.link["ratio"] == "0.8"


def test_a_typed_number_is_a_ratio_and_an_impossible_one_is_refused(visit):
    screen = visit(model="swin-digits", criterion="magnitude", scope="model", ratio="0.7").live()
    screen.type("w_typed", "72.5").linked(ratio="0.725")
    screen.type("w_typed", "99.9")
    assert screen.notice().startswith("This plan empties the layer layers.")
    screen.linked(ratio="0.725")
    assert screen.widget("w_typed").locator("input").input_value() == "72.5"


def test_stages_grid_and_budget_are_reached_and_change_the_numbers(visit):
    screen = visit(model="swin-digits", ratio="0.8").live()
    screen.choose("w_mode", "a ratio per stage").linked(stages="0_0.8~1_0.8~2_0.8~3_0.8")
    shown = [screen.metric(1)]
    screen.press("w_stage_0", "Home").linked(stages="0_0~1_0.8~2_0.8~3_0.8")
    shown.append(screen.metric(1))
    screen.choose("w_mode", "a ratio per stage × module").widget("w_cell_0_MLP-M").wait_for()
    screen.settled().type("w_cell_0_MLP-M", "50").until("location.search.includes('0.MLP-M_0.5')").settled()
    shown.append(screen.metric(1))
    screen.choose("w_mode", "a budget").linked(macs="0.5")
    assert "−50.0 %" in screen.metric(1)
    screen.press("w_budget", "ArrowRight").linked(macs="0.55")
    assert "−55.0 %" in screen.metric(1)
    screen.widget("w_kind").get_by_text("params").click()
    screen.linked(params="0.55")
    assert "−55.0 %" in screen.metric(0)
    screen.choose("w_mode", "one ratio").linked(ratio="0.5")
    assert len(set(shown)) == 3


def test_undo_and_redo_by_key_and_by_button(visit):
    screen = visit(model="swin-digits", ratio="0.8").live()
    screen.press("w_ratio", "ArrowLeft").linked(ratio="0.75")
    screen.choose("w_scope", "each layer alone (uniform)").linked(scope="layer")
    screen.page.locator("h3, h2").first.click()  # away from the box
    screen.page.keyboard.press("Control+z")
    screen.linked(scope="module", ratio="0.75")
    screen.click("Undo").linked(ratio="0.8")
    assert screen.page.get_by_role("button", name="Undo").is_disabled()
    screen.page.keyboard.press("Control+y")
    screen.linked(ratio="0.75")
    screen.click("Redo").linked(scope="layer")


def test_a_recipe_is_pasted_and_a_malformed_one_changes_nothing(visit):
    screen = visit(model="swin-digits", ratio="0.8").live()
    screen.page.get_by_text("Recipe", exact=True).click()
    recipe = {"version": 1, "criterion": "magnitude", "scope": "layer", "ratio": 0.35}
    field = screen.widget("w_recipe").locator("textarea")
    field.fill(json.dumps(recipe))
    screen.click("Load it").linked(criterion="magnitude", scope="layer", ratio="0.35")
    before = screen.link
    field.fill('{"version": 1, "ratio": ')
    screen.click("Load it")
    assert screen.notice().startswith("The recipe is not JSON")
    assert screen.settled().link == before
    with screen.page.expect_download() as download:
        screen.click("Download")
    assert json.loads(download.value.path().read_text()) == {**recipe, "model": "swin-digits", "granularity": "weight"}


def test_presets_cues_axes_and_zoom_are_one_click_away(visit):
    screen = visit(model="swin-textured", ratio="0.9").judged()
    joint = screen.metric(2)
    screen.widget("cue").get_by_text("texture").click()
    screen.page.get_by_text("Top-1, texture").wait_for()
    assert screen.judged().metric(2) != joint
    screen.widget("axis").get_by_text("params").click()
    screen.until("document.querySelector('.st-key-tradeoff').innerText.includes('params kept')")
    screen.widget("zoom").locator("label").click()
    screen.until("document.querySelector('.st-key-tradeoff .js-plotly-plot')._fullLayout.yaxis.range[0] > 80")
    screen.click("DIMAP2").linked(ratio="0.35", criterion="dimap")
