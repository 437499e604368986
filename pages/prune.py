"""Prune (home): what happens when I cut? Sliders in the sidebar; cost answers at once, accuracy streams in."""

from __future__ import annotations

import streamlit as st

from dimap_core.client import Ticket
from dimap_core.figures.kept import kept_bars
from dimap_core.figures.tradeoff import tradeoff
from pages.ui import cache, frame, live, longwork, measured, opening, polling, speed, state, theme, widgets
from pages.ui.glossary import TERMS


def main() -> None:
    """Notice, controls of the picture, then what is known so far."""
    widgets.notice()
    view = live.view()
    if view is None:
        before_loading()
        return
    widgets.header()
    widgets.judged_by(view)
    widgets.readout(view.cost.total)
    point, ticket = live.accuracy(view)
    if ticket is not None:
        controls(state.current())
    _, more = live.curve(view)
    running = any(t is not None and t.running for t in (ticket, more))
    polling.polled(live_part, running)(view, running)
    if ticket is not None:
        pins(point)
    if view.selection.granularity == "structure":
        speed.draw(view)
    cells_figure(view.cost.cells, view.anatomy.stage_word)


def before_loading() -> None:
    """The first screen: what was measured beforehand stands in until the worker is up, and says so."""
    row = measured.precomputed_row(state.current())
    if row is None:
        opening.wait_for()
        return
    name = state.current().model
    widgets.header("precomputed, live numbers follow")
    controls(state.current())
    widgets.metrics(row.total, row.estimate, cue(), precomputed=True)
    chart(row.rows, row, "Tradeoff, precomputed")
    opening.wait_for(quietly=True)
    cells_figure(row.cells, "stage" if cache.cards()[name]["family"] == "swin" else "block group")


def controls(setting: state.Setting) -> None:
    """What the picture shows: which cue, which cost, how near."""
    with st.container(horizontal=True, vertical_alignment="center", key="controls"):
        cues = known_cues(setting)
        if len(cues) > 1:
            st.segmented_control(
                "Judge by", cues, default=cues[0], key="cue", required=True, persist_state="session", help=TERMS["cue"],
                label_visibility="collapsed",
            )  # fmt: skip
        st.segmented_control(
            "Cost axis", ["MACs", "params"], default="MACs", key="axis", required=True, persist_state="session",
            label_visibility="collapsed", help=TERMS["macs"],
        )  # fmt: skip
        st.toggle("Zoom near dense", key="zoom", persist_state="session")


def cue() -> str:
    """The cue that accuracy is judged by."""
    chosen = st.session_state.get("cue") or "joint"
    return chosen if chosen in known_cues(state.current()) else "joint"


def known_cues(setting: state.Setting) -> list[str]:
    """What answers can be judged by; images that were chosen have the joint answer only."""
    card = {} if setting.data else cache.cards().get(setting.model, {})
    return list(card.get("chance", {"joint": 0.0}))


def live_part(view: live.View, polling: bool) -> None:
    """Metrics and trade-off; redrawn while images stream in, then the page is drawn once more and polling ends."""
    point, ticket = live.accuracy(view)
    rows, more = live.curve(view)
    if st.session_state.pop("restored", False):
        st.rerun()
    if polling and not any(t is not None and t.running for t in (ticket, more)):
        st.rerun()
    badge = "first images on their way"
    if ticket is None:
        badge = "means nothing on random weights" if view.info.weights == "random" else "no images to judge by"
    if ticket is not None and ticket.error:
        st.error(widgets.plain(ticket.error))
    if ticket is not None and ticket.running and ticket.last and "doing" in ticket.last:
        badge = ticket.last["doing"]
    shown = stand_in(point, ticket) or point
    widgets.metrics(point.total, shown.estimate, cue(), badge, precomputed=shown is not point)
    widgets.pace(ticket)
    if ticket is None:
        st.info(
            "Counts are exact with any weights. Accuracy needs a trained model and images: choose a bundled one, or "
            "images of your own in the sidebar."
        )
        return
    chart(rows, shown, "Accuracy against cost of everything tried so far", view.facts)


def stand_in(point: state.Tried, ticket: Ticket | None) -> state.Tried | None:
    """What was measured beforehand for this cut, until its first images are through."""
    return measured.precomputed_row(state.current()) if ticket and point.estimate is None else None


def chart(rows: list[dict], point: state.Tried, alt: str, facts: dict | None = None) -> None:
    """Figure 1; `facts` of chosen images."""
    axis, plan = st.session_state.get("axis") or "MACs", state.current().plan
    kept = st.session_state.history, st.session_state.pins
    guessing = measured.chance(point.setting, cue(), facts["classes"] if facts else None)
    dense = {"MACs": point.total.macs, "params": point.total.params}
    trained = () if facts else longwork.recovered(point.setting.model, dense, axis)
    data = measured.picture(rows, point, *kept, axis, cue(), guessing, trained)
    asked = data, theme.look(), st.session_state.get("zoom", False)
    if st.session_state.get("drawn", (None,))[0] != asked:  # most polls bring no news, and building takes longest
        st.session_state.drawn = asked, tradeoff(*asked[:2], zoom=asked[2])
    theme.chart(st.session_state.drawn[1], "tradeoff", alt, on_select=restore, selection_mode="points")
    fewer = [row["n"] for row in rows if point.estimate and row["n"] < point.estimate.total]
    st.caption(
        f"★ this cut: {measured.family(plan)}. Circles (zeros) and squares (really smaller) are earlier tries; "
        "click one to go back to it." + (f" The curve is judged on the first {fewer[0]:,} images." if fewer else "")
    )


def restore() -> None:
    """A click on a circle puts its setting in force again."""
    points = st.session_state.tradeoff["selection"]["points"]
    axis = st.session_state.get("axis") or "MACs"
    tried = measured.tried_at(points[0]["x"], points[0]["y"], st.session_state.history, axis, cue()) if points else None
    if tried is not None:
        state.go(tried.setting)
        st.session_state.restored = True


def pins(point: state.Tried) -> None:
    """Keep this cut as A or B to compare, or start afresh."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for pin in "AB":
            st.button(f"Pin this cut as {pin}", key=f"pin_{pin}", on_click=put_pin, args=(pin, point))
        st.button("Clear pins and history", key="clear", on_click=clear, disabled=not st.session_state.history)


def cells_figure(cells: dict, stage_word: str) -> None:
    """Figure 2."""
    st.subheader("Where the cut falls", anchor=False)
    theme.chart(kept_bars(cells, stage_word, theme.look()), "kept", "Kept weights by stage and module")


def put_pin(pin: str, point: state.Tried) -> None:
    """Keep a point as A or B."""
    st.session_state.pins = {**st.session_state.pins, pin: point}


def clear() -> None:
    """Forget tried points and pins."""
    st.session_state.pins, st.session_state.history = {}, []


frame.enter()
main()
