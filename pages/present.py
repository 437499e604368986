"""Present: the story as slides over the whole window, by keys; a slider moves the star before everyone."""

from __future__ import annotations

import streamlit as st

from pages.ui.look import frame
from pages.ui.present import deck, slides, star
from pages.ui.session import Setting, polling, state
from pages.ui.story import keep, telling


def main() -> None:
    """The slides as far as their cuts are known."""
    if st.session_state.pop("leaving", False):
        st.switch_page(f"pages/{st.session_state.pop('present_from', 'compare')}.py")
    st.session_state.deck_heard = False
    told = keep.told()
    polling.polled(body, st.session_state.get("deck_whole") != _cuts())()
    star.draw(told[0].setting)


def _cuts() -> list[Setting]:
    return [one.setting for one in keep.told()]


def body() -> None:
    """All slides; drawn anew while cuts are being judged. What was pressed on them concerns the whole page."""
    if st.session_state.pop("deck_heard", False):
        st.rerun()
    found = telling.ask(keep.told())
    known = [whole for one in found if (whole := one.whole)]
    numbers = slides.numbers(known)
    pictures = telling.pictures(known[0].kept.setting, numbers) if known else {}
    made = slides.build(known, st.session_state.story_title, pictures, slides.rows(known))
    doing = next((said for one in found if (said := one.doing or one.error)), "")
    deck.draw(made, state.current().plan.ratio or 0.5, doing)
    whole = not telling.running(found) and pictures.keys() >= set(numbers)
    if whole and st.session_state.get("deck_whole") != _cuts():
        st.session_state.deck_whole = _cuts()  # nothing more to poll for
        st.rerun()


frame.enter()
main()
