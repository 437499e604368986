"""The live cut of a presentation: the slider's cut is in force, and its star moves while images answer.

Next door: `deck` has the slider; `live.accuracy` judges.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from dimap_core.types import Granularity

from ..live import accuracy
from ..parts import metrics
from ..session import Setting, Tried, opened, polling, state

_SCRIPT = 'export default ({ data }) => { window.dispatchEvent(new CustomEvent("dimap-star", { detail: data })); }'


def draw(first: Setting) -> None:
    """What the slider's cut reaches; nothing before it was called up. `first`: the story's cut whose model and images
    it is of."""
    # Taken once: in the place of a cut that cannot be met the one before stays in force.
    if (ratio := st.session_state.pop("live_ratio", None)) is not None:
        st.session_state.star_asked = ratio
        state.go(_with(first, ratio))
    if "star_asked" not in st.session_state:
        return
    view = opened.view()
    ticket = None if view is None else accuracy.current(view)[1]
    polling.polled(_told, view is None or (ticket is not None and ticket.running))()


def _with(first: Setting, ratio: float) -> Setting:
    """The cut of that share by the same criterion; of single weights where it is of a pattern, which has no share."""
    units: Granularity = "structure" if first.plan.granularity == "structure" else "weight"
    return replace(first, plan=replace(first.plan, ratio=ratio, overrides=(), budget=None, nm=None, granularity=units))


def _told() -> None:
    view = opened.view()
    if view is None:
        return
    point, ticket = accuracy.current(view)
    if ticket is not None and not ticket.running and st.session_state.get("star_rests") != state.current():
        st.session_state.star_rests = state.current()
        st.rerun()
    st.components.v2.component("dimap_star", html="<i></i>", js=_SCRIPT)(key="star", height=1, data=_sent(point))


def _sent(point: Tried) -> dict[str, Any]:
    total, found = point.total, point.estimate
    kept = total.macs_after / total.macs
    told: dict[str, Any] = {"x": round(kept, 4), "y": None, "said": f"{100 * (1 - kept):.0f} % of the MACs gone"}
    if found and found.n >= metrics.few(found):
        top1 = found.top1
        told |= {"y": round(top1.value, 4), "low": round(top1.low, 4), "high": round(top1.high, 4)}
        so_far = "" if found.done else f" so far, n = {found.n:,}"
        told["said"] += f", {100 * top1.value:.1f} % right{so_far}"
    if point.setting.plan.ratio != st.session_state.star_asked and st.session_state.notice:
        told["said"] = st.session_state.notice
    return told
