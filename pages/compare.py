"""Compare: which of two cuts is better, and what of it is beyond chance? Own cuts first, stored results below."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.compare import choosing, differences, images, panel, standing, stored, timed
from pages.ui.look import chart_tools, frame
from pages.ui.parts import notice
from pages.ui.session import polling, story
from pages.ui.story import rows, telling

_STYLE = Path(__file__).parent / "ui" / "compare" / "compare.css"


def main() -> None:
    """The two as a fragment, which looks again while something is on its way; below it what takes longer."""
    notice.show()
    st.html(f"<style>{_STYLE.read_text(encoding='utf-8')}</style>")
    pair = standing.of(choosing.sides())
    running = waiting(pair)
    polling.polled(body, running)(running)
    timed.draw(pair)
    stored.draw()


def waiting(pair: tuple[standing.Standing, standing.Standing]) -> bool:
    """Whether more will come: what is found of both, pictures, then what is found of the other kept cuts."""
    return standing.running(pair) or images.lacking(*pair) or telling.running(telling.ask(story.kept()))


def body(polling: bool) -> None:
    """Verdict, choice, both in numbers, differences, images."""
    first, second = pair = standing.of(choosing.sides())
    if polling != waiting(pair):
        st.rerun()
    st.title(standing.verdict(*pair), anchor=False)
    row = choosing.controls(standing.facts(*pair))
    if story.kept():
        with row.popover("Names and order", icon=":material/edit_note:", key="compare_story"):
            rows.draw(telling.ask(story.kept(), may_ask=not standing.running(pair)))  # one request at a time
    else:
        invite()
    names = [side.side.called for side in pair]
    chart_tools.source(
        "_".join(names).replace(" ", "-"), f"{standing.facts(*pair)} · {' and '.join(names)} · DIMAP Explorer"
    )
    panel.draw(*pair)
    if first.told and second.told:
        left, right = st.columns([46, 54], gap="medium")
        with left:
            differences.draw(*pair)
        with right:
            images.draw(*pair)


def invite() -> None:
    """What to do where nothing is kept yet."""
    label = "Nothing is kept yet; keep cuts on Prune"
    st.page_link("pages/prune.py", label=label, icon=":material/bookmark_add:")


frame.enter()
main()
