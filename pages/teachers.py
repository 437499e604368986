"""For teachers: a class with its board, plan, questions and answers of each lesson, the way to a room, a sheet."""

from __future__ import annotations

import streamlit as st

from dimap_core.studies import LANGUAGES
from pages.ui.look import frame
from pages.ui.session import lesson
from pages.ui.teachers import lessons, opening, plan, sheet, words


def main() -> None:
    """From opening a class to what lies on the desk."""
    with st.container(key="teachers_page"):
        st.title(words.word("title"), anchor=False)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(words.word("intro"), width="stretch")
            languages()
        left, right = st.columns(2, gap="large")
        with left:
            opening.draw()
            opening.to_the_room()
        with right:
            plan.draw()
        lessons.draw()
        sheet.draw()


def languages() -> None:
    """English or German, for this page and the links on it."""
    st.segmented_control("Language", list(LANGUAGES), default=lesson.learner().language, format_func=LANGUAGES.get,
                         key="teachers_language", on_change=choose_language, required=True,
                         label_visibility="collapsed")  # fmt: skip


def choose_language() -> None:
    """Keep it in the address too."""
    lesson.learner().language = st.query_params["lang"] = st.session_state.teachers_language


frame.enter()
main()
