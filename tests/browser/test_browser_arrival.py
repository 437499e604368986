"""The first visits, first by this file's name: a picture with no click and no outside request, then live numbers."""

import pytest

pytestmark = pytest.mark.browser


def test_the_first_screen_is_drawn_at_once_and_becomes_live(visit):
    screen = visit()
    screen.page.locator(".st-key-tradeoff .main-svg").first.wait_for()
    first = screen.text()
    if "precomputed" in first:  # only the first visitor of a server gets here before the worker is up
        assert "95.0 %" in first and "93.5 to 96.1, n = 1,080" in first
        assert "−3.8 points" in first and "401 k" in first
    screen.judged()
    assert "precomputed" not in screen.text()
    screen.until("document.body.innerText.includes('n = 1,080')")
    assert "95.0 %" in screen.metric(2) and "−3.8 points" in screen.metric(3) and "401 k" in screen.metric(0)
    assert screen.link == {"model": "swin-textured", "criterion": "dimap", "scope": "module", "ratio": "0.8"}
    assert len(screen.requests) > 20
    screen.check()


def test_a_link_to_another_page_keeps_its_plan_from_page_to_page(visit):
    screen = visit("importance", model="swin-digits", ratio="0.5").live()
    screen.page.locator(".st-key-heat .main-svg").first.wait_for()
    assert screen.link["ratio"] == "0.5"
    screen.page.get_by_role("link", name="Weights").click()
    screen.page.locator(".st-key-ridges .main-svg").first.wait_for()
    assert screen.settled().link["ratio"] == "0.5" and "/weights" in screen.page.url
