"""What the live answer shows: numbers, a title that says what was found, the trade-off.

Next door: `feed` brings it to the browser, `answer.js` draws it; `points` has the points.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from dimap_core.figures import Point, Tradeoff, difference, findings, pareto_front, view_range
from dimap_core.service import Ticket
from dimap_core.types import AccuracyEstimate, in_points

from ..look import plan_names, theme
from ..parts import live_map, metrics
from ..session import Tried, View, state

_SCRIPT = Path(__file__).with_suffix(".js")
_SENT = ("label", "value", "below", "of")  # of a number
_BODY = """
<section class="answer light"><div class="numbers"></div>
<h2></h2><p class="sub"></p><div class="plot"></div><p class="caption"></p>
<div class="spoken" aria-live="polite"></div></section>
"""


def draw() -> None:
    """Where answers are drawn; registered anew by every run, as the map is. Each run of the page has its number."""
    st.session_state.page_drawn = st.session_state.get("page_drawn", 0) + 1
    st.components.v2.component("dimap_answer", html=_BODY, css=live_map.style(), js=live_map.script(_SCRIPT))(
        key="live_drawn"
    )


def data(
    point: Tried, shown: Tried, picture: Tradeoff | None, cue: str, badge: str, known: str, ticket: Ticket | None,
    agreement: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """What is drawn of a cut: its numbers and, where it can be judged, its place; `shown` has the estimate; for
    `agreement` see `metrics.numbers`."""
    estimate, total = shown.estimate, point.total
    numbers = metrics.numbers(total, estimate, cue, badge, known, agreement)
    few = metrics.few(estimate)
    zoom = st.session_state.get("zoom", False)
    if estimate and cue in estimate.drops and estimate.n >= few:
        drop = estimate.drops[cue]
        numbers[3]["below"] = f"{in_points(drop.low)} to {in_points(drop.high)}"
    share = total.macs_after / total.macs
    title, sub = findings.cut(share, estimate if estimate and estimate.n >= few else None, cue, agreement)
    if estimate and not estimate.done:
        sub = f"{estimate.n:,} of {estimate.total:,} images so far."
    return {
        "dark": theme.look().dark,
        "numbers": [{what: one[what] for what in _SENT} for one in numbers],
        "of": {"params": total.params, "macs": total.macs},
        "progress": estimate.n / few if estimate and estimate.n < few else None,
        "scale": _scale(estimate, cue) if estimate and estimate.n >= few else None,
        "title": title, "sub": sub, "time": time(point), "caption": _caption(point, picture),
        "plot": plot(picture, zoom) if picture else None,
        "running": ticket is not None and ticket.running,
        "settled": _settled(numbers, estimate, ticket),
    }  # fmt: skip


def time(point: Tried) -> tuple[str, str]:
    """What the cut does to the time an image takes, as far as it is known without a stopwatch."""
    granularity = point.setting.plan.granularity
    if granularity == "structure":
        return "see below", "really smaller"
    return "as before", "zeros are not faster" if granularity == "weight" else "not faster here"


def _settled(numbers: list[dict[str, Any]], estimate: AccuracyEstimate | None, ticket: Ticket | None) -> str:
    """What is spoken once accuracy rests."""
    if estimate is None or (ticket is not None and ticket.running) or not estimate.done:
        return ""
    params, macs, top1, change = numbers
    right = "as the dense model" if top1["label"] == metrics.SAME else "right"
    return (
        f"{top1['value']} {right}, {top1['below']}; {change['value']} against dense; MACs {macs['below']}; "
        f"weights {params['below']}."
    )


def _scale(estimate: AccuracyEstimate, cue: str) -> dict[str, Any]:
    """The interval on a scale that begins at a round number below it."""
    share, drop = estimate.cues[cue], estimate.drops.get(cue)
    dense = None if drop is None else share.value - drop.value
    lowest = min(share.low, share.low if dense is None else dense)
    start = max(0, 10 * int(10 * lowest - 1e-9))
    places = {"low": share.low, "high": share.high, "value": share.value, "dense": dense}
    seen = {name: None if value is None else round(value, 4) for name, value in places.items()}
    return {**seen, "from": start, "to": 100}


def _caption(point: Tried, picture: Tradeoff | None) -> str:
    if picture is None:
        return ""
    waits = picture.current or not point.setting.absent
    told = f"★ this cut ({plan_names.family(point.setting.plan)})." if waits else ""
    if picture.history:
        told += " Numbers: earlier tries, squares really smaller; a click goes back."
    if len(_front(picture)) > 2:
        told += " Grey: the best so far."
    own = next((curve for curve in picture.curves if curve.points and not curve.reference and not curve.faint), None)
    other = next((curve for curve in picture.curves if curve.points and curve.reference), None)
    told += f" {findings.curves(own, other, picture.unit)}." if own and other else ""
    return told.strip()


def plot(picture: Tradeoff, zoom: bool) -> dict[str, Any]:
    """The trade-off in numbers rounded to what can be seen."""
    low, high = view_range(picture, zoom)
    pins = [{"name": name, **_place(pin)} for name, pin in picture.pins.items()]
    now = picture.current
    return {
        "unit": picture.unit, "judged": "images right" if "top-1" in picture.judged_by else picture.judged_by,
        "low": low, "high": high, "chance": picture.chance, "dense": _place(picture.dense) if picture.dense else None,
        "curves": [
            {
                "label": curve.label, "kind": "reference" if curve.reference else "faint" if curve.faint else "own",
                "points": [_pair(one) for one in sorted(curve.points, key=lambda point: point.x)],
            }
            for curve in picture.curves if curve.points
        ],
        "tries": {
            one.key: {"smaller": one.smaller, "told": told(one), **_place(one)} for one in picture.history
        },
        "front": [_pair(one) for one in _front(picture)], "pins": pins,
        "between": _between(picture), "recovered": [[_pair(a), _pair(b)] for a, b in picture.recovered],
        "current": None if now is None else {
            **_place(now), "low": round(now.low, 4), "high": round(now.high, 4), "solid": now.n >= metrics.FEW,
        },
    }  # fmt: skip


def told(point: Point) -> str:
    """A point in words."""
    between = f"{100 * point.low:.1f} to {100 * point.high:.1f}, n = {point.n:,}"
    return f"{point.label}; {100 * point.y:.1f} % right ({between}), {100 * point.x:.1f} % kept"


def _between(picture: Tradeoff) -> str:
    pins = picture.pins
    return difference(pins["A"], pins["B"], picture.unit) if {"A", "B"} <= pins.keys() else ""


def _front(picture: Tradeoff) -> list[Point]:
    known = [*picture.history, *filter(None, (picture.current, picture.dense))]
    return pareto_front([point for point in known if point.n >= metrics.FEW])


def _place(point: Point) -> dict[str, float]:
    return {"x": round(point.x, 4), "y": round(point.y, 4)}


def _pair(point: Point) -> tuple[float, float]:
    return round(point.x, 4), round(point.y, 4)


def handed_on(view: View, key: str) -> dict[str, Any]:
    """What the map hears with an answer: the counts of the cut in force and which move they answer."""
    if st.session_state.get("map_setting") != state.current():  # changed elsewhere: the handles follow
        st.session_state.map_setting = state.current()
        st.session_state.map_epoch = st.session_state.get("map_epoch", 0) + 1
    return {
        "key": key, "epoch": st.session_state.get("map_epoch", 0), "seq": st.session_state.get("map_seq", 0),
        "cut": live_map.cut(view, state.current().plan),
    }  # fmt: skip
