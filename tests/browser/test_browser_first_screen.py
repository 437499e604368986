"""The first visit: a picture with no click and no outside request, then live numbers."""

import pytest

pytestmark = pytest.mark.browser


def test_the_first_screen_is_drawn_at_once_and_becomes_live(visit):
    screen = visit()
    screen.page.locator(".st-key-tradeoff .main-svg").first.wait_for()
    assert "95.0 %" in screen.metric(2) and "n = 1,080" in screen.metric(2)
    assert "precomputed" in screen.text() or "not faster" in screen.text()
    before = [screen.metric(place) for place in range(4)]
    screen.judged()
    assert [screen.metric(place) for place in range(4)] == before
    assert "precomputed" not in screen.text()
    assert len(screen.requests) > 20
    screen.check()


def test_a_link_to_another_page_works_at_first_sight(visit):
    screen = visit("importance", model="swin-digits", ratio="0.5").live()
    screen.page.locator(".st-key-heat .main-svg").first.wait_for()
    assert screen.link["ratio"] == "0.5"
    screen.page.get_by_role("link", name="Weights").click()
    screen.page.locator(".st-key-ridges .main-svg").first.wait_for()
    assert screen.settled().link["ratio"] == "0.5" and "/weights" in screen.page.url
