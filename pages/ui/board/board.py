"""The board as a whole: opened by its address, looked at anew every other second.

Only who has the class's key, which stands in the address of whoever opened it, shows answers and clears.
Next door: `guesses` and `scores` draw the two halves.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

from dimap_core.service import Board, Place
from dimap_core.studies import asking

from ..session import cache, classroom, polling
from . import guesses, scores
from .words import word

_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
_EVERY = 2.0  # seconds between two looks at the class
_QUESTION, _HERE = "board_question", (0, 0)
_LOCAL = ("localhost", "127.0.0.1", "::1")


def draw() -> None:
    """All of it, for the class and with the key that the address has."""
    st.html(f"<style>{_STYLE}</style>")
    name = st.query_params.get("class", "")
    if not name:
        _ask_name()
        return
    key = cache.kept_classes().open(name, classroom.token(), st.query_params.get("key", ""))
    if key:
        st.query_params["key"] = key
    polling.polled(_live, every=_EVERY)(name, key)


def _ask_name() -> None:
    with st.container(key="board_name"):
        st.title(word("title"), anchor=False)
        with st.form("board_open", border=False):
            name = st.text_input(word("name"), max_chars=40)
            if st.form_submit_button(word("open"), type="primary") and name:
                st.query_params["class"] = name
                st.rerun()


def _live(name: str, key: str | None) -> None:
    """Head, the two halves, controls."""
    found = cache.kept_classes().board(name)
    asked = _asked(found)
    st.html(_head(name, found.browsers))
    with st.container(key="board_halves"):
        with st.container(key="board_guesses"):
            st.html(guesses.drawn(asked, found.questions.get(asked) if asked else None))
        if found.games:  # until then guesses have all the room
            with st.container(key="board_scores"):
                st.html(scores.drawn(found.games[max(found.games)]))
    with st.container(horizontal=True, vertical_alignment="bottom", key="board_foot"):
        if key is None:
            st.caption(word("only_shows"))
        _controls(name, key, found, asked)


def _asked(found: Board) -> Place | None:
    """The question that the teacher chose; where most of the class is if none was chosen."""
    chosen = st.session_state.get(_QUESTION)
    return chosen if chosen in found.questions else found.here


def _controls(name: str, key: str | None, found: Board, asked: Place | None) -> None:
    places = [place for place in sorted(found.questions) if asking(*place) is not None]
    if places:
        st.selectbox(
            word("question"), [_HERE, *places], key=_QUESTION, width=360, label_visibility="collapsed",
            format_func=lambda place: word("here") if place == _HERE else word("place", lesson=place[0], step=place[1]),
        )  # fmt: skip
    if key is None:
        return
    if asked is not None and asked in found.questions:
        shown = found.questions[asked].shown
        st.button(word("hide" if shown else "show"), key="board_show", type="primary", on_click=_show,
                  args=(name, key, asked, not shown))  # fmt: skip
    with st.popover(word("clear"), key="board_clear"):
        st.markdown(word("clear_told"))
        st.button(word("clear_now"), key="board_clear_now", on_click=_clear, args=(name, key))


def _show(name: str, key: str, place: Place, shown: bool) -> None:
    cache.kept_classes().show(name, key, place, shown)


def _clear(name: str, key: str) -> None:
    cache.kept_classes().clear(name, key)


def _head(name: str, browsers: int) -> str:
    """Whose board it is and where to join."""
    at = urlsplit(st.context.url or "")
    address = f"{at.netloc}/learn?class={name}"
    here = f" <small>{escape(word('only_here'))}</small>" if at.hostname in _LOCAL else ""
    taking = escape(word("browsers", count=browsers)) if browsers else ""
    return (
        f'<header class="board-head"><h1>{escape(word("title"))} {escape(name)}</h1>'
        f"<p>{escape(word('join', address=address))}{here}</p><p class=taking>{taking}</p></header>"
    )
