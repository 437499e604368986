"""Keeping a cut in the story: one button. On Prune the cut in force is kept, on Find the one found."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ..look import plan_names
from ..session import Setting, Tried, state, story
from . import telling


def button(key: str, setting: Setting, keep: Callable[..., None], *of: object) -> None:
    """The button that calls `keep(*of)`; a cut that is kept says as which."""
    letter = story.letter(setting)
    st.button(
        f"Kept as {letter}" if letter else "Keep this cut", key=key, on_click=keep, args=of, disabled=bool(letter),
        icon=":material/bookmark_added:" if letter else ":material/bookmark_add:",
        help="Adds it to your story: the cuts that you name, compare, present and report. Up to nine.",
    )  # fmt: skip


def in_force() -> None:
    """Keep what is on screen when the button is pressed."""
    add(state.current())


def add(setting: Setting) -> None:
    """Keep a cut under the name that its plan has, until somebody gives it a better one."""
    story.keep(setting, plan_names.label(setting.plan))


def told() -> tuple[story.Kept, ...]:
    """The story's cuts; the cut in force where none is kept."""
    setting = state.current()
    return story.standing_in(setting, plan_names.label(setting.plan))


def settled(setting: Setting) -> bool:
    """Put what is found of kept cuts that came from a link or a file among the tried ones, as far as they are judged as
    `setting` is; whether more will come."""
    history: list[Tried] = st.session_state.history
    tried = {one.setting for one in history if one.estimate}
    lacking = [one for one in story.kept() if one.setting.judged == setting.judged and one.setting not in tried]
    found = telling.ask(lacking) if lacking else []
    for one in found:
        if (point := one.tried(max((each.number for each in history), default=-1) + 1)) is not None:
            history = [*(each for each in history if each.setting != point.setting), point]
    st.session_state.history = history
    return telling.running(found)


def drawn(setting: Setting) -> dict[str, Tried]:
    """The kept cuts that can be drawn beside a setting, by letter: judged by the same images, and tried."""
    tried = {one.setting: one for one in st.session_state.history}
    kept = {story.letter(one.setting): one.setting for one in story.kept()}
    return {letter: tried[one] for letter, one in kept.items() if one.judged == setting.judged and one in tried}


def present() -> None:
    """The way to the slides, back to this page by Escape."""
    if st.button("Present (P)", shortcut="P", key="present", type="tertiary", help="Your kept cuts as slides, by keys"):
        st.session_state.present_from = st.session_state.page_key
        st.switch_page("pages/present.py")
