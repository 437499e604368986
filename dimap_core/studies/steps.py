"""What each step of a slider leaves, counted beforehand: so a page can answer a moving hand without asking anyone.

Next door: `plan.select` decides what goes, `measure.cost` prices it; nothing here judges accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..measure import cost_report, kept_by_band
from ..plan import ratios_in_force, select
from ..types import Anatomy, CostReport, InvalidPlan, PruningPlan, Scores, Selection

STEPS = 99
"""Steps of one slider: 0, 1, ... 98 % removed."""


@dataclass(frozen=True)
class Steps:
    """What every step leaves of each stage; where a step would empty a layer, the largest one before it stands.

    `kept` float64 [steps, bands]: shares 0..1 of `measure.kept_by_band`, in its order. `share` [steps, stages]: removed
    units / units that may go. `left`, `params`, `macs` int64 [steps, stages]: weights that can go and are left,
    parameters and MACs of the stage. `most` int [stages]: the largest step that can be met.
    """

    kept: np.ndarray
    share: np.ndarray
    left: np.ndarray
    params: np.ndarray
    macs: np.ndarray
    most: np.ndarray


def common_steps(scores: Scores, anatomy: Anatomy, plan: PruningPlan) -> Steps:
    """One ratio for all that compete as `plan` says; its own ratios and budget give way."""
    plan = replace(plan, budget=None, overrides=())
    rows = _rows(scores, anatomy, lambda step: replace(plan, ratio=step / 100))
    return _stacked([rows[min(step, len(rows) - 1)] for step in range(STEPS)], [len(rows) - 1] * len(anatomy.stages))


def stage_steps(scores: Scores, anatomy: Anatomy, plan: PruningPlan) -> Steps:
    """Every stage at a ratio of its own, whatever the others have: row k is each stage's at k %.

    Stages do not compete once each has its own ratio, so rows of different steps may stand beside each other.
    """
    every = [stage.index for stage in anatomy.stages]
    rows = _rows(scores, anatomy, lambda step: _staged(plan, dict.fromkeys(every, step)))
    most = [len(rows) - 1] * len(every)
    if len(rows) < STEPS:  # some stage can go no further, others can
        most = [len(_rows(scores, anatomy, partial(_staged_one, plan, stage))) - 1 for stage in every]
        for step in range(len(rows), STEPS):
            tried = {stage: min(step, reach) for stage, reach in zip(every, most, strict=True)}
            rows.append(_row(scores, anatomy, _staged(plan, tried)))
    return _stacked(rows, most)


Row = tuple[list[float], list[float], list[tuple[int, int, int]]]
"""Kept share of each band, removed share of each stage, and (left, params, macs) of each stage."""


def _staged(plan: PruningPlan, steps: dict[int, int]) -> PruningPlan:
    own = tuple(((stage, None), step / 100) for stage, step in sorted(steps.items()))
    return replace(plan, ratio=0.0, budget=None, overrides=own)


def _staged_one(plan: PruningPlan, stage: int, step: int) -> PruningPlan:
    return _staged(plan, {stage: step})


def _rows(scores: Scores, anatomy: Anatomy, at: Callable[[int], PruningPlan]) -> list[Row]:
    """Rows of steps from 0 on, as far as they can be met."""
    rows: list[Row] = []
    for step in range(STEPS):
        try:
            rows.append(_row(scores, anatomy, at(step)))
        except InvalidPlan:
            break
    return rows


def _row(scores: Scores, anatomy: Anatomy, plan: PruningPlan) -> Row:
    selection = select(scores, anatomy, plan)
    cost = cost_report(anatomy, selection)
    shares = stage_shares(anatomy, selection, plan)
    kept = list(kept_by_band(anatomy, cost).values())
    return kept, [shares.get(stage.index, 0.0) for stage in anatomy.stages], stage_counts(anatomy, cost)


def stage_shares(anatomy: Anatomy, selection: Selection, plan: PruningPlan) -> dict[int, float]:
    """Removed units / units that may go of each stage that has any, as its slider shows it."""
    found = ratios_in_force(anatomy, selection, plan, [(stage.index, None) for stage in anatomy.stages])
    return {stage: ratio for (stage, _), ratio in found if stage is not None}


def stage_counts(anatomy: Anatomy, cost: CostReport) -> list[tuple[int, int, int]]:
    """Of each stage: weights that can go and are left, parameters, MACs."""
    found = []
    for stage in anatomy.stages:
        parts = [part for (place, _), part in cost.cells.items() if place == stage.index]
        left = sum(part.prunable - part.removed for part in parts)
        found.append((left, sum(part.params_after for part in parts), sum(part.macs_after for part in parts)))
    return found


def _stacked(rows: list[Row], most: list[int]) -> Steps:
    counts = np.array([row[2] for row in rows], dtype=np.int64)
    return Steps(
        np.array([row[0] for row in rows]), np.array([row[1] for row in rows]),
        counts[..., 0], counts[..., 1], counts[..., 2], np.array(most),
    )  # fmt: skip
