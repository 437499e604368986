"""Present: the story as slides over the whole window, by keys; a slider moves the star before everyone."""

from __future__ import annotations

import streamlit as st

from pages.ui.look import frame
from pages.ui.present import deck, slides, star
from pages.ui.session import polling, state
from pages.ui.story import keep, telling


def main() -> None:
    """The slides as far as their cuts are known."""
    if st.session_state.pop("leaving", False):
        st.switch_page(f"pages/{st.session_state.pop('present_from', 'compare')}.py")
    told = keep.told()
    polling.polled(body, _running(telling.ask(told)))()
    star.draw(told[0].setting)


def _running(found: list[telling.Found]) -> bool:
    """Whether cuts or pictures are on their way."""
    return telling.running(found) or bool(st.session_state.get("pictures_missing"))


def body() -> None:
    """All slides; drawn anew while cuts are being judged."""
    found = telling.ask(keep.told())
    known = [whole for one in found if (whole := one.whole)]
    numbers = slides.numbers(known)
    pictures = telling.pictures(known[0].kept.setting, numbers) if known else {}
    missing = st.session_state.pictures_missing = bool(set(numbers) - pictures.keys())
    made = slides.build(known, st.session_state.story_title, pictures, slides.rows(known))
    deck.draw(made, state.current().plan.ratio or 0.5, next((one.doing or one.error for one in found), ""))
    if not telling.running(found) and not missing and st.session_state.get("deck_whole") != len(known):
        st.session_state.deck_whole = len(known)  # the page polls no more
        st.rerun()


frame.enter()
main()
