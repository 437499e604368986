"""Each lesson for its teacher: aim, what goes wrong, what to ask, a link that starts it afresh, answers in a fold."""

from __future__ import annotations

import streamlit as st

from dimap_core.studies import Lesson, Step, all_lessons, right_answer

from .opening import current
from .words import language, link, word


def draw() -> None:
    """A box for each."""
    st.header(word("lessons"), anchor=False)
    st.caption(word("start_told"))
    for one in all_lessons():
        _box(one)


def _box(one: Lesson) -> None:
    spoken = language()
    with st.container(border=True, key=f"teachers_lesson_{one.number}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            about = word("about", number=one.number, title=one.title[spoken], minutes=one.minutes)
            st.markdown(f"**{about}**", width="content")
            afresh = link("learn", lesson=one.number, step=1, **{"class": current()})
            st.link_button(word("start", number=one.number), afresh)
        st.markdown(
            f"**{word('aim')}:** {one.aim[spoken]}  \n**{word('mistakes')}:** {one.mistakes[spoken]}  \n"
            f"**{word('ask')}:** {one.ask[spoken]}"
        )
        with st.expander(word("answers"), key=f"teachers_answers_{one.number}"):
            st.markdown("\n".join(f"{place}. {solved(step)}" for place, step in enumerate(one.steps, start=1)))


def solved(step: Step) -> str:
    """What solves a step: the answer to its question, or what its hint says."""
    spoken = language()
    title = step.title[spoken]
    if step.guess is None:
        return f"{title}: {step.hint[spoken]}" if step.hint else title
    return f"{title}: {step.guess.question[spoken]} **{answer(step)}**"


def answer(step: Step) -> str:
    """The right option of a step's guess in words."""
    labels = {option.key: option.label[language()] for option in step.guess.options} if step.guess else {}
    return labels.get(right_answer(step), word("no_answer"))
