"""Compare in a real browser: one screen, pictures that are saved as they are seen, chips that follow new names."""

import xml.etree.ElementTree as ET

import pytest
from playwright.sync_api import expect

from dimap_core.studies.story.links import to_link
from dimap_core.studies.story.story import NamedCut, Story
from dimap_core.types.plan import PruningPlan
from tests.browser.test_app import opened, patiently, seen, settled, violations

pytestmark = pytest.mark.browser
STORY = to_link(Story((
    NamedCut("Rule", "swin-digits", PruningPlan(ratio=0.9)), NamedCut("More", "swin-digits", PruningPlan(ratio=0.95)),
)))  # fmt: skip
PLACES = """() => ["panel", "differences", "images"].map(
  (name) => document.querySelector(`.st-key-compare_${name}`).getBoundingClientRect().bottom)"""


def compared(browser, app_url, scheme="light"):
    page = opened(browser, f"{app_url}/compare?model=swin-digits&ratio=0.5&story={STORY}", 1440, scheme)
    seen(page.locator(".cards image").first)
    settled(page)
    return page


def test_two_cuts_stand_on_one_screen_and_a_picture_is_saved_once_without_margins(browser, app_url, tmp_path):
    page = compared(browser, app_url, "dark")
    assert max(page.evaluate(PLACES)) <= 900
    assert not violations(page), violations(page)
    with page.expect_download() as download:
        page.locator(".st-key-tools_compare_panel").get_by_role("button", name="SVG").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name == "compare_panel_A_B.svg"
    root = ET.parse(path).getroot()
    inner = [part for part in root.iter("{http://www.w3.org/2000/svg}svg") if part.get("role") == "img"]
    assert len(inner) == 1 and float(inner[0].get("x")) == float(inner[0].get("y")) == 0  # not the narrow one too
    page.set_viewport_size({"width": 390, "height": 900})
    patiently(expect(page.locator(".versus .narrow")).to_be_visible)
    patiently(expect(page.locator(".versus .wide")).to_be_hidden)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.outside == []


def test_chips_follow_new_names_and_the_address_follows_the_choice(browser, app_url):
    page = compared(browser, app_url)
    page.get_by_role("button", name="Names and order").click()
    name = page.get_by_label("Name of A")
    name.fill("The rule")
    name.press("Enter")
    patiently(expect(page.locator(".versus .first h2")).to_have_text, "The rule")
    page.keyboard.press("Escape")
    page.get_by_role("combobox", name="Second cut").click()
    page.get_by_role("option", name="Dense").click()
    seen(page.get_by_role("heading", level=1).filter(has_text="Dense needs "))
    page.wait_for_url("**pair=A.dense**")
