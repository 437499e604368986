"""Prune (home): what happens when I cut? The map moves by hand; counts answer at once, accuracy streams in."""

from __future__ import annotations

import streamlit as st

from pages.ui.live import accuracy, answer, feed, latency, model_map, points, streaming, tradeoff
from pages.ui.look import frame
from pages.ui.parts import absent, header, metrics, notice, waiting
from pages.ui.session import opened, state
from pages.ui.story import keep


def main() -> None:
    """Notice, the map beside what it answers, then what can be asked further."""
    notice.show()
    view = opened.view()
    if view is None:
        before_loading()
        return
    if state.current().name.brought:
        header.draw()  # what the file was read as
    header.judged_by(view)

    left, right = st.columns([65, 35], gap="medium")
    with left, st.container(key="live_map_room"):
        model_map.draw(view)
        model_map.explained(view)
    with right:
        with st.container(key="live_answer_room"):
            answer.draw()
            streaming.draw()
        if view.judged or state.current().absent:
            buttons()
            tradeoff.controls(state.current())
        if state.current().absent:
            absent.draw("A cut that was not measured beforehand needs")
    latency.draw(view)


def before_loading() -> None:
    """The first screen: what was measured beforehand stands in until the worker is up, and says so."""
    row = points.precomputed_row(state.current())
    if row is None or row.drawn is None:
        waiting.wait_for()
        return
    left, right = st.columns([65, 35], gap="medium")
    with left, st.container(key="live_map_room"):
        model_map.draw_beforehand(row.drawn)
        model_map.meant(row.drawn.anatomy)
        waiting.wait_for(quietly=True)
    with right, st.container(key="live_answer_room"):
        picture = tradeoff.picture(list(row.rows), row)
        known = metrics.STORED if state.current().absent else "precomputed"
        data = answer.data(row, row, picture, tradeoff.cue(), "", known, None)
        answer.draw()
        feed.send(data)


def buttons() -> None:
    """Keep this cut, start afresh, see the figure large."""
    with st.container(horizontal=True, vertical_alignment="center", key="pins"):
        keep.button("keep", state.current(), keep.in_force)
        st.button("Clear tries", key="clear", on_click=clear, disabled=not st.session_state.history)
        if st.button("Enlarge", key="enlarge", icon=":material/open_in_full:", type="tertiary"):
            view = opened.view()
            if view is not None:
                rows, _ = accuracy.curve(view)
                tradeoff.enlarge(tradeoff.picture(rows, accuracy.current(view)[0], view.facts))


def clear() -> None:
    """Forget the tried points; kept cuts stay."""
    st.session_state.history = []


frame.enter()
main()
