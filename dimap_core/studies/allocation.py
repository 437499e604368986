"""From sensitivity curves to ratios: one ratio for each stage x module (or kind), so that the losses foretold by the
curves sum to the least while at least a given share of all MACs (or params) goes. Pure numpy and scipy, no torch.

What is foretold adds up cells as if each were cut alone; what is saved is counted on the whole cut, exactly.
Next door: `sensitivity` measures the curves, `sweep.versus` judges whether the ratios really beat the plain scope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from scipy.optimize import isotonic_regression

from ..measure import cost_report
from ..pipeline import removed_share
from ..plan import select, sort_overrides
from ..types import Anatomy, Cell, CellCut, InvalidPlan, PruningPlan, Scores
from .effort import dense_plan

STEP = 0.01  # between the ratios of a cell
GRID = 5_000  # steps of cost in all params or MACs
_HALVINGS = 9


@dataclass(frozen=True)
class Options:
    """What a cell may be cut by: ascending `ratios` from 0, with the share `saved` of the whole model's params or MACs
    and the `rise` in loss that each costs, never falling; float64, one length."""

    cell: tuple[int, str]
    ratios: np.ndarray
    saved: np.ndarray
    rise: np.ndarray


@dataclass(frozen=True)
class Allocation:
    """The plan with a ratio of its own for every cell, the share of params or MACs that it really saves, and the sum
    of the rises in loss (nats) that the curves foretell."""

    plan: PruningPlan
    saved: float
    rise: float


def options(rows: Sequence[CellCut], kind: str) -> list[Options]:
    """The measured curves in steps of STEP: losses made monotone by isotonic regression, then interpolated."""
    found = []
    for cell, own in groupby(sorted(rows, key=_place), key=lambda row: (row.stage, row.module)):
        measured = list(own)
        known = np.array([0.0, *(row.ratio for row in measured)])
        saved = [0.0, *(row.macs if kind == "macs" else row.params for row in measured)]
        rises = isotonic_regression([0.0, *(row.rise.value for row in measured)]).x
        ratios = np.round(np.arange(round(known[-1] / STEP) + 1) * STEP, 6)
        rise = np.interp(ratios, known, np.maximum(rises, 0.0))
        found.append(Options(cell, ratios, np.interp(ratios, known, saved), rise))
    return found


def _place(row: CellCut) -> tuple[int, str, float]:
    return row.stage, row.module, row.ratio


def cheapest(cells: Sequence[Options], target: float) -> list[int]:
    """Which option of each cell: the least sum of rises of all choices that save at least `target`, up to a 1 / GRID
    for each cell.

    A knapsack with one choice a cell, solved by dynamic programming over the saving in steps of 1 / GRID, rounded down
    so that the target is met. Raises InvalidPlan where no choice does.
    """
    goal = int(np.ceil(target * GRID - 1e-9))
    wanted = np.arange(goal + 1)
    best = np.where(wanted == 0, 0.0, np.inf)  # least loss of the cells so far that save at least `wanted` steps
    picks = []
    for cell in cells:
        steps = np.floor(cell.saved * GRID + 1e-9).astype(np.int64)
        tried = np.stack(
            [best[np.maximum(wanted - step, 0)] + rise for step, rise in zip(steps, cell.rise, strict=True)]
        )
        picks.append((tried.argmin(axis=0), steps))
        best = tried.min(axis=0)
    if not np.isfinite(best[goal]):
        most = sum(float(cell.saved[-1]) for cell in cells)
        raise InvalidPlan(f"The measured curves reach {100 * most:.1f} % together; ask for less.")
    chosen: list[int] = []
    for pick, steps in reversed(picks):
        chosen.append(int(pick[goal]))
        goal = max(goal - int(steps[chosen[-1]]), 0)
    return chosen[::-1]


def allocate(
    anatomy: Anatomy, scores: Scores, plan: PruningPlan, rows: Sequence[CellCut], target: float, kind: str = "macs"
) -> Allocation:
    """The plan's criterion and scope with the ratios that the curves call cheapest; at least the share `target` of all
    "macs" or "params" is really saved. Raises InvalidPlan where that cannot be.

    Heads and the dimensions inside them share costs, so the whole cut saves less than the sum of its cells: the sum
    that the solver has to reach is found by bisection.
    """
    cells = options(rows, kind)

    def made(picks: Sequence[int]) -> Allocation:
        chosen: dict[Cell, float] = {cell.cell: float(cell.ratios[at]) for cell, at in zip(cells, picks, strict=True)}
        tried = replace(dense_plan(plan), overrides=sort_overrides(chosen), repair=plan.repair)
        rise = sum(float(cell.rise[at]) for cell, at in zip(cells, picks, strict=True))
        return Allocation(tried, real_share(anatomy, scores, tried, kind), rise)

    best = made([len(cell.ratios) - 1 for cell in cells])
    if best.saved < target:
        raise InvalidPlan(f"The measured curves reach {100 * best.saved:.1f} % together; ask for less.")
    high = float(sum(np.floor(cell.saved[-1] * GRID) for cell in cells)) / GRID
    low = aim = min(target, high)
    for _ in range(_HALVINGS):
        found = made(cheapest(cells, aim))
        if found.saved >= target - 1e-9:
            best, high = found, aim
        else:
            low = aim
        if high == low:
            break
        aim = (low + high) / 2
    return best


def real_share(anatomy: Anatomy, scores: Scores, plan: PruningPlan, kind: str) -> float:
    """Share of all dense "macs" or "params" that a plan removes."""
    total = cost_report(anatomy, select(scores, anatomy, plan)).total
    if kind == "macs":
        return removed_share(total.macs, total.macs_after)
    return removed_share(total.params, total.params_after)


def plain_plan(plan: PruningPlan, share: float, kind: str) -> PruningPlan:
    """The plan's criterion and scope with one common ratio that saves the same share."""
    return replace(plan, ratio=None, overrides=(), budget=share, budget_kind=kind)  # type: ignore[arg-type]
