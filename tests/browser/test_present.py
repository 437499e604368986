"""Slides in a real browser: keys, clickers, a live star, a link to a slide, one slide a printed page."""

import re

import pytest

from dimap_core.studies import story as core
from dimap_core.types import PruningPlan
from tests.browser.test_app import judged, opened, patiently, seen, violations

pytestmark = pytest.mark.browser
STORY = core.to_link(
    core.Story(
        (
            core.NamedCut("By the rule", "swin-digits", PruningPlan(ratio=0.5), "Half is enough."),
            core.NamedCut("Too far", "swin-digits", PruningPlan(ratio=0.95)),
        ),
        "How far <b>can</b> one go?",
    )
)
READ = """() => {
  const deck = [...document.querySelectorAll("*")].find((one) => one.shadowRoot?.querySelector(".deck")).shadowRoot;
  const small = [];
  for (const node of deck.querySelectorAll(".slide.shown *")) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())) continue;
    const scale = node instanceof SVGElement ? node.ownerSVGElement.getScreenCTM().a : 1;
    const size = parseFloat(getComputedStyle(node).fontSize) * scale;
    if (size < 23.5) small.push([node.textContent.trim().slice(0, 30), size]);
  }
  return small;
}"""
"""Words of the slide that are smaller than 24 px, but for rounding."""


def all_there(page):
    """Wait for all slides; how many they are."""
    place = page.locator("nav .place").filter(has_text=re.compile(r"/ (7|8)$"))
    patiently(lambda timeout: place.wait_for(state="attached", timeout=timeout))
    return int(place.inner_text().split("/ ")[1])


def test_slides_go_by_keys_stay_live_and_print_one_a_page(browser, app_url):
    page = opened(browser, f"{app_url}/?model=swin-digits&ratio=0.5&story={STORY}", 1280)
    judged(page, "540")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.locator("body").press("p")
    shown = page.locator(".slide.shown")
    seen(shown.filter(has_text="How far <b>can</b> one go?"))
    assert not page.locator("[data-testid=stHeader]").is_visible()
    count = all_there(page)
    for key in ("ArrowRight", "PageDown", "Space"):
        assert page.evaluate(READ) == [], page.evaluate(READ)
        page.keyboard.press(key)
    seen(shown.filter(has_text="Half is enough."))
    patiently(page.wait_for_function, "location.search.includes('slide=4')")
    page.keyboard.press("End")
    seen(shown.filter(has_text="What was tried"))
    page.keyboard.press("Home")
    page.keyboard.press("s")
    seen(shown.filter(has_text="of the images still right"))
    page.locator(".slider input").press("ArrowRight")
    seen(page.locator(".slide.shown g.live .star"))
    seen(page.locator(".slider output").filter(has_text=re.compile(r"% right$")))
    page.keyboard.press("Escape")
    assert not page.locator(".slider").is_visible()
    assert not violations(page), violations(page)
    again = browser.new_page()
    again.set_viewport_size({"width": 1280, "height": 720})
    again.goto(page.url)
    all_there(again)
    seen(again.locator(".slide.shown").filter(has_text="of the images still right"))
    pages = again.pdf(prefer_css_page_size=True, print_background=True).count(b"/Type /Page\n")
    assert pages == count
    page.keyboard.press("Escape")
    seen(page.locator(".answer .value"))
    assert "present" not in page.url and page.outside == []
