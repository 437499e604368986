"""Local search from the best cut: shares of a few stages and kinds change, the budget stays, the refit is in the loop.

From a good start it gains nothing beyond chance most of the time (best-cut.md, 3): then that is what it says.
Next door: `bench` tries what is drawn here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ...pipeline import Opened, apply_plan
from ...plan import sort_overrides
from ...types import Anatomy, Cell, InvalidPlan, PruningPlan, Selection
from ..summaries import units

HEADS = (0.0, 0.25, 0.5, 0.75)
"""Shares of a stage's heads that are tried."""

_CELLS = 3  # changed at once, at most
_SPREAD = 0.35  # of the change of log(kept)
_MOST = 0.98  # removed of a cell
_NEAR = 2e-3  # of all: so near to its budget a cut has to come


def neighbours(opened: Opened, plan: PruningPlan, rng: np.random.Generator) -> Iterator[PruningPlan]:
    """Plans near `plan` without end: one to three of its stage x kind (or module) cells get a share of their own, drawn
    around the one in force; the common ratio makes up for it, so that the budget is met."""
    selection, _ = apply_plan(opened, plan)
    shares = _shares(opened.anatomy, selection)
    cells = list(shares)
    while True:
        picked = rng.choice(len(cells), size=int(rng.integers(1, _CELLS + 1)), replace=False)
        drawn = {
            cells[at]: float(np.clip(1 - shares[cells[at]] * np.exp(rng.normal(0, _SPREAD)), 0, _MOST)) for at in picked
        }
        changed = {cell: round(ratio, 4) for cell, ratio in {**dict(plan.overrides), **drawn}.items()}
        yield replace(plan, overrides=sort_overrides(changed))


def fewer_heads(plan: PruningPlan, stage: int, near: bool = False) -> Iterator[PruningPlan]:
    """The plan with other shares of one stage's heads gone; `near`: the next one up and down alone. Heads never go by
    themselves, since dimensions inside them share their costs; deep cuts need them."""
    cell: Cell = (stage, "head")
    now = HEADS.index(dict(plan.overrides).get(cell, 0.0))
    for place, ratio in enumerate(HEADS):
        if place != now and (not near or abs(place - now) == 1):
            changed = {key: value for key, value in {**dict(plan.overrides), cell: ratio}.items() if value}
            yield replace(plan, overrides=sort_overrides(changed))


def possible(opened: Opened, plan: PruningPlan) -> bool:
    """Whether a plan can be met, and meets its budget."""
    try:
        _, cost = apply_plan(opened, plan)
    except InvalidPlan:
        return False
    total = cost.total
    before, after = (total.macs, total.macs_after) if plan.budget_kind == "macs" else (total.params, total.params_after)
    return abs(1 - after / before - (plan.budget or 0)) <= _NEAR


def _shares(anatomy: Anatomy, selection: Selection) -> dict[Cell, float]:
    """Kept share of each stage x kind; heads too."""
    kept: dict[Cell, list[int]] = {}
    for unit in units(anatomy, selection.granularity):
        if unit.stage is not None:
            kept.setdefault((unit.stage, unit.module), []).append(unit.size - selection.removed[unit.name])
    sizes: dict[Cell, int] = {}
    for unit in units(anatomy, selection.granularity):
        if unit.stage is not None:
            sizes[unit.stage, unit.module] = sizes.get((unit.stage, unit.module), 0) + unit.size
    return {cell: sum(count) / sizes[cell] for cell, count in kept.items()}
