"""The main job in a real browser: open the app, move a slider, watch accuracy arrive."""

import pytest

pytestmark = pytest.mark.browser
WAIT = 60_000
TOP1 = "[data-testid=stMetric]:has-text('Top-1')"


def opened(browser, url, width=1440, scheme="light"):
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    page.set_default_timeout(WAIT)
    page.outside = []
    local = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")
    page.on("request", lambda request: request.url.startswith(local) or page.outside.append(request.url))
    page.goto(url)
    page.locator("[data-testid=stMetric], [data-testid=stPlotlyChart]").first.wait_for()
    return page


def judged(page, images="1,080"):
    page.locator(TOP1).filter(has_text=f"n = {images}").filter(has_not_text="so far").wait_for()


def test_the_first_screen_is_alive_and_asks_nothing_outside(browser, app_url):
    page = opened(browser, app_url)
    page.locator("[data-testid=stPlotlyChart]").first.wait_for()
    page.get_by_text("zeros: smaller on paper").wait_for()
    judged(page)
    assert page.outside == []
    assert page.locator("[data-testid=stException]").count() == 0


def test_a_moved_slider_changes_the_link_and_the_numbers_and_the_link_restores_them(browser, app_url):
    page = opened(browser, app_url)
    page.get_by_text("zeros: smaller on paper").wait_for()
    before = page.locator("[data-testid=stMetricValue]").first.inner_text()
    page.get_by_role("slider").nth(1).focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("DIMAP, module, 85 %").wait_for()
    judged(page)
    after = page.locator("[data-testid=stMetricValue]").first.inner_text()
    assert after != before
    page.wait_for_function("location.search.includes('ratio=0.85')")
    again = opened(browser, page.url)
    again.get_by_text("DIMAP, module, 85 %").wait_for()
    assert again.locator("[data-testid=stMetricValue]").first.inner_text() == after


def test_a_deit_is_pruned_by_stage(browser, app_url):
    page = opened(browser, f"{app_url}/?model=deit-digits&stages=0_0.2~1_0.4~2_0.4~3_0.6")
    page.locator("section").get_by_text("Block group 4").first.wait_for()
    judged(page, "540")


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("scope=foo", "There is no scope 'foo'"),
        ("ratio=7", "must be a number from 0"),
        ("model=resnet50", "not a Swin or DeiT"),
        ("scope=![x](http://example.com/x.png)", "There is no scope"),
    ],
)
def test_nonsense_in_a_link_is_one_sentence_and_the_default_is_shown(browser, app_url, link, told):
    page = opened(browser, f"{app_url}/?{link}")
    page.locator("[data-testid=stAlert]").filter(has_text=told).wait_for()
    page.get_by_text("DIMAP, module, 80 %").wait_for()
    assert page.outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "weights", "importance"])
def test_every_page_fits_a_phone(browser, app_url, path, scheme):
    page = opened(browser, f"{app_url}/{path}", 390, scheme)
    page.get_by_text("zeros: smaller on paper").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("[data-testid=stException]").count() == 0
