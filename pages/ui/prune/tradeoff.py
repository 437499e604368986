"""Figure 1, accuracy against cost: the controls of the picture, the picture, and the way back to a tried point."""

from __future__ import annotations

import streamlit as st

from dimap_core.data import image_set
from dimap_core.figures import tradeoff

from ..look import TERMS, plan_names, theme
from ..session import Setting, Tried, cache, state
from . import points


def controls(setting: Setting) -> None:
    """What the picture shows: which cue, which cost, how near."""
    with st.container(horizontal=True, vertical_alignment="center", key="controls"):
        cues = _known_cues(setting)
        if len(cues) > 1:
            st.segmented_control(
                "Judge by", cues, default=cues[0], key="cue", required=True, persist_state="session",
                help=_cues_told(setting), label_visibility="collapsed",
            )  # fmt: skip
        st.segmented_control(
            "Cost axis", ["MACs", "params"], default="MACs", key="axis", required=True, persist_state="session",
            label_visibility="collapsed", help=TERMS["macs"],
        )  # fmt: skip
        st.toggle("Zoom near dense", key="zoom", persist_state="session")


def cue() -> str:
    """The cue that accuracy is judged by."""
    chosen = st.session_state.get("cue") or "joint"
    return chosen if chosen in _known_cues(state.current()) else "joint"


def _cues_told(setting: Setting) -> str | None:
    """What the cues of the model's own set are."""
    own = image_set(cache.cards()[setting.model]["data"])
    return own.cues if own else None


def _known_cues(setting: Setting) -> list[str]:
    """What answers can be judged by; images that were chosen have the joint answer only."""
    card = {} if setting.data else cache.cards().get(setting.model, {})
    return list(card.get("chance", {"joint": 0.0}))


def draw(rows: list[dict], point: Tried, alt: str, facts: dict | None = None) -> None:
    """Figure 1; `facts` of chosen images."""
    axis, plan = st.session_state.get("axis") or "MACs", state.current().plan
    kept = st.session_state.history, st.session_state.pins
    guessing = points.chance(point.setting, cue(), facts["classes"] if facts else None)
    dense = {"MACs": point.total.macs, "params": point.total.params}
    trained = () if facts else points.recovered(point.setting.model, dense, axis)
    data = points.picture(rows, point, *kept, axis, cue(), guessing, trained)
    look, zoom = theme.look(), st.session_state.get("zoom", False)
    figure = cache.memo("tradeoff", (data, look, zoom), lambda: tradeoff(data, look, zoom=zoom))
    theme.chart(figure, "tradeoff", alt, on_select=_restore, selection_mode="points")
    fewer = [row["n"] for row in rows if point.estimate and row["n"] < point.estimate.total]
    st.caption(
        f"★ this cut: {plan_names.family(plan)}. Circles (zeros) and squares (really smaller) are earlier tries; "
        "click one to go back to it."
        + (f" The curve is judged on the first {fewer[0]:,} images." if fewer else "")
        + (" Its curve has the quick refit." if plan.repair and rows else "")
    )


def _restore() -> None:
    """A click on a circle puts its setting in force again."""
    clicked = st.session_state.tradeoff["selection"]["points"]
    axis = st.session_state.get("axis") or "MACs"
    if not clicked:
        return
    tried = points.tried_at(clicked[0]["x"], clicked[0]["y"], st.session_state.history, axis, cue())
    if tried is not None:
        state.go(tried.setting)
        st.session_state.restored = True
