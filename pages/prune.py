"""Prune (home): what happens when I cut? The map moves by hand; counts answer at once, accuracy streams in."""

from __future__ import annotations

import streamlit as st

from dimap_core.figures import kept_bars
from dimap_core.service import Ticket
from pages.ui.look import TERMS, formats, frame, theme
from pages.ui.parts import header, live_map, metrics, notice, pins, waiting
from pages.ui.prune import accuracy, answer, latency, model_map, moves, points, tradeoff
from pages.ui.session import Tried, View, cache, opened, state

CUT = "Where the cut falls"


def main() -> None:
    """Notice, the map beside what it answers, then what can be asked further."""
    notice.show()
    view = opened.view()
    if view is None:
        before_loading()
        return
    st.session_state.page_drawn = st.session_state.get("page_drawn", 0) + 1
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
            live()
        if view.judged:
            buttons()
            tradeoff.controls(state.current())
    latency.draw(view)


def before_loading() -> None:
    """The first screen: what was measured beforehand stands in until the worker is up, and says so."""
    row = points.precomputed_row(state.current())
    if row is None:
        waiting.wait_for()
        return
    name = state.current().model
    header.draw("precomputed, live numbers follow")
    left, right = st.columns([65, 35], gap="medium")
    with left, st.container(key="live_map_room"):
        st.subheader(CUT, anchor=False)
        stage_word = "stage" if cache.cards()[name]["family"] == "swin" else "block group"
        theme.chart(kept_bars(row.cells, stage_word, theme.look()), "kept", "Kept weights by stage and module")
        waiting.wait_for(quietly=True)
    with right, st.container(key="live_answer_room"):
        picture = tradeoff.picture(list(row.rows), row)
        data = answer.data(row, row, picture, tradeoff.cue(), "", "precomputed", None)
        answer.draw()
        answer.feed(data)


@st.fragment(key=moves.LIVE)
def live() -> None:
    """Numbers and trade-off of the setting in force; drawn anew by every move, and by itself while images stream in."""
    view = opened.view()
    if view is None:
        st.rerun()
        return
    point, ticket = accuracy.current(view)
    rows, more = accuracy.curve(view)
    if st.session_state.pop("restored", False):
        st.rerun()
    shown = stand_in(point, ticket) or point
    known = "precomputed" if shown is not point else "preview" if point.preview else ""
    picture = tradeoff.picture(rows, shown, view.facts) if ticket is not None else None
    data = answer.data(point, shown, picture, tradeoff.cue(), badge(view, ticket), known, ticket)
    data |= answer.handed_on(view, live_map.key_of(view, state.current().plan))
    data["running"] = any(one is not None and one.running for one in (ticket, more))
    data["page"] = st.session_state.page_drawn
    st.session_state.beat = data["beat"] = st.session_state.get("beat", 0) + 1
    answer.feed(data, tradeoff.back)
    told(view, point, ticket, rows)


def badge(view: View, ticket: Ticket | None) -> str:
    """Why there is no number yet."""
    if ticket is None:
        return "means nothing on random weights" if view.info.weights == "random" else "no images to judge by"
    doing = ticket.running and ticket.last and "doing" in ticket.last
    return ticket.last["doing"] if doing and ticket.last else "first images on their way"


def told(view: View, point: Tried, ticket: Ticket | None, rows: list[dict]) -> None:
    """What else has to be said of the numbers."""
    if ticket is None:
        st.info(
            "Counts are exact with any weights. Accuracy needs a trained model and images: choose a bundled one, or "
            "images of your own in the line above."
        )
        return
    if ticket.error:
        st.error(formats.plain(ticket.error))
    metrics.time_left(ticket)
    notes = [TERMS["preview"]] if point.preview else []
    if line := " ".join([*notes, tradeoff.notes(rows, point)]).strip():
        st.caption(line)


def stand_in(point: Tried, ticket: Ticket | None) -> Tried | None:
    """What was measured beforehand for this cut, until its first images are through."""
    return points.precomputed_row(state.current()) if ticket and point.estimate is None else None


def buttons() -> None:
    """Keep this cut as A or B to compare, start afresh, see the figure large."""
    with st.container(horizontal=True, vertical_alignment="center", key="pins"):
        for pin in pins.NAMES:
            pins.button(pin, f"pin_{pin}", put_pin)
        st.button("Clear pins and history", key="clear", on_click=pins.clear, disabled=not st.session_state.history)
        if st.button("Enlarge", key="enlarge", icon=":material/open_in_full:", type="tertiary"):
            view = opened.view()
            if view is not None:
                rows, _ = accuracy.curve(view)
                tradeoff.enlarge(tradeoff.picture(rows, accuracy.current(view)[0], view.facts))


def put_pin(pin: str) -> None:
    """Keep the cut in force as A or B."""
    now = [one for one in st.session_state.history if one.setting == state.current()]
    if now:
        pins.keep(pin, now[0])


frame.enter()
main()
