"""Learn: lessons that move the real controls on the real model, and check what the learner did."""

from __future__ import annotations

import streamlit as st

from pages.ui.exercises import words
from pages.ui.learn import card, overview, sandbox, stage
from pages.ui.look import frame
from pages.ui.parts import notice, waiting
from pages.ui.session import lesson, opened


def main() -> None:
    """The list of lessons, or a step: the figure first, since its facts decide what the card says."""
    notice.show()
    now = lesson.current()
    if now is None and lesson.learner().sandbox:
        invent()
        return
    if now is None:
        overview.draw()
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(words.word("lesson", number=now[0].number), width="content")
        st.button(words.word("leave"), key="lesson_leave", type="tertiary", on_click=lesson.leave)
    left, right = st.columns([35, 65], gap="large")
    above, below = left.container(), left.container()
    with right:
        view = opened.view()
        if view is None:
            waiting.wait_for()
        else:
            stage.draw(view, now[1], below)
    with above:
        card.draw(*now)


def invent() -> None:
    """The sandbox, on the session's own model."""
    st.button(words.word("to_list"), key="sandbox_leave", type="tertiary", on_click=overview.to_sandbox, args=(False,))
    view = opened.view()
    if view is None:
        waiting.wait_for()
    else:
        sandbox.draw(view, words.word)


frame.enter()
main()
