"""Figure 1, accuracy against cost: the controls of the picture, the picture, and the way back to a tried point."""

from __future__ import annotations

import streamlit as st

from dimap_core.data import image_set
from dimap_core.figures import Tradeoff, tradeoff

from ..look import TERMS, theme
from ..session import Setting, Tried, cache, state
from ..story import keep
from . import feed, points


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


def picture(rows: list[dict], point: Tried, facts: dict | None = None) -> Tradeoff:
    """All that the figure shows; `facts` of chosen images."""
    axis = st.session_state.get("axis") or "MACs"
    kept = st.session_state.history, keep.drawn(point.setting)
    guessing = points.chance(point.setting, cue(), facts["classes"] if facts else None)
    dense = {"MACs": point.total.macs, "params": point.total.params}
    trained = () if facts else points.recovered(point.setting.model, dense, axis)
    return points.picture(rows, point, *kept, axis, cue(), guessing, trained, bool(facts and facts.get("agreement")))


def notes(rows: list[dict], point: Tried) -> str:
    """What has to be known of the curve."""
    fewer = [row["n"] for row in rows if point.estimate and row["n"] < point.estimate.total]
    told = [f"The curve is judged on the first {fewer[0]:,} images."] if fewer else []
    told += ["Its curve has the quick refit."] if state.current().plan.repair and rows else []
    return " ".join(told)


@st.dialog("Accuracy against cost", width="large")
def enlarge(data: Tradeoff) -> None:
    """The same with hover and zoom."""
    look = theme.look()
    figure = tradeoff(data, look, zoom=st.session_state.get("zoom", False))
    figure.update_layout(dragmode="zoom", height=620)
    figure.update_xaxes(fixedrange=False)
    figure.update_yaxes(fixedrange=False)
    theme.chart(figure, "tradeoff", "Accuracy against cost of everything tried so far")


def back() -> None:
    """The answer's callback: a click on an earlier try puts its setting in force again."""
    number = feed.heard("back")
    tried = next((one for one in st.session_state.history if one.number == number), None)
    if tried is not None:
        state.go(tried.setting)
        st.session_state.restored = True
