"""The report in a real browser: from disk, without server and network, to read, to hover over and to print."""

import pytest
from playwright.sync_api import expect

from dimap_core.studies import report as reports, story
from dimap_core.training.methods import comparison
from dimap_core.types.plan import PruningPlan
from tests.browser.test_app import violations
from tests.helpers import STUCK

pytestmark = pytest.mark.browser
NAME = "</script><script>window.hacked=1</script>"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A report on zeros and on a smaller model, under a hostile name."""
    cuts = (
        story.NamedCut(NAME, "swin-digits", PruningPlan(ratio=0.9), "Too far, مرحبا {{7*7}}"),
        story.NamedCut("Smaller", "swin-digits", PruningPlan(ratio=0.4, granularity="structure")),
    )
    *_, (_, found) = reports.gather(story.Story(cuts, "What goes"), reports.by_name(), comparison.read())
    path = tmp_path_factory.mktemp("report") / "report.html"
    reports.write(found, path, "html")
    return path


@pytest.fixture
def page(browser, file):
    """The file, opened without a network; `asked`: all that it asked for, `errors`: what its console said."""
    page = browser.new_page()
    page.set_default_timeout(1000 * STUCK)
    page.asked, page.errors = [], []
    page.on("request", lambda request: request.url.startswith("data:") or page.asked.append(request.url))
    page.on("console", lambda message: page.errors.append(message.text))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    browser.set_offline(True)
    page.goto(file.as_uri())
    yield page
    browser.set_offline(False)


def test_it_opens_from_disk_asks_for_nothing_and_runs_nothing_of_a_name(page, file):
    expect(page.locator(".drawn .chart .main-svg").first).to_be_visible()
    assert page.asked == [file.as_uri()] and page.errors == []
    assert page.evaluate("window.hacked") is None
    assert page.locator("#cut-A").inner_text() == f"A {NAME}"
    point = page.locator(".chart .scatterlayer .trace").last.locator(".point")
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".hoverlayer")).to_contain_text("Smaller")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_it_reads_well_for_everyone_at_every_width(page, width, scheme):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    expect(page.locator(".drawn .chart .main-svg").first).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == ("rgb(15, 20, 25)" if scheme == "dark" else "rgb(255, 255, 255)")
    page.emulate_media(color_scheme="no-preference")


def test_it_prints_light_with_the_still_figure(page):
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    expect(page.locator(".tradeoff .still svg")).to_be_visible()
    expect(page.locator(".tradeoff .chart")).to_be_hidden()
    assert page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n") in (
        4,
        5,
    )  # one a cut, one or two before, one after
    page.emulate_media(color_scheme="no-preference", media="screen")
