"""What a sweep found so far: curves beside the front, and below them the table, each cut a click away from being in
force.

Next door: `table` shows rows, `running` polls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from dimap_core.figures import SweptBy, SweptCurve, SweptPoint, findings, sweep_curves, sweep_front
from dimap_core.plan import label
from dimap_core.service import Job
from dimap_core.studies import shared
from dimap_core.types import PruningPlan

from ..look import theme
from ..session import cache, state
from . import table
from .swept import Swept, of

_UNITS = {"macs": "MACs", "params": "params"}
_SHOWN = {"top1": "top-1", "paired": "against dense, paired"}


def draw(job: Job, rows: list[dict[str, Any]]) -> None:
    """Both figures and the table; while nothing is judged, a word."""
    swept = cache.memo(f"swept {job.token}", (job.token, len(rows)), lambda: of(job, rows))
    if not swept.results:
        if not rows:
            st.info("The first cuts are being judged.", icon=":material/hourglass_top:")
        table.draw(swept, rows)
        return
    unit, shown, model = _choices(swept)
    mine = [one for one in swept.results if one.model == model]
    left, right = st.columns(2, gap="medium")
    with left:
        _curves(swept, mine, unit, shown)
    with right:
        _front(swept, mine, unit)
    table.draw(swept, rows)


def _choices(swept: Swept) -> tuple[str, str, str]:
    """What of the results is shown."""
    token, models = swept.job.token, swept.asked.models
    with st.container(horizontal=True, vertical_alignment="center", key=f"sweep_shown_{token}"):
        unit = st.segmented_control("Removed", list(_UNITS), default="macs", format_func=_UNITS.get, required=True,
                                    key=f"sweep_unit_{token}", persist_state="session", width="content",
                                    label_visibility="collapsed")  # fmt: skip
        shown = st.segmented_control("Shown", list(_SHOWN), default="top1", format_func=_SHOWN.get, required=True,
                                     key=f"sweep_what_{token}", persist_state="session", width="content",
                                     label_visibility="collapsed")  # fmt: skip
        model = models[0]
        if len(models) > 1:
            model = st.selectbox("Model", models, key=f"sweep_model_{token}", persist_state="session", width=240,
                                 label_visibility="collapsed",
                                 format_func=lambda one: swept.called(one))  # fmt: skip
    return unit or "macs", shown or "top1", model or models[0]


def _curves(swept: Swept, mine: Sequence[shared.Result], unit: str, shown: str) -> None:
    by = SweptBy(_UNITS[unit], swept.what, mine[0].dense if mine else None, shown == "paired")
    places = [{value: place for place, value in enumerate(dict.fromkeys(values))} for values in zip(
        *((one.criterion, one.scope, (one.repair, one.cost_exponent, one.seed, one.budget_kind if one.budget else ""))
          for one in swept.asked.plans), strict=True)]  # fmt: skip
    seeds = len({one.seed for one in swept.asked.plans}) > 1
    drawn: dict[str, tuple[PruningPlan, list[SweptPoint]]] = {}
    for one in mine:
        drawn.setdefault(one.curve(seeds), (one.plan, []))[1].append(_point(one, unit, shown == "paired"))
    curves = [
        SweptCurve(
            name, points, places[0][plan.criterion], places[1][plan.scope],
            places[2][plan.repair, plan.cost_exponent, plan.seed, plan.budget_kind if plan.budget else ""],
        )
        for name, (plan, points) in drawn.items()
    ]  # fmt: skip
    key = f"sweep_curves_{swept.job.token}"
    theme.chart(
        sweep_curves(curves, by, theme.look()), key, f"{by.what} of each way of cutting against {by.unit} removed",
        findings.deepest([(_named(one), _removed(one, unit), one.drop) for one in mine], by.unit),
        "Right is smaller, up is better; bars are 95 % intervals. Each cut is judged by itself: of many, a few look "
        "good by chance. Click one to put it in force.",
        on_select=partial(_picked, key, swept), selection_mode="points",
    )  # fmt: skip


def _front(swept: Swept, mine: Sequence[shared.Result], unit: str) -> None:
    points = [_point(one, unit, False) for one in mine]
    by = SweptBy(_UNITS[unit], swept.what, force=swept.force())
    key, alt = f"sweep_front_{swept.job.token}", f"Every cut tried, and the front: {by.what} against {by.unit} removed"
    theme.chart(
        sweep_front(points, by, theme.look()), key, alt,
        findings.unbeaten(points),
        "Shaded: where another cut removes at least as much and has more answers right. Full marks are on the front of "
        "all. Fronts are by the numbers alone, intervals aside. Click a cut to put it in force.",
        on_select=partial(_picked, key, swept), selection_mode="points",
    )  # fmt: skip


def _named(one: shared.Result) -> str:
    return label(one.plan)


def _removed(one: shared.Result, unit: str) -> float:
    return one.macs_removed if unit == "macs" else one.params_removed


def _point(one: shared.Result, unit: str, paired: bool) -> SweptPoint:
    y = one.drop if paired else one.top1
    return SweptPoint(_removed(one, unit), y.value, y.low, y.high, one.top1.n, _named(one), one.reads_images, one.point)


def _picked(key: str, swept: Swept) -> None:
    """A click on a cut puts it in force: once, whatever is moved afterwards."""
    points = st.session_state[key]["selection"]["points"]
    told = {point.get("customdata") for point in points}
    hit = next((one for one in swept.results if one.point in told), None)
    if hit is not None:
        state.go(replace(state.current(), model=swept.settings[hit.model], plan=hit.plan))
        st.session_state.restored = True
