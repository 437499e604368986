"""Prune (home): what happens when I cut? Cost answers at once, accuracy streams in."""

from __future__ import annotations

import streamlit as st

from dimap_core.figures import kept_bars
from dimap_core.service import Ticket
from pages.ui.look import TERMS, formats, frame, theme
from pages.ui.parts import header, metrics, notice, waiting
from pages.ui.prune import accuracy, latency, model_map, points, tradeoff
from pages.ui.session import Tried, View, cache, opened, polling, state

CUT = "Where the cut falls"


def main() -> None:
    """Notice, controls of the picture, then what is known so far."""
    notice.show()
    view = opened.view()
    if view is None:
        before_loading()
        return
    header.draw()
    header.judged_by(view)
    header.readout(view.cost.total)
    point, ticket = accuracy.current(view)
    if ticket is not None:
        tradeoff.controls(state.current())
    _, more = accuracy.curve(view)
    running = any(t is not None and t.running for t in (ticket, more))
    polling.polled(live_part, running)(view, running)
    if ticket is not None:
        pins(point)
    st.subheader(CUT, anchor=False)
    model_map.draw(view)
    latency.draw(view)


def before_loading() -> None:
    """The first screen: what was measured beforehand stands in until the worker is up, and says so."""
    row = points.precomputed_row(state.current())
    if row is None:
        waiting.wait_for()
        return
    name = state.current().model
    header.draw("precomputed, live numbers follow")
    tradeoff.controls(state.current())
    metrics.draw(row.total, row.estimate, tradeoff.cue(), known="precomputed")
    tradeoff.draw(row.rows, row, "Tradeoff, precomputed")
    waiting.wait_for(quietly=True)
    st.subheader(CUT, anchor=False)
    stage_word = "stage" if cache.cards()[name]["family"] == "swin" else "block group"
    theme.chart(kept_bars(row.cells, stage_word, theme.look()), "kept", "Kept weights by stage and module")


def live_part(view: View, polling: bool) -> None:
    """Metrics and trade-off; redrawn while images stream in, then the page is drawn once more and polling ends."""
    point, ticket = accuracy.current(view)
    rows, more = accuracy.curve(view)
    if st.session_state.pop("restored", False):
        st.rerun()
    if polling and not any(t is not None and t.running for t in (ticket, more)):
        st.rerun()
    badge = "first images on their way"
    if ticket is None:
        badge = "means nothing on random weights" if view.info.weights == "random" else "no images to judge by"
    if ticket is not None and ticket.error:
        st.error(formats.plain(ticket.error))
    if ticket is not None and ticket.running and ticket.last and "doing" in ticket.last:
        badge = ticket.last["doing"]
    shown = stand_in(point, ticket) or point
    known = "precomputed" if shown is not point else "preview" if point.preview else ""
    metrics.draw(point.total, shown.estimate, tradeoff.cue(), badge, known)
    metrics.time_left(ticket)
    if point.preview:
        st.caption(TERMS["preview"])
    if ticket is None:
        st.info(
            "Counts are exact with any weights. Accuracy needs a trained model and images: choose a bundled one, or "
            "images of your own in the line above."
        )
        return
    tradeoff.draw(rows, shown, "Accuracy against cost of everything tried so far", view.facts)


def stand_in(point: Tried, ticket: Ticket | None) -> Tried | None:
    """What was measured beforehand for this cut, until its first images are through."""
    return points.precomputed_row(state.current()) if ticket and point.estimate is None else None


def pins(point: Tried) -> None:
    """Keep this cut as A or B to compare, or start afresh."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for pin in "AB":
            st.button(f"Pin this cut as {pin}", key=f"pin_{pin}", on_click=put_pin, args=(pin, point))
        st.button("Clear pins and history", key="clear", on_click=clear, disabled=not st.session_state.history)


def put_pin(pin: str, point: Tried) -> None:
    """Keep a point as A or B."""
    st.session_state.pins = {**st.session_state.pins, pin: point}


def clear() -> None:
    """Forget tried points and pins."""
    st.session_state.pins, st.session_state.history = {}, []


frame.enter()
main()
