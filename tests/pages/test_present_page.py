"""Slides: made of the story, or of the cut in force; statements are the measured numbers; the live cut has its star."""

import re

from dimap_core.studies import story as core
from dimap_core.types import PruningPlan

HALF = core.NamedCut("By the rule", "swin-digits", PruningPlan(ratio=0.5), "Half of it <b>is</b> enough.")
MOST = core.NamedCut("{{7*7}}<script>", "swin-digits", PruningPlan(ratio=0.9))


def presented(open_app, *cuts, **more):
    app = open_app(model="swin-digits", ratio="0.5", present="1", story=core.to_link(core.Story(cuts, "Why")), **more)
    return app.until(lambda: len(app.component("dimap_deck").get("slides", [])) >= 5 + len(cuts), "all slides")


def words(slide):
    return re.sub(r"<[^>]+>", " ", f"{slide['first']} {slide['second']} {slide['body']}")


def test_a_link_opens_the_slides_with_what_was_measured(open_app):
    app = presented(open_app, HALF, MOST, slide="3")
    deck = app.component("dimap_deck")
    assert deck["at"] == 2 and app.url["present"] == "1" and app.url["slide"] == "3"
    title, drawn, tradeoff, half, most, versus, *_, end = deck["slides"]
    assert title["first"] == "Why" and "2 cuts of swin-digits" in words(title) and "<svg" in drawn["body"]
    assert deck["live"] == 2 and "live" in tradeoff["kind"] and len(deck["frame"]) == 5
    assert half["first"] == "Half of it <b>is</b> enough." and not half["second"]
    assert "of the images still right" in most["second"] and "<script" not in most["body"]
    assert re.search(r"n = 540; −?[+\d.]+ points against dense", words(most))
    assert "B needs" in versus["first"] and words(end).count("%") >= 6
    shown = open_app(model="swin-digits", ratio="0.9").judged().metric(2)
    assert re.search(r"[\d.]+ %", shown)[0] in words(most).replace("\u00a0", " ")


def test_with_nothing_kept_the_cut_in_force_is_presented_and_escape_leads_back(open_app):
    app = open_app(model="swin-digits", ratio="0.4").judged()
    app.click("Present (P)")
    app.until(lambda: len(app.component("dimap_deck").get("slides", [])) >= 5, "slides")
    assert app.component("dimap_deck")["slides"][0]["first"].startswith("What can be cut")
    assert app.at.session_state["story"] == ()
    app.pull("dimap_deck", leave=True).judged()
    assert "present" not in app.url and app.url["ratio"] == "0.4"


def test_the_live_slider_moves_a_star_and_is_the_cut_in_force(open_app):
    app = presented(open_app, HALF, MOST)
    assert app.component("dimap_star") == {}
    app.pull("dimap_deck", ratio=70)
    app.until(lambda: app.component("dimap_star").get("y") is not None, "the star")
    star = app.component("dimap_star")
    assert app.plan.ratio == 0.7 and 0 < star["low"] < star["y"] < star["high"] <= 1 and "% right" in star["said"]
    app.pull("dimap_deck", ratio="nonsense")
    assert app.plan.ratio == 0.7


def test_a_cut_that_cannot_be_is_told_and_the_others_are_shown(open_app):
    bad = core.NamedCut("Nowhere", "swin-digits", PruningPlan(ratio=0.5, protected=("no.such.layer",)))
    app = open_app(model="swin-digits", present="1", story=core.to_link(core.Story((bad, HALF), "Why")))
    app.until(lambda: "no.such.layer" in app.component("dimap_deck").get("doing", ""), "what is wrong")
    app.until(lambda: len(app.component("dimap_deck")["slides"]) >= 5, "slides")
    deck = app.component("dimap_deck")
    assert "no.such.layer" in deck["doing"] and "1 cut of swin-digits" in words(deck["slides"][0])


def test_more_than_can_go_is_said_and_asked_once(open_app):
    cut = core.NamedCut("Far", "swin-digits", PruningPlan(criterion="magnitude", scope="stage-module", ratio=0.3))
    app = presented(open_app, cut, HALF)
    app.pull("dimap_deck", ratio=98)
    app.until(lambda: app.component("dimap_star").get("y") is not None, "the star")
    said = app.component("dimap_star")["said"]
    assert app.plan.ratio < 0.98 and "the largest ratio" in said
    app.pull("dimap_deck", ratio=20)
    app.until(lambda: "% right" in app.component("dimap_star")["said"] and app.plan.ratio == 0.2, "the star again")
    assert "largest" not in app.component("dimap_star")["said"]
