"""The list of lessons: what each is about, how far the learner is, and where to begin."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dimap_core.studies import LANGUAGES, Lesson, all_lessons

from ..exercises import words
from ..look import formats
from ..session import classroom, lesson as place


def draw() -> None:
    """Languages, and a row for each lesson."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(words.word("welcome"), width="content")
        st.segmented_control(
            words.word("language"), list(LANGUAGES), default=place.learner().language, format_func=LANGUAGES.get,
            key="lesson_language", on_change=_language, required=True, label_visibility="collapsed",
        )  # fmt: skip
    if (joined := classroom.name()) is not None:
        st.caption(words.word("in_class", name=formats.plain(joined)))
    for one in all_lessons():
        _row(one)
    with _framed("sandbox"):
        st.markdown(f"**{words.word('sandbox_title')}**  \n{words.word('sandbox_intro')}", width="content")
        st.button(words.word("sandbox_open"), key="sandbox_open", on_click=to_sandbox, args=(True,), width=120)
    st.page_link("pages/teachers.py", label=words.word("teachers"))


def to_sandbox(there: bool) -> None:
    """Into the sandbox, or back to the list."""
    place.learner().sandbox = there


def _framed(key: str) -> Any:
    """A row of the list: words left, a button right."""
    return st.container(
        border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key=f"row_{key}"
    )


def _row(one: Lesson) -> None:
    me = place.learner()
    done = {step for number, step in me.done if number == one.number}
    first = next((step for step in range(1, len(one.steps) + 1) if step not in done), 1)
    finished = len(done) == len(one.steps)
    with _framed(f"lesson_{one.number}"):
        told = (
            words.word("finished")
            if finished
            else words.word("so_far", done=len(done), of=len(one.steps))
            if done
            else ""
        )
        st.markdown(
            f"**{one.number} · {one.title[me.language]}**  \n{one.aim[me.language]} "
            f":small[{words.word('minutes', minutes=one.minutes)}{' · ' + told if told else ''}]",
            width="content",
        )
        label = words.word("again") if finished else words.word("go_on") if done else words.word("start")
        st.button(
            label, key=f"lesson_go_{one.number}", on_click=_begin, args=(one.number, first, finished), type="primary"
            if not finished and (me.last or (1,))[0] == one.number else "secondary", width=120,
            help=f"{label}: {one.title[me.language]}",
        )  # fmt: skip


def _begin(number: int, step: int, finished: bool) -> None:
    """At the first step that is not done; once more from the start."""
    if finished:
        place.afresh(number)
    else:
        place.enter((number, step))


def _language() -> None:
    place.learner().language = st.session_state.lesson_language
