"""What was tried: circles that bring it back, pins that compare, links that restore it, and nobody else's."""

import pytest

pytestmark = pytest.mark.browser

CIRCLES = "plot => (plot.data.find(trace => trace.mode === 'markers+text')?.text ?? []).join()"
NOTES = "plot => plot.layout.annotations.map(note => note.text)"
# The first circle; plotly keeps numbers in typed arrays.
CIRCLE = "plot => { const t = plot.data.find(t => t.mode === 'markers+text'); return [t.x[0], t.y[0]]; }"
TARGET = "plot => { const t = plot.data.find(t => t.mode === 'markers'); return [t.x[8], 13.35]; }"


def test_a_reload_restores_everything_for_someone_else(visit):
    screen = visit(model="swin-digits").live()
    screen.choose("w_criterion", "Magnitude").linked(criterion="magnitude")
    screen.choose("w_mode", "a ratio per stage")
    screen.widget("w_stage_2").wait_for()
    screen.press("w_stage_2", "ArrowLeft", "ArrowLeft")
    screen.linked(stages="0_0.8~1_0.8~2_0.7~3_0.8").judged()
    seen = [screen.metric(place) for place in range(4)]
    screen.page.reload()
    assert [screen.settled().judged().metric(place) for place in range(4)] == seen
    other = visit(**screen.link).judged()
    assert other.link == screen.link
    assert [other.metric(place) for place in range(4)] == seen
    assert other.widget("w_stage_2").locator("input[type=range]").get_attribute("aria-valuetext") == "70 %"


def test_a_click_on_a_circle_goes_back_and_two_pins_are_compared(visit):
    screen = visit(model="swin-digits", ratio="0.3").judged()
    screen.click("Pin this cut as A").settled()
    screen.type("w_typed", "85").linked(ratio="0.85").judged()
    screen.click("Pin this cut as B").settled()
    screen.until("document.querySelector('.st-key-tradeoff').innerText.includes('points')")
    notes = screen.figure(NOTES)
    assert {"<b>A</b>", "<b>B</b>"} <= set(notes)
    assert any("% MACs, −" in note and note.endswith(" points") for note in notes)
    assert screen.figure(CIRCLES) == "1"
    screen.point(CIRCLE, "tradeoff").linked(ratio="0.3").judged()
    assert screen.widget("w_typed").locator("input").input_value() == "30"
    assert screen.figure(CIRCLES) == "2"
    screen.click("Undo").linked(ratio="0.85")


def test_two_people_see_their_own_plan_and_history(visit):
    one, other = visit(model="swin-digits", ratio="0.5").judged(), visit(model="swin-digits", ratio="0.2").judged()
    one.press("w_ratio", "ArrowRight").linked(ratio="0.55").judged()
    one.until("document.querySelector('.st-key-tradeoff .js-plotly-plot').data.some(t => t.mode === 'markers+text')")
    assert other.settled().link["ratio"] == "0.2"
    other.press("w_ratio", "ArrowLeft").linked(ratio="0.15").judged()
    assert one.link["ratio"] == "0.55"
    assert one.figure(CIRCLES) == other.figure(CIRCLES) == "1"
    assert "50 %" in one.figure("plot => plot.data.find(t => t.mode === 'markers+text').customdata[0][1]")
    assert "20 %" in other.figure("plot => plot.data.find(t => t.mode === 'markers+text').customdata[0][1]")


def test_a_click_on_the_heatmap_and_on_a_ridge_shows_what_was_clicked(visit):
    screen = visit("importance", model="swin-digits").live()
    screen.point("plot => [2, 3]", "heat")
    screen.page.get_by_text("layers.1.blocks.1.mlp.fc1: ").wait_for()
    screen.settled().page.get_by_role("link", name="Weights").click()
    screen.page.locator(".st-key-ridges .main-svg").first.wait_for()
    screen.settled().point(TARGET, "ridges")
    screen.page.locator("[aria-label='Distribution of |w| in the blocks of 1 · fc1']").wait_for()
