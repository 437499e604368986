"""What can be done with a chart in a real browser: enlarge it, save it, read it as a table, walk through its points."""

import csv
import xml.etree.ElementTree as ET

import pytest
from PIL import Image
from playwright.sync_api import expect

from dimap_core.figures.look import INK
from tests.browser.test_app import opened, patiently, seen, settled, violations

pytestmark = pytest.mark.browser
TEXT = "{http://www.w3.org/2000/svg}text"
SOURCE = "swin-digits · DIMAP, module, 60 % · DIMAP Explorer"


def weights(browser, app_url, scheme="light", width=1440):
    """The Weights page, and the row under its chart of shares."""
    page = opened(browser, f"{app_url}/weights?model=swin-digits&ratio=0.6", width, scheme)
    seen(page.locator(".st-key-argument .main-svg").first)
    row = page.locator(".st-key-tools_argument")
    seen(row.get_by_role("button", name="PNG"))
    settled(page)
    return page, row


@pytest.fixture(scope="module")
def light(window, app_url):
    """That page and row, loaded once for whatever leaves them as they were."""
    page, row = weights(window, app_url)
    yield page, row
    page.close()


def saved(page, row, what, folder):
    """The file that a button hands out."""
    with page.expect_download() as download:
        row.get_by_role("button", name=what).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def title(page):
    return page.locator(".st-key-figure_argument .figure-title").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_chart_has_its_title_and_source_on_light_ground_and_the_png_is_twice_as_large(
    browser, app_url, tmp_path, scheme
):
    page, row = weights(browser, app_url, scheme)
    vector = saved(page, row, "SVG", tmp_path)
    assert vector.name == "argument_swin-digits_dimap_60.svg"
    root = ET.parse(vector).getroot()
    words = [" ".join("".join(found.itertext()).split()) for found in root.iter(TEXT)]
    assert title(page).replace("\u00a0", " ") in " ".join(words).replace("\u00a0", " ")
    assert SOURCE in " ".join(words) and "1 · qkv" in words
    written = vector.read_text()
    assert "http" not in written.replace("http://www.w3.org", "") and INK["ground"][0] in written
    pixels = Image.open(saved(page, row, "PNG", tmp_path)).convert("RGB")
    assert pixels.size == tuple(2 * int(root.get(side)) for side in ("width", "height"))
    assert pixels.getpixel((3, 3)) == (255, 255, 255) and len(pixels.getcolors(1 << 20)) > 50
    assert page.outside == []


def test_a_chart_is_read_as_a_table_that_can_be_saved(light, tmp_path):
    page, row = light
    row.get_by_role("button", name="Table").click()
    cells = row.locator("tbody tr")
    plot = page.locator(".st-key-argument .js-plotly-plot")
    drawn = plot.evaluate("plot => plot._fullData.slice(1).map(trace => Array.from(trace.x, x => x.toFixed(1)))")
    shown = [line.locator("td").all_inner_texts() for line in cells.all()]
    assert [line[0] for line in shown][:2] == ["1 · qkv", "1 · proj"]
    assert [[line[2] for line in shown], [line[1] for line in shown]] == drawn
    assert not violations(page), violations(page)
    path = saved(page, row, "Save as CSV", tmp_path)
    head, *lines = csv.reader(path.read_text(encoding="utf-8").splitlines())
    assert head[0] == "row" and lines == shown
    row.get_by_role("button", name="Close").click()
    assert not row.locator("table").is_visible()
    first = page.locator(".st-key-tools_ridges")
    first.get_by_role("button", name="Table").click()
    assert first.locator("tbody tr").count() == len(shown)
    first.get_by_role("button", name="Close").click()


def test_the_points_of_a_chart_are_walked_by_arrow_keys(light):
    page, row = light
    walk = row.get_by_role("slider")
    walk.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    patiently(expect(walk).to_have_attribute, "aria-valuenow", "3")
    assert walk.get_attribute("aria-valuetext").startswith("1 · fc1: one threshold on |w| takes ")
    assert row.locator(".tip").inner_text() == walk.get_attribute("aria-valuetext")
    ring, plot = row.locator(".ring").bounding_box(), page.locator(".st-key-argument .js-plotly-plot")
    box = plot.bounding_box()
    script = (
        "p => [p._fullLayout.xaxis, p._fullLayout.yaxis].map((a, k) => a._offset + a.d2p(p._fullData[1]['xy'[k]][2]))"
    )
    x, y = plot.evaluate(script)
    assert ring["x"] + ring["width"] / 2 == pytest.approx(box["x"] + x, abs=2)
    assert ring["y"] + ring["height"] / 2 == pytest.approx(box["y"] + y, abs=2)
    page.keyboard.press("End")
    assert walk.get_attribute("aria-valuenow") == walk.get_attribute("aria-valuemax")


def test_an_enlarged_chart_can_be_zoomed_and_closed(light):
    page, row = light
    row.get_by_role("button", name="Enlarge").click()
    dialog = page.get_by_role("dialog")
    seen(dialog.locator(".main-svg").first)
    plot = dialog.locator(".js-plotly-plot")
    assert plot.evaluate("plot => [plot._fullLayout.dragmode, plot._fullLayout.xaxis.fixedrange]") == ["zoom", False]
    assert plot.bounding_box()["width"] > 1.5 * page.locator(".st-key-argument").bounding_box()["width"]
    settled(page)
    assert not violations(page), violations(page)
    page.keyboard.press("Escape")
    patiently(expect(dialog).to_have_count, 0)
    settled(page)
    assert page.locator("[data-testid=stException]").count() == 0


def test_the_pictures_of_a_way_are_saved_as_one_with_the_image_on_light_ground(browser, app_url, tmp_path):
    page = opened(browser, f"{app_url}/way?model=swin-digits&ratio=0.6&image=5", scheme="dark")
    row = page.locator(".st-key-tools_way_pictures")
    seen(row.get_by_role("button", name="SVG"))
    settled(page)
    vector = saved(page, row, "SVG", tmp_path)
    root, written = ET.parse(vector).getroot(), vector.read_text()
    words = [" ".join("".join(found.itertext()).split()) for found in root.iter(TEXT)]
    assert {"Stage 1", "Stage 3", "Dense", "Pruned", "What survives", SOURCE} <= set(words)
    assert written.count('class="photo"') == 1 and 'class="hover"' not in written
    assert INK["ground"][0] in written and not any(dark in written for _, dark in (INK["ink"], INK["soft"]))
    pixels = Image.open(saved(page, row, "PNG", tmp_path)).convert("RGB")
    assert pixels.size == tuple(2 * int(root.get(side)) for side in ("width", "height"))
    assert page.outside == []
