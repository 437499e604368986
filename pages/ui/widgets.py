"""Small parts that pages share: numbers as text, metrics, notices."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from dimap_core.client import Ticket
from dimap_core.estimates import AccuracyEstimate
from dimap_core.types import Part
from dimap_core.words import duration

from . import brought, live, measured, opening, state
from .glossary import TERMS


def fill(key: str, value: Any) -> Any:
    """Give a control its value, where it has another, and return it to be its default too.

    A value that is written overrides what the reader moved meanwhile, so only a new one is.
    """
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return value


def count(value: float) -> str:
    """1234567 -> "1.23 M"."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.0f}"


def points(share: float) -> str:
    """-0.012 -> "−1.2"."""
    return f"{100 * share:+.1f}".replace("-", "−")


def less(before: int, after: int) -> str:
    """Share removed, e.g. "−55.1 %"."""
    return f"−{100 * (1 - after / before):.1f} %"


def plain(text: str) -> str:
    """Text that may hold what a user typed, escaped: Markdown makes no link, picture, icon or formula of it."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$:])", r"\\\1", text)


def notice() -> None:
    """What was refused last, if anything, in one sentence."""
    if st.session_state.notice:
        st.warning(plain(st.session_state.notice), icon=":material/info:")
        brought.ways_on()


KINDS_OF_CUT = {
    "weight": ":orange-badge[zeros: smaller on paper, not faster]",
    "structure": ":green-badge[really smaller]",
    "nm": ":orange-badge[zeros in a pattern: faster on some GPUs only, not faster here]",
}


LEFT_BY_ZEROS = ("Params kept", "MACs kept")
"""What counts are called where removed weights are still there."""


def header(badge: str = "") -> None:
    """What is on screen, in one line that keeps its height."""
    setting = state.current()
    badge = f":orange-badge[{badge}]" if badge else KINDS_OF_CUT[setting.plan.granularity]
    weights = " (random weights)" if setting.weights == "random" else ""
    if brought.is_brought(setting.model):
        weights = f" ({plain(st.session_state.get('recognised', ''))})"
    st.markdown(f"**{plain(brought.shown(setting.model))}**{weights} · {measured.label(setting.plan)} &nbsp; {badge}")


def readout(total: Part) -> None:
    """The cut in one line under the controls, on every page."""
    saved = f"{less(total.params, total.params_after)} params, {less(total.macs, total.macs_after)} MACs"
    st.sidebar.markdown(f"**{saved}**")


def opened() -> live.View | None:
    """Notice, header and readout of a page, with the view that it draws; None while the model is loading."""
    notice()
    view = live.view()
    if view is None:
        opening.wait_for()
        return None
    header()
    judged_by(view)
    readout(view.cost.total)
    return view


def judged_by(view: live.View) -> None:
    """Where images were chosen: on which, and among which classes."""
    if view.facts is None or view.info.weights == "random":
        return
    first = view.facts["notes"][0]
    if view.info.data is None:
        st.info(plain(f"{first} Say in the sidebar, under Folders and classes, which is which."))
    else:
        st.caption(plain(f"{view.facts['title']}: {first[0].lower()}{first[1:]}"))


def metrics(
    total: Part, estimate: AccuracyEstimate | None, cue: str, badge: str = "", precomputed: bool = False
) -> None:
    """Params, MACs (where single weights go: those that are kept), accuracy and drop, each with what it is measured
    against.

    `badge` says why there is no estimate, `precomputed` that the one shown was measured beforehand.
    """
    top1, between, drop, against = "–", badge, "–", "against the dense model"
    if estimate is not None:
        share = estimate.cues[cue]
        so_far = "precomputed, " if precomputed else "" if estimate.done else "so far, "
        top1 = f"{100 * share.value:.1f} %"
        between = f"{100 * share.low:.1f} to {100 * share.high:.1f}, {so_far}n = {share.n:,}"
        if cue in estimate.drops:
            loss = estimate.drops[cue]
            drop = f"{points(loss.value)} points"
            against = f"{points(loss.low)} to {points(loss.high)} against dense"
    saved = less(total.params, total.params_after), less(total.macs, total.macs_after)
    labels = ("Params", "FLOPs (MACs)") if state.current().plan.granularity == "structure" else LEFT_BY_ZEROS
    with st.container(horizontal=True, gap="small", key="metrics"):
        _metric(labels[0], count(total.params_after), f"{saved[0]} of {count(total.params)}", "params")
        _metric(labels[1], count(total.macs_after), f"{saved[1]} of {count(total.macs)}", "macs")
        _metric("Top-1" if cue == "joint" else f"Top-1, {cue}", top1, between, "top1")
        _metric("Change", drop, against, "drop")


def pace(ticket: Ticket | None) -> None:
    """Of a slow model: how much longer its images take, and in which precision they are judged."""
    last = ticket.last if ticket is not None and ticket.last else {}
    told = [f"About {duration(last['left'])} left for all images."] if last.get("left") else []
    told += [last["note"]] if last.get("note") else []
    if told:
        st.caption(" ".join(told))


def _metric(label: str, value: str, below: str, term: str) -> None:
    st.metric(label, value, below, delta_color="off", delta_arrow="off", border=True, help=TERMS[term])
