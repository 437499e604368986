"""The opened model: everything synchronous about the current setting, which needs no answer from a worker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from dimap_core.measure import cost_report
from dimap_core.plan import ratios_in_force, select
from dimap_core.types import Anatomy, Cell, CostReport, InvalidPlan, ModelInfo, PruningPlan, Scores, Selection

from ..look import chart_tools, plan_names
from . import cache, opening, own_models, state

_ALL: Cell = (None, None)


@dataclass(frozen=True)
class View:
    """A model that is open, scored and planned: everything synchronous about the current setting. `info.data` names
    the images it is judged by, `facts` tells of them where they were chosen (`data.from_source.Facts`)."""

    folder: str
    info: ModelInfo
    anatomy: Anatomy
    weights: dict[str, np.ndarray]
    scores: Scores
    selection: Selection
    cost: CostReport
    facts: dict[str, Any] | None = None

    @property
    def judged(self) -> bool:
        """Whether there are images to judge by, and weights whose answers mean something."""
        return self.info.data is not None and self.info.weights != "random"


def view() -> View | None:
    """The current setting's view, or None while its model is loading; a plan that cannot be met is refused."""
    setting = state.current()
    place = opening.folder(setting)
    if place is None:
        return None
    opening.stop_reading(opening.key_of(setting, None))
    info, anatomy, weights = cache.model(place)
    info = replace(info, name=setting.model)  # the worker calls a file by its place
    state.bound(anatomy)
    st.session_state.recognised = f"{info.architecture}, {info.input_size} px"
    plan, name = setting.plan, own_models.shown(setting.model)
    chart_tools.source(f"{name}_{plan_names.short(plan)}", f"{name} · {plan_names.label(plan)} · DIMAP Explorer")
    scores = cache.scores(place, plan.criterion, plan.seed, plan.scored, plan.images)
    try:
        selection = select(scores, anatomy, plan)
    except InvalidPlan as error:
        state.refuse_plan(error)
        st.rerun()
    cost = cost_report(anatomy, selection)
    return View(place, info, anatomy, weights, scores, selection, cost, cache.facts(place))


def in_force() -> tuple[Anatomy, Selection, CostReport] | None:
    """What the current plan removes, if its model is open and it can be met; nothing is asked for or refused."""
    plan, place = state.current().plan, opening.ready_folder(state.current())
    if place is None:
        return None
    anatomy = cache.model(place)[1]
    scores = cache.scores(place, plan.criterion, plan.seed, plan.scored, plan.images)
    selection, _ = attempt(plan, scores, anatomy)
    return None if selection is None else (anatomy, selection, cost_report(anatomy, selection))


def common_ratio() -> float:
    """The one ratio for all that is nearest to the cut in force; half, as patterns remove, while that is not known."""
    plan = state.current().plan
    if plan.ratio is not None and not plan.overrides:
        return plan.ratio
    found = in_force()
    if found is None:
        return 0.5 if plan.ratio is None else plan.ratio
    anatomy, selection, _ = found
    return dict(ratios_in_force(anatomy, selection, plan, [_ALL])).get(_ALL, 0.0) if plan.overrides else selection.ratio


def attempt(plan: PruningPlan, scores: Scores, anatomy: Anatomy) -> tuple[Selection | None, str]:
    """The selection of a plan that the user did not ask for, or why there is none."""
    try:
        return select(scores, anatomy, plan), ""
    except InvalidPlan as error:
        return None, str(error)
