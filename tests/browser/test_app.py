"""The main job in a real browser: open the app, move a slider, watch accuracy arrive."""

import io
import json
import random
import re
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import TimeoutError, expect
from typer.testing import CliRunner

from dimap_core.cli import commands
from dimap_core.data.registry import load_data
from tests.helpers import STUCK, Patience

HEADINGS = {
    "Prune": "Is it faster here?",
    "Weights": "One row, block by block",
    "Importance": "Where importance lies",
    "Predictions": "Who loses, and to whom?",
    "Way": "Where in the network does an image get lost?",
    "Find": "What is the best cut for this budget?",
    "Recover": "Jobs",
    "Compare": "Is either faster here?",
    "Export": "All tried points",
}
ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.browser
DRAWN = (
    ".answer .value",
    "[data-testid=stMetric]",
    "[data-testid=stPlotlyChart]",
    "[data-testid=stMain] [data-testid=stCode]",
    "[class*=st-key-lesson]",
)
TOP1 = "[data-testid=stMetric]:has-text('Top-1'), .answer .big"
SHIFTS = """() => {
  window.shifts = [];
  const told = (one) => [one.value, one.sources.map((at) => [at.node?.textContent, at.previousRect, at.currentRect])];
  new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map(told))).observe({type: "layout-shift"});
}"""
VALUE, PARAMS = ".answer .big .value", ".answer dl > div:nth-child(3) dd >> nth=0"


def patiently(wait, *what):
    """A wait of playwright's, for as long as anything goes on."""
    patience = Patience()
    while True:
        try:
            return wait(*what, timeout=2000)
        except (TimeoutError, AssertionError):
            patience.check(what or wait)


def seen(locator):
    """Wait until it is on screen."""
    patiently(locator.wait_for)


def settled(page):
    """Wait until the page's script has run."""
    seen(page.locator("[data-testid=stApp][data-test-script-state=notRunning]"))


def opened(browser, url, width=1440, scheme="light"):
    """The page at that address, drawn; `outside`: what it asked of other hosts, `errors`: what scripts threw."""
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.set_default_timeout(1000 * STUCK)
    page.outside = []
    local = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")
    page.on("request", lambda request: request.url.startswith(local) or page.outside.append(request.url))
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(error.stack or str(error)))
    page.goto(url)
    seen(page.locator(", ".join(DRAWN)).first)
    return page


def violations(page):
    """What axe finds on the page and still finds a moment later: while parts are drawn anew they are faded, or not yet
    there, for everyone."""
    for _ in range(6):
        found = Axe().run(page).response["violations"]
        if not found:
            break
        page.wait_for_timeout(1000)
    return [(one["id"], node["html"][:300], node["failureSummary"]) for one in found for node in one["nodes"]]


@contextmanager
def explaining(page, name):
    """What fails within says on which page, what its scripts threw and what is left of the document."""
    try:
        yield
    except (TimeoutError, AssertionError) as error:
        error.add_note(f"{name}, {page.url}: {page.errors} {page.evaluate('document.body.innerHTML')[:3000]}")
        raise


def chip(page, key):
    """A choice in the recipe line; a click opens its controls."""
    return page.locator(f".st-key-chip_{key} button:visible")


def cut(page, share):
    """Wait until the recipe line says that so much is cut."""
    seen(chip(page, "amount").filter(has_text=share))


def ratio(page):
    """The slider of the one ratio for all, its chip opened."""
    chip(page, "amount").click()
    slider = page.locator("[class*=st-key-w_ratio] input[type=range]")
    seen(slider)
    return slider


def judged(page, images="1,080"):
    whole = page.locator(TOP1).filter(has_text=f"n = {images}")
    seen(whole.filter(has_not_text="so far").filter(has_not_text="precomputed"))


def test_the_first_screen_is_alive_and_asks_nothing_outside(browser, app_url):
    page = opened(browser, app_url)
    seen(page.locator(".map .knob").first)
    seen(page.locator(".map .knob").first)
    judged(page)
    assert page.outside == []
    assert page.locator("[data-testid=stException]").count() == 0


def test_a_moved_slider_changes_the_link_and_the_numbers_and_the_link_restores_them(browser, app_url):
    page = opened(browser, f"{app_url}/?model=swin-digits")
    seen(page.locator(".map .knob").first)
    kept = page.locator(PARAMS)
    before = kept.inner_text()
    ratio(page).press("ArrowRight")
    cut(page, "85 %")
    patiently(expect(kept).not_to_have_text, before)  # the heading is sent before the numbers
    judged(page, "540")
    after = kept.inner_text()
    patiently(page.wait_for_function, "location.search.includes('ratio=0.85')")
    again = opened(browser, page.url)
    cut(again, "85 %")
    patiently(expect(again.locator(PARAMS)).to_have_text, after)


def test_a_deit_is_pruned_by_stage(browser, app_url):
    page = opened(browser, f"{app_url}/?model=deit-digits&stages=0_0.2~1_0.4~2_0.4~3_0.6")
    cut(page, "20–60 % by stage")
    chip(page, "amount").click()
    seen(page.get_by_text("Block group 4").first)
    seen(page.locator(TOP1).filter(has_text="n = "))


def test_the_map_counts_at_once_and_the_page_follows_when_the_hand_rests(browser, app_url):
    page = opened(browser, f"{app_url}/?model=swin-digits&ratio=0.5")
    judged(page, "540")
    knobs, cuts = page.locator(".map .knob"), page.locator(".map .cut")
    third, before = cuts.nth(2).inner_text(), page.locator(PARAMS).inner_text()
    settled(page)
    page.evaluate(SHIFTS)
    knobs.nth(2).focus()
    # Both in one task of the browser, before any message can have come.
    press = "k => { k.dispatchEvent(new KeyboardEvent('keydown', {key: 'PageUp', bubbles: true}));"
    at_once = knobs.nth(2).evaluate(press + " return k.getAttribute('aria-valuetext'); }")
    assert not at_once.startswith(third.split()[0]) and page.locator(PARAMS).inner_text() != before
    patiently(page.wait_for_function, "location.search.includes('stages=')")
    cut(page, "by stage")
    judged(page, "540")
    assert page.evaluate("window.shifts") == []  # nothing has moved meanwhile but what follows the hand
    others = [cuts.nth(place).inner_text() for place in (0, 1, 3)]
    again = opened(browser, page.url)
    judged(again, "540")
    assert [again.locator(".map .cut").nth(place).inner_text() for place in (0, 1, 3)] == others
    assert again.locator(PARAMS).inner_text() == page.locator(PARAMS).inner_text()
    page.keyboard.press("Control+z")
    patiently(page.wait_for_function, "!location.search.includes('stages=')")
    patiently(expect(cuts.nth(2)).to_have_text, third)


def test_a_stage_is_dragged_and_a_block_is_clicked(browser, app_url):
    page = opened(browser, f"{app_url}/?model=swin-digits&ratio=0.5")
    judged(page, "540")
    hit = page.locator(".map .hit").nth(4)  # the first block of stage 3
    box = hit.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(x, y)
    patiently(page.wait_for_function, "location.search.includes('at=3.1')")
    seen(page.locator(".map .detail").filter(has_text="Stage 3, block 1: QKV "))
    settled(page)
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(8):
        page.mouse.move(x + 4 * step, y)
    page.mouse.up()
    patiently(page.wait_for_function, "location.search.includes('stages=')")
    judged(page, "540")
    page.get_by_role("link", name="Weights").click()
    seen(page.locator(".map .frame.on"))
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("ratio=7", "must be a number from 0"),
        ("scope=![x](http://example.com/x.png)", "There is no scope"),
    ],
)
def test_nonsense_in_a_link_is_one_sentence_and_the_default_is_shown(browser, app_url, link, told):
    page = opened(browser, f"{app_url}/?{link}")
    seen(page.locator("[data-testid=stAlert]").filter(has_text=told))
    cut(page, "80 %")
    assert page.outside == []


def fits_and_can_be_read(page, name, width):
    """That page once it is drawn, at that width: nothing is cut off, and axe finds nothing."""
    seen(page.locator("[data-testid=stHeading]").filter(has_text=HEADINGS[name]).first)
    if name not in ("Find", "Compare"):  # which are about other cuts than the one in force
        seen(page.get_by_text("really smaller").first)
    settled(page)
    patiently(expect(page.get_by_text("Loading the model")).to_have_count, 0)  # it fades away
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(300)  # charts follow the width
    seen(page.get_by_role("main").get_by_role("heading", level=1))  # as a reader finds it: a hidden one is none
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not violations(page), violations(page)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_every_page_fits_and_can_be_read_by_everyone(browser, app_url, scheme, width):
    page = opened(browser, f"{app_url}/?model=swin-digits&granularity=structure&ratio=0.5", 1440, scheme)
    for name in HEADINGS:
        with explaining(page, name):
            page.set_viewport_size({"width": 1440, "height": 900})  # with all links in the bar
            page.get_by_role("link", name=name).click()
            fits_and_can_be_read(page, name, width)
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.outside == []


def test_a_page_that_vanished_draws_itself_again(browser, app_url):
    page = opened(browser, f"{app_url}/?model=swin-digits&ratio=0.35")
    cut(page, "35 %")
    page.evaluate("document.getElementById('root').replaceChildren()")  # as after an error of the browser's own part
    seen(page.locator(".answer .value"))
    assert "ratio=0.35" in page.url


def test_a_link_to_another_page_is_drawn_on_a_phone_and_asks_nothing_outside(browser, app_url):
    page = opened(browser, f"{app_url}/predictions", 390)
    seen(page.get_by_text("zeros: smaller on paper").first)
    assert page.outside == []


def test_a_key_held_down_loses_no_move(browser, app_url):
    page = opened(browser, f"{app_url}/?model=swin-digits&ratio=0.3")
    seen(page.locator(".map .knob").first)
    slider = ratio(page)
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    patiently(page.wait_for_function, "location.search.includes('ratio=0.55')")
    judged(page, "540")
    patiently(expect(slider).to_have_attribute, "aria-valuetext", "55 %")
    settled(page)
    typed = page.locator("[class*=st-key-w_typed] input")
    patiently(expect(typed).to_have_count, 1)  # those of the moves before go when the script has run
    assert typed.input_value() == "55"


def test_undo_in_a_text_field_undoes_the_typing_and_elsewhere_the_cut(browser, app_url):
    page = opened(browser, f"{app_url}/?model=swin-digits&ratio=0.3")
    judged(page, "540")
    ratio(page).press("ArrowRight")
    patiently(page.wait_for_function, "location.search.includes('ratio=0.35')")
    judged(page, "540")
    typed = page.locator("[class*=st-key-w_typed] input")
    patiently(expect(typed).to_have_count, 1)
    typed.click()
    page.keyboard.press("End")
    page.keyboard.type(",5")
    page.keyboard.press("Control+z")
    settled(page)
    page.wait_for_timeout(500)
    assert "ratio=0.35" in page.url and typed.input_value() != "35,5"
    page.locator("[class*=st-key-w_ratio] input[type=range]").press("Control+z")
    patiently(page.wait_for_function, "location.search.includes('ratio=0.3') && !location.search.includes('0.35')")


def test_what_a_closed_chip_showed_does_not_undo_the_undo(browser, app_url):
    page = opened(browser, f"{app_url}/weights?model=swin-digits&ratio=0.3")
    settled(page)
    ratio(page).press("ArrowRight")
    cut(page, "35 %")
    page.keyboard.press("Escape")
    patiently(expect(page.locator("[class*=st-key-w_ratio]")).to_have_count, 0)
    settled(page)
    page.get_by_role("button", name="Undo").click()
    cut(page, "30 %")
    settled(page)
    page.get_by_text("signed weights").click()  # any run sends what the controls show
    seen(page.locator("[aria-label*='Distribution of w by']"))
    settled(page)
    cut(page, "30 %")
    assert ratio(page).get_attribute("aria-valuetext") == "30 %"


def test_by_keyboard_the_first_stop_leads_past_the_bar_and_the_line(browser, app_url):
    page = opened(browser, f"{app_url}/weights?model=swin-digits")
    settled(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    reached = "document.activeElement.closest('[data-testid=stMain]') && !document.activeElement.closest(LINE)"
    assert page.evaluate(reached.replace("LINE", "'.st-key-recipe_line'"))
    assert page.locator("h1").count() == 1


def click_point(page, key, place):
    """Click a point of the figure of that key; `place` is a function of the plot to [x, y]."""
    script = f"""plot => {{
        const {{xaxis, yaxis}} = plot._fullLayout, [x, y] = ({place})(plot), box = plot.getBoundingClientRect();
        return [box.x + xaxis._offset + xaxis.l2p(x), box.y + yaxis._offset + yaxis.l2p(y)];
    }}"""
    seen(page.locator(f".st-key-{key} .main-svg").first)
    settled(page)
    page.locator(f".st-key-{key}").scroll_into_view_if_needed()
    page.mouse.move(*page.locator(f".st-key-{key} .js-plotly-plot").evaluate(script))
    page.wait_for_timeout(300)  # plotly clicks what it has been hovering over
    page.mouse.down()
    page.mouse.up()


def test_a_click_on_a_circle_goes_back_to_it(browser, app_url):
    page = opened(browser, f"{app_url}/?model=swin-digits&ratio=0.3")
    judged(page, "540")
    ratio(page).press("ArrowRight")
    cut(page, "35 %")
    page.keyboard.press("Escape")
    judged(page, "540")
    page.locator(".answer .try").click()
    patiently(page.wait_for_function, "location.search.includes('ratio=0.3')")
    cut(page, "30 %")


def test_a_click_on_a_heatmap_or_a_ridge_shows_what_was_clicked(browser, app_url):
    page = opened(browser, f"{app_url}/importance?model=swin-digits")
    click_point(page, "heat", "() => [2, 3]")
    seen(page.get_by_text("layers.1.blocks.1.mlp.fc1: "))
    page.get_by_role("link", name="Weights").click()
    click_point(page, "ridges", "plot => [plot._fullData.at(-1).x[8], 13.35]")
    seen(page.locator("[aria-label$='Distribution of |w| in the blocks of 1 · fc1']"))


def test_a_click_on_an_answer_explains_that_image(browser, app_url):
    page = opened(browser, f"{app_url}/predictions?model=swin-digits&ratio=0.9")
    judged(page, "540")
    seen(page.locator(".st-key-explanation .main-svg").first)
    card = page.locator("[class*=st-key-card_]").nth(2)
    image = card.locator("img").get_attribute("alt")
    card.locator("[data-testid=stBaseButton-secondary]").click()
    seen(page.get_by_text(image).first)
    page.get_by_text("Occlusion", exact=True).click()
    seen(page.locator("[aria-label*='Occlusion for']"))
    seen(page.get_by_text("rank correlation"))
    assert page.outside == []


def test_the_parts_of_importance_fit_a_phone_and_can_be_read_by_everyone(browser, app_url):
    page = opened(browser, f"{app_url}/importance?model=swin-digits", 390, "dark")
    page.get_by_role("radio", name="Criteria compared").click()
    click_point(page, "agreement", "() => [2, 1]")
    seen(page.get_by_text("Ranked furthest apart in stage 2: MLP"))
    for part, sign in (("Criteria compared", "Against the measured truth"), ("Sensitivity", "Measure (about")):
        page.get_by_role("radio", name=part).click()
        seen(page.get_by_text(sign).first)
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert not violations(page), violations(page)
    assert page.outside == [] and page.locator("[data-testid=stException]").count() == 0


def test_an_uploaded_zip_is_judged_and_gone_for_others(browser, app_url, tmp_path):
    data = load_data("digits")
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as made:
        for number in range(40):
            picture = io.BytesIO()
            Image.fromarray(data.images[number].transpose(1, 2, 0)).save(picture, "PNG")
            made.writestr(f"mine/{data.labels[number]}/{number}.png", picture.getvalue())
        made.writestr("mine/notes.bin", random.Random(0).randbytes(2**21))  # more than other uploads may have
    page = opened(browser, f"{app_url}/?model=swin-digits&ratio=0.3")
    seen(page.locator(".map .knob").first)
    chip(page, "images").click()
    page.locator("[class*=st-key-w_source] input").click()
    page.get_by_role("option", name="a file to upload").click()
    page.locator("[class*=st-key-w_zip] input[type=file]").set_input_files(tmp_path / "mine.zip")
    seen(page.get_by_text("mine.zip: judged on 40 images").first)
    judged(page, "40")
    assert page.locator(VALUE).inner_text() == "100.0 %"
    patiently(page.wait_for_function, "location.search.includes('data=upload')")
    other = opened(browser, page.url)
    seen(other.locator("[data-testid=stAlert]").filter(has_text="no longer here; upload it again"))
    assert page.outside == other.outside == []


def test_a_downloaded_checkpoint_is_the_model_on_screen(browser, app_url, tmp_path):
    link = f"{app_url}/?model=swin-digits&granularity=structure&macs=0.5&criterion=magnitude"
    page = opened(browser, link)
    seen(page.get_by_text("really smaller").first)
    judged(page, "540")
    shown = page.locator(VALUE).inner_text()
    page.get_by_role("link", name="Export").click()
    page.get_by_role("button", name="Make the checkpoint file").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download swin-digits-pruned.zip").click()
    download.value.save_as(tmp_path / "pruned.zip")
    zipfile.ZipFile(tmp_path / "pruned.zip").extractall(tmp_path / "pruned")
    command = ["evaluate", str(tmp_path / "pruned"), "--data", "digits", "--json"]
    found = json.loads(CliRunner().invoke(commands.app, command).stdout)
    assert shown == f"{100 * found['top1']:.1f} %" and found["n"] == 540


def test_an_uploaded_checkpoint_is_judged_and_gone_with_its_session(browser, app_url):
    content = (ROOT / "assets" / "swin-digits.safetensors").read_bytes()
    page = opened(browser, app_url)
    chip(page, "model").click()
    page.get_by_text("Your own checkpoint").click()
    page.locator("input[type=file]").set_input_files(
        {"name": "mine *v2*.safetensors", "mimeType": "application/octet-stream", "buffer": content}
    )
    seen(chip(page, "model").filter(has_text="mine *v2*.safetensors"))
    seen(page.get_by_text("(swin-digits, 32 px)"))
    judged(page, "540")
    patiently(page.wait_for_function, "location.search.includes('model=upload')")
    found = Axe().run(page)
    known = {"presentation-role-conflict"}  # minor, of Streamlit's own uploader
    assert {violation["id"] for violation in found.response["violations"]} <= known, found.generate_report()
    page.reload()
    seen(page.get_by_text("That uploaded file is no longer here; upload it again."))
    seen(page.locator(".answer .value"))
    assert page.outside == []


def test_blocks_are_selected_by_keyboard(browser, app_url):
    page = opened(browser, f"{app_url}/?model=swin-digits&ratio=0.5")
    judged(page, "540")
    blocks = page.get_by_role("listbox", name="Blocks; Enter selects one for all pages")
    blocks.focus()
    for key in ("End", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    patiently(page.wait_for_function, "location.search.includes('at=4.1')")
    chosen = blocks.get_by_role("option", selected=True)
    patiently(expect(chosen).to_have_text, re.compile("Stage 4, block 1: QKV .* kept; [0-9]+ heads"))


def test_a_stage_whose_blocks_are_drawn_as_one_opens_and_closes_by_hand_and_by_key(browser, app_url):
    page = opened(browser, f"{app_url}/?model=swin_tiny_patch4_window7_224&weights=random", 1260)
    hits = page.locator(".map .hit")
    patiently(expect(hits).to_have_count, 9)  # stage 3 has six blocks, drawn as three
    hits.nth(5).click()
    patiently(expect(hits).to_have_count, 12)
    patiently(page.wait_for_function, "location.search.includes('at=3.3')")
    settled(page)
    blocks = page.get_by_role("listbox", name="Blocks; Enter selects one for all pages")
    blocks.focus()
    page.keyboard.press("Escape")
    patiently(expect(hits).to_have_count, 9)
    held = blocks.get_by_role("option").nth(5)  # where the keyboard was
    patiently(expect(held).to_have_text, "Stage 3, blocks 3 to 4, drawn as one; Enter opens the stage.")
    assert blocks.get_attribute("aria-activedescendant") == "block-5"
    page.keyboard.press("Enter")
    patiently(expect(hits).to_have_count, 12)
    assert blocks.get_attribute("aria-activedescendant") == "block-6"
    page.keyboard.press("Enter")  # what is selected already closes its stage
    patiently(expect(hits).to_have_count, 9)


def test_a_typed_ratio_counts_without_enter_once_the_field_is_left(browser, app_url):
    page = opened(browser, f"{app_url}/?model=swin-digits&ratio=0.5")
    judged(page, "540")
    ratio(page)
    page.locator("[class*=st-key-w_typed] input").fill("33")
    page.get_by_role("button", name="Keep this cut").click()
    patiently(page.wait_for_function, "location.search.includes('ratio=0.33')")
    judged(page, "540")
    settled(page)
    with suppress(TimeoutError):  # the click that left the field may have done no more than close it
        page.get_by_role("button", name="Keep this cut").click(timeout=5000)
    seen(page.get_by_role("button", name="Kept as A"))
    seen(page.locator(".answer .pin"))
    now, pinned = page.evaluate("[window.dimapFeed.data.plot.current, window.dimapFeed.data.plot.pins[0]]")
    assert (pinned["x"], pinned["y"]) == (now["x"], now["y"])
