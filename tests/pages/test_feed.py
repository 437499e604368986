"""The feed: a browser is sent what changed since the answer that it says it holds, and can make the whole of it."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.live import feed


def made(old, by):
    """What live_tools.js makes of an answer and a patch."""
    now = dict(old)
    for key, value in by.items():
        now[key] = made(now.get(key) or {}, value) if isinstance(value, dict) else value
    return now


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {"a": 1, "b": {"c": None}}),
        ({"a": [1, 2], "b": {"c": 1, "d": 2}}, {"a": [1, 3], "b": {"c": 1, "d": 3}}),
        ({"a": None, "b": {"c": {"d": 1}}}, {"a": {"e": 1}, "b": {"c": {"d": 1}}}),
        ({"a": {"e": 1}}, {"a": None}),
    ],
)
def test_a_patch_makes_the_new_of_the_old_and_says_no_more(old, new):
    patch = feed.difference(old, new)
    assert made(old, patch) == new
    assert feed.difference(new, new) == {} and set(patch) <= set(new)
    assert all(old.get(key, "none") != new[key] for key in patch)


def test_what_is_gone_is_told():
    assert feed.difference({"tries": {1: "a", 2: "b"}}, {"tries": {2: "b"}}) == {"tries": {1: None}}


def test_a_browser_is_sent_what_changed_since_the_answer_it_holds(open_app):
    app = open_app(model="swin-digits", ratio="0.3").live()
    whole = app.news
    assert whole["base"] == 0 and whole["patch"]["plot"]["curves"]
    answer, sizes = whole["patch"], []
    for held, share in enumerate((0.4, 0.5, 0.6, 0.7)):
        beat = app.news["beat"]
        app.move(all=share, held=beat)
        news = app.news
        assert news["base"] == beat and "curves" not in news["patch"]["plot"], held
        answer = made(answer, news["patch"])
        assert answer == json.loads(json.dumps(app.at.session_state["answers"][news["beat"]]))
        assert answer["cut"]["all"] == share and not set(app.at.session_state["answers"]) & set(range(1, beat))
        sizes.append(len(json.dumps(news["patch"])))
    assert max(sizes) < 2000  # however many were tried before, also with the answers that other sessions had


def test_a_browser_that_holds_nothing_is_sent_the_whole(open_app):
    app = open_app(model="swin-digits", ratio="0.3").live()
    app.look(app.news["beat"])
    assert app.news["base"] and "of" not in app.news["patch"]
    for unknown in (0, 10**6, "x", None):
        app.look(app.news["beat"]).look(unknown)
        assert (app.news["base"] == 0) == (unknown == 0)  # 0 says that it has none; the others say nothing
    app.look(0)
    assert "of" in app.news["patch"]


def test_what_arrives_when_its_page_has_gone_says_nothing():
    def script():
        import streamlit as st

        from pages.ui.live import feed, moves

        feed.send({})
        if st.button("late"):
            del st.session_state[feed.KEY]  # as another page's run leaves it
            moves.moved()
            moves.selected()
            st.write(f"heard: {feed.heard('look')}")

    app = AppTest.from_function(script).run()
    app.button[0].click().run()
    assert not app.exception and app.markdown[0].value == "heard: None"
