"""The live view: asks the worker, never waits for it. What is there is drawn; a fragment polls while more may come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
from pydantic import TypeAdapter

from dimap_core.client import Ticket
from dimap_core.cost import cost_report
from dimap_core.errors import InvalidPlan
from dimap_core.estimates import AccuracyEstimate
from dimap_core.plan import to_recipe
from dimap_core.ranking import Scores
from dimap_core.selection import select
from dimap_core.types import Anatomy, CostReport, ModelInfo, PruningPlan, Selection

from . import cache, opening, state
from .state import Tried

CURVE_RATIOS = (0.1, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.98)
_CURVE_MACS = 3e13  # of a whole curve: some ten minutes of one core
_CURVE_IMAGES = 100  # at least, for each of its points
_ESTIMATE = TypeAdapter(AccuracyEstimate)


@dataclass(frozen=True)
class View:
    """A model that is open, scored and planned: everything synchronous about the current setting. `info.data` names
    the images it is judged by, `facts` tells of them where they were chosen (`data.chosen.Facts`)."""

    folder: str
    info: ModelInfo
    anatomy: Anatomy
    weights: dict[str, np.ndarray]
    scores: Scores
    selection: Selection
    cost: CostReport
    facts: dict[str, Any] | None = None


def view() -> View | None:
    """The current setting's view, or None while its model is loading; a plan that cannot be met is refused."""
    setting = state.current()
    place = opening.folder(setting)
    if place is None:
        return None
    opening.stop_reading(opening.key_of(setting, None))
    info, anatomy, weights = cache.model(place)
    info = replace(info, name=setting.model)  # the worker calls a file by its place
    st.session_state.judged_on = info.data
    st.session_state.recognised = f"{info.architecture}, {info.input_size} px"
    plan = setting.plan
    scores = cache.scores(place, plan.criterion, plan.seed, plan.scored, plan.images)
    try:
        selection = select(scores, anatomy, plan)
    except InvalidPlan as error:
        state.refuse(str(error))
        st.rerun()
    cost = cost_report(anatomy, selection)
    return View(place, info, anatomy, weights, scores, selection, cost, cache.facts(place))


def attempt(plan: PruningPlan, scores: Scores, anatomy: Anatomy) -> tuple[Selection | None, str]:
    """The selection of a plan that the user did not ask for, or why there is none."""
    try:
        return select(scores, anatomy, plan), ""
    except InvalidPlan as error:
        return None, str(error)


def stream(view: View, channel: str, request: dict[str, Any], wanted: tuple, jobs: bool = False) -> Ticket:
    """The ticket of a request; finished ones are shared by content, a newer one replaces this session's older one.

    `wanted`: what the answer depends on beside the model, the request's kind first. `jobs`: for the second worker,
    whose steps may take long.
    """
    ticket = known(view, channel, wanted, jobs)
    if ticket is None:
        setting = state.current()
        base = {**opening.model_request(setting), "data": view.info.data}
        worker = cache.shared().jobs if jobs else cache.shared().worker
        if older := st.session_state.streams.get((channel, jobs)):
            _keep(*older)  # it may have ended since it was last looked at
        ticket = worker.submit(cache.session(), channel, {**base, **request})
        st.session_state.streams[channel, jobs] = (_content(view, wanted), ticket)
    return ticket


def known(view: View, channel: str, wanted: tuple, jobs: bool = False) -> Ticket | None:
    """The ticket of a request that was answered to anyone, or that this session has asked; nothing is asked anew."""
    key, shared = _content(view, wanted), cache.shared()
    if (found := shared.results.get(key)) is not None:  # asked once: another session's result may push it out
        return Ticket(found, done=True)
    mine: dict[tuple[str, bool], tuple[tuple, Ticket]] = st.session_state.setdefault("streams", {})
    asked, ticket = mine.get((channel, jobs), (None, None))
    if asked != key or ticket is None or ticket.replaced:
        return None
    _keep(key, ticket)
    return ticket


def _keep(key: tuple, ticket: Ticket) -> None:
    """Remember a whole answer for all sessions."""
    lasting = bool(ticket.events) and "file" not in ticket.events[-1]  # files are cleared away in time
    if ticket.done and lasting and not ticket.replaced:
        # The last of some answers says all that the ones before it said.
        alone = key[2] in ("evaluate", "versus", "explain")
        cache.shared().remember(key, ticket.events[-1:] if alone else ticket.events)


def forget(view: View, wanted: tuple) -> None:
    """Let go of an answer whose files were cleared away."""
    cache.shared().drop(_content(view, wanted))
    st.session_state.pop("streams", None)


def stop(channel: str) -> None:
    """Cancel what this session has on a channel."""
    cache.shared().worker.cancel(cache.session(), channel)
    st.session_state.get("streams", {}).pop((channel, False), None)


def _content(view: View, wanted: tuple) -> tuple:
    return (view.info.fingerprint, view.info.data, *wanted)


def accuracy(view: View) -> tuple[Tried, Ticket | None]:
    """The current plan's point in the history, with the newest estimate, and the ticket that brings more."""
    point = _tried(view)
    if view.info.data is None or view.info.weights == "random":
        return point, None
    recipe = to_recipe(state.current().plan)
    ticket = stream(view, "live", {"kind": "evaluate", "recipe": recipe}, ("evaluate", str(recipe)))
    if ticket.last and "n" in ticket.last:
        point.estimate = _ESTIMATE.validate_python(ticket.last)
    return point, ticket


def _tried(view: View) -> Tried:
    """The current setting's point, moved to the end of the history; a new one if it was not tried before."""
    history: list[Tried] = st.session_state.history
    point = next((p for p in history if p.setting == state.current()), None)
    if point is None:
        number = max((p.number for p in history), default=-1) + 1
        point = Tried(number, state.current(), view.cost.total)
        # A move that was replaced before its first images came leaves no point, unless it was pinned.
        pinned = list(st.session_state.pins.values())
        st.session_state.history = [*(p for p in history if p.estimate or p in pinned), point][-state.HISTORY :]
    return point


def curve(view: View) -> tuple[list[dict[str, Any]], Ticket | None]:
    """The current criterion's rows over global ratios: precomputed where they exist, else streamed."""
    plan = state.current().plan
    rows = [] if view.facts else cache.precomputed_rows(view.info.name, plan)
    if rows or view.info.data is None or view.info.weights == "random":
        return rows, None
    if plan.granularity == "nm":
        return [], None  # a pattern has no ratio to vary
    recipe = to_recipe(replace(plan, ratio=0.0, budget=None, overrides=(), protected=()))
    # A large model's curve is judged on fewer images: it must not keep the machine busy for hours.
    images = max(_CURVE_IMAGES, int(_CURVE_MACS / view.cost.total.macs / len(CURVE_RATIOS)))
    request = {"kind": "curve", "recipe": recipe, "ratios": CURVE_RATIOS, "limit": images}
    ticket = stream(view, "background", request, ("curve", str(request)))
    return ticket.events, ticket
