"""Lessons in a real browser: a step done by keyboard alone, and what everyone can read."""

import re

import pytest
from playwright.sync_api import expect
from safetensors.numpy import load_file

from dimap_core.studies import exercises
from dimap_core.types import ASSETS
from pages.ui.exercises import by_hand
from tests.browser.test_app import opened, patiently, seen, settled, violations

pytestmark = pytest.mark.browser


def reached(page, name, most=60):
    """Press Tab until that has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('[class*=st-key-]')?.className ?? ''").find(name) >= 0:
            return
    raise AssertionError(f"Tab does not reach {name}")


def test_a_step_is_guessed_moved_and_left_by_keyboard_alone(browser, app_url):
    page = opened(browser, f"{app_url}/learn?lesson=2&step=2")
    seen(page.locator(".by-width img.wide"))
    settled(page)
    reached(page, "guess_2_2")
    page.keyboard.press("Space")  # stage 1, which is wrong
    settled(page)
    patiently(expect(page.locator(".st-key-lock button")).to_be_enabled)
    reached(page, "st-key-lock")
    page.keyboard.press("Enter")
    seen(page.locator(".options .own"))
    settled(page)
    slider = page.locator(".st-key-lesson_ratio").get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    for _ in range(18):
        page.keyboard.press("ArrowLeft")
    seen(page.locator(".lesson-tick"))
    seen(page.get_by_text("it is Stage 2").first)
    settled(page)
    patiently(expect(page.locator(".st-key-lesson_next button")).to_be_enabled)
    page.locator(".st-key-lesson_next button").focus()
    page.keyboard.press("Enter")
    patiently(page.wait_for_function, "location.search.includes('step=3') && location.search.includes('done=2.2')")
    page.go_back()
    patiently(page.wait_for_function, "location.search.includes('step=2')")
    seen(page.get_by_text("One threshold for all").first)
    assert page.outside == []


def test_scores_and_sliders_take_keys_and_the_focus_follows_what_was_said(browser, app_url):
    page = opened(browser, f"{app_url}/learn?lesson=3&step=2")
    seen(page.locator(".by-width img.wide"))
    settled(page)
    reached(page, "hand_1")
    layer = load_file(ASSETS / "swin-textured.safetensors")["layers.0.blocks.0.attn.proj.weight"].astype("float64")
    page.keyboard.type(f"{exercises.largest(layer)[by_hand.ASKED[0]].score:.3f}")
    page.keyboard.press("Enter")
    seen(page.locator(".lesson-tick"))
    settled(page)
    page.locator(".st-key-lesson_next button").focus()
    page.keyboard.press("Enter")
    patiently(page.wait_for_function, "document.activeElement.innerText.includes('Step 3 of 4')")  # not lost with Next
    page.goto(f"{app_url}/learn?lesson=5&step=2")
    for place, best in enumerate(exercises.read().best, 1):
        seen(page.locator(f".st-key-fit_{place}"))
        settled(page)
        reached(page, f"fit_{place}")
        slider = page.evaluate_handle("document.activeElement")
        value = "slider => Number(slider.getAttribute('aria-valuenow') ?? slider.value)"
        for _ in range(200):
            left = round((best - slider.evaluate(value)) / 0.005)
            if left == 0:
                break
            way = ("PageUp", "ArrowRight") if left > 0 else ("PageDown", "ArrowLeft")
            page.keyboard.press(way[0] if abs(left) > 10 else way[1])
    seen(page.locator(".lesson-tick"))
    assert page.outside == []


def test_a_german_lesson_draws_german_words(browser, app_url):
    page = opened(browser, f"{app_url}/learn?lesson=2&step=4&lang=de")
    seen(page.locator(".answer dl"))
    drawn = page.locator(".map").inner_text() + page.locator(".answer").inner_text()
    assert "Stufe 1" in drawn and "Alles schneiden" in drawn and "Bilder richtig" in drawn
    english = {"Stage", "stage", "kept", "gone", "cut", "left", "tokens", "width", "Change", "Time", "points"}
    assert set(re.findall(r"[A-Za-z]+", drawn)) & english == set()
    page.goto(f"{app_url}/")  # outside of lessons everything is English
    seen(page.locator(".map").get_by_text("Stage 1", exact=True))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_lessons_fit_and_can_be_read_by_everyone(browser, app_url, scheme, width):
    page = opened(browser, f"{app_url}/learn", width, scheme)
    for place, sign in (
        ("", ".st-key-lesson_go_9"),
        ("?lesson=3&step=2", ".by-width"),
        ("?lesson=2&step=4", ".map .knob"),
    ):
        page.goto(f"{app_url}/learn{place}")
        seen(page.locator(sign).first)
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert not violations(page), violations(page)
