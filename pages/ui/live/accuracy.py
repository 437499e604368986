"""Accuracy of the current plan and of its curve: asked of the worker, drawn as far as it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st
from pydantic import TypeAdapter

from dimap_core.plan import to_recipe
from dimap_core.service import Ticket
from dimap_core.types import AccuracyEstimate, PruningPlan

from ..session import Tried, View, cache, requests, state, story
from . import points

_HISTORY = 60  # tried points kept
_CURVE_RATIOS = (0.1, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.98)
_CURVE_MACS = 3e13  # of a whole curve: some ten minutes of one core
_CURVE_IMAGES = 100  # at least, for each of its points
_ESTIMATE = TypeAdapter(AccuracyEstimate)


def current(view: View) -> tuple[Tried, Ticket | None]:
    """The current plan's point in the history, with the newest estimate, and the ticket that brings more."""
    point = _tried(view)
    if not view.judged:
        if point.estimate is None and state.current().absent and (row := points.precomputed_row(state.current())):
            point.estimate = row.estimate
        return point, None
    recipe = to_recipe(state.current().plan)
    ticket = requests.stream(view, "live", {"kind": "evaluate", "recipe": recipe})
    if ticket.last and "n" in ticket.last:
        point.estimate = _ESTIMATE.validate_python(ticket.last)
        point.preview = ticket.last.get("preview", False)
    return point, ticket


def _tried(view: View) -> Tried:
    """The current setting's point, moved to the end of the history; a new one if it was not tried before."""
    history: list[Tried] = st.session_state.history
    point = next((p for p in history if p.setting == state.current()), None)
    if point is None:
        # A move that was replaced before its first images came leaves no point, unless it is kept; nor does what a
        # hand only passed.
        lasting = [p for p in history if (p.estimate and not p.passing) or story.letter(p.setting)]
        number = max((p.number for p in lasting), default=-1) + 1
        point = Tried(number, state.current(), view.cost.total)
        st.session_state.history = [*lasting, point][-_HISTORY:]
    point.passing = st.session_state.get("passing") == point.setting
    return point


def curve(
    view: View, plan: PruningPlan | None = None, ratios: Sequence[float] = _CURVE_RATIOS
) -> tuple[list[dict[str, Any]], Ticket | None]:
    """Rows over global ratios of the current plan's (or another) way of cutting: precomputed where they exist, else
    streamed in the order of `ratios`."""
    plan = plan or state.current().plan
    rows = [] if view.facts else cache.precomputed_rows(view.info.name, plan)
    if rows or not view.judged:
        return rows, None
    if plan.granularity == "nm":
        return [], None  # a pattern has no ratio to vary
    recipe = to_recipe(replace(plan, ratio=0.0, budget=None, overrides=(), protected=()))
    # A large model's curve is judged on fewer images: it must not keep the machine busy for hours.
    images = max(_CURVE_IMAGES, int(_CURVE_MACS / view.cost.total.macs / len(ratios)))
    request = {"kind": "curve", "recipe": recipe, "ratios": ratios, "limit": images}
    ticket = requests.stream(view, "background", request)
    return ticket.events, ticket
