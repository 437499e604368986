"""Cost and accuracy in four numbers, each with what it is measured against."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dimap_core.service import Ticket
from dimap_core.types import AccuracyEstimate, Part, duration, in_points

from ..look import TERMS, formats
from ..session import state

LEFT_BY_ZEROS = ("Params kept", "MACs kept")
"""What counts are called where removed weights are still there."""
SAME = "Same answer"
"""What top-1 is called where images have no labels."""
STORED = "stored"
"""What kind of number is all there is of a model whose images are not here."""
FEW = 64
"""Images before a share is shown, where more will come: on fewer it says next to nothing and jumps."""


def draw(total: Part, estimate: AccuracyEstimate | None, cue: str, *, agreement: bool = False) -> None:
    """The numbers as boxes in a row; what they are made of as in `numbers`."""
    with st.container(horizontal=True, gap="small", key="metrics"):
        for one in numbers(total, estimate, cue, agreement=agreement):
            st.metric(one["label"], one["value"], one["below"], delta_color="off", delta_arrow="off", border=True,
                      help=one["help"])  # fmt: skip
    least = few(estimate)
    if estimate is not None and estimate.n < least:
        st.progress(estimate.n / least, f"A number is shown from {least} images on.")


def few(estimate: AccuracyEstimate | None) -> int:
    """From how many images on a share is shown: `FEW`, or all of a smaller set."""
    return min(FEW, estimate.total) if estimate is not None else 0


def numbers(
    total: Part, estimate: AccuracyEstimate | None, cue: str, badge: str = "", known: str = "", agreement: bool = False
) -> list[dict[str, Any]]:
    """Params, MACs (where single weights go: those that are kept), accuracy and drop, each with what it is measured
    against: `label`, `value`, `below`, `help`; counts with `of`, the dense model's.

    `badge` says why there is no estimate, `known` what kind of one is shown: "precomputed", `STORED`, or a "preview";
    `agreement`: of images without labels, how often the answer is the dense model's.
    """
    top1, between, drop, against = "–", badge, "–", "against the dense model"
    if estimate is not None and estimate.n < few(estimate):
        between = f"so far, n = {estimate.n:,}"
    elif estimate is not None:
        share = estimate.cues[cue]
        top1 = f"{100 * share.value:.1f} %"
        between = f"{100 * share.low:.1f} to {100 * share.high:.1f}, {_counted(share.n, known, estimate.done)}"
        if cue in estimate.drops:
            loss = estimate.drops[cue]
            drop = f"{in_points(loss.value)} points"
            against = f"{in_points(loss.low)} to {in_points(loss.high)} against dense"
    saved = formats.less(total.params, total.params_after), formats.less(total.macs, total.macs_after)
    labels = ("Params", "FLOPs (MACs)") if state.current().plan.granularity == "structure" else LEFT_BY_ZEROS
    return [
        _number(labels[0], formats.count(total.params_after), f"{saved[0]} of {formats.count(total.params)}", "params",
                total.params),
        _number(labels[1], formats.count(total.macs_after), f"{saved[1]} of {formats.count(total.macs)}", "macs",
                total.macs),
        _number(SAME, top1, between, "agreement") if agreement else
        _number("Top-1" if cue == "joint" else f"Top-1, {cue}", top1, between, "top1"),
        _number("Change", drop, against, "drop"),
    ]  # fmt: skip


def _counted(n: int, known: str, done: bool) -> str:
    """On how many images a share was found, and what kind of one it is."""
    if known == STORED:
        return f"precomputed on {n:,} photographs"
    return f"{known}, n = {n:,}" if known else f"n = {n:,}" if done else f"so far, n = {n:,}"


def _number(label: str, value: str, below: str, term: str, dense: int = 0) -> dict[str, Any]:
    return {"label": label, "value": value, "below": below, "help": TERMS[term], "of": dense}


def time_left(ticket: Ticket | None) -> None:
    """Write what `left` says, if anything."""
    if told := left(ticket):
        st.caption(told)


def left(ticket: Ticket | None) -> str:
    """Of a slow model: how much longer its images take, and in which precision they are judged."""
    last = ticket.last if ticket is not None and ticket.last else {}
    told = [f"About {duration(last['left'])} left for all images."] if last.get("left") else []
    told += [last["note"]] if last.get("note") else []
    return " ".join(told)
