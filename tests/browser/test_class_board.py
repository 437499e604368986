"""A class in the browser: the board on a projector follows a guess by itself, and the sheet is two pages."""

import re

import pytest

from tests.browser.test_app import seen, violations

pytestmark = pytest.mark.browser


def test_a_guess_comes_to_the_board_by_itself_and_a_reload_is_the_same_browser(browser, app_url):
    board = browser.new_page()
    board.set_viewport_size({"width": 1920, "height": 1080})
    board.goto(f"{app_url}/board?class=browser")
    seen(board.get_by_role("heading", name="No guesses yet"))
    board.goto(f"{app_url}/board?class=browser")  # it stays this browser's
    seen(board.get_by_role("button", name="Clear the board"))
    for option in ("Stage 4", "Stage 3"):
        learner = browser.new_page()  # a new tab, as after a reload
        learner.goto(f"{app_url}/learn?lesson=2&step=2&class=browser")
        learner.get_by_text(option, exact=True).first.click()
        learner.get_by_role("button", name="Lock in my guess").click()
        seen(board.locator("li", has_text=option).locator("b", has_text="1"))
    seen(board.get_by_text("1 guesses", exact=True))
    board.get_by_role("button", name="Show the answer").click()
    seen(board.locator("li.right", has_text="Stage 2"))
    for scheme in ("light", "dark"):
        board.emulate_media(color_scheme=scheme)
        assert not violations(board), violations(board)
    assert board.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight <= window.innerHeight")


def test_the_sheet_is_two_pages_and_the_page_fits_a_phone(browser, app_url):
    page = browser.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    for language in ("de", "en"):
        page.goto(f"{app_url}/teachers?lang={language}")
        seen(page.locator(".sheet section").last)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert len(re.findall(rb"/Type\s*/Page[^s]", page.pdf(prefer_css_page_size=True))) == 2
    assert not violations(page), violations(page)
