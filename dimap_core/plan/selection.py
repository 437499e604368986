"""Selection: Scores + PruningPlan -> how many units of each layer go. Pure numpy; can be drawn before anything is cut.

`select` serves every granularity; what follows below it is for single weights.

Order of leaving, exact and deterministic: within a competition set by (score / cost factor, layer in forward order,
rank in the layer); within a layer by (|key|, flat index). A set of n units at ratio r loses floor(r * n + 1/2) of them.
The same on every processor: shares are sums of whole numbers, cost factors come from decimal arithmetic, and a ratio
that was solved for is rounded (`lookup.DIGITS`).
Next door: `validation` says whether a plan can be met, `structure` does the same for groups; `cut.keep` makes masks of
what is selected here, `measure.cost` prices it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
from scipy.optimize import brentq

from ..anatomy import group_sets
from ..types import Anatomy, Cell, GroupSet, InvalidPlan, Layer, PruningPlan, Scores, Selection, nm_sizes
from .budget import FULL, count_to_remove, out_of_reach
from .lookup import DIGITS, below_edges, cost_factor, lowest
from .structure import GroupProblem, Rivals, select_groups
from .validation import cell_label, validate

Unit = TypeVar("Unit", bound=Layer | GroupSet)

_CLOSE = 1e-4  # of the budget: close enough
_MENDS = 3
_NEAR = 0.02  # how far from the last mend bisection looks


@dataclass(frozen=True)
class CompetitionSet(Generic[Unit]):
    """Layers (or sets of groups) whose units compete for survival; `cell`: the override they fall under, None: the
    common ratio."""

    layers: tuple[Unit, ...]
    cell: Cell | None = None


def select(scores: Scores, anatomy: Anatomy, plan: PruningPlan) -> Selection:
    """What `plan` removes; raises InvalidPlan where it empties a layer or its budget cannot be met."""
    validate(plan, anatomy)
    if plan.budget is not None and plan.budget_kind == "latency":
        raise InvalidPlan("A latency budget has to be measured on the device first; give a budget of MACs or params.")
    if plan.granularity == "nm":
        return select_nm(anatomy, plan)
    if plan.granularity == "structure":
        return select_groups(_group_problem(scores, anatomy, plan))
    problem = _Problem(scores, anatomy, plan, tuple(competition_sets(anatomy.prunable, plan)))
    ratio, removed = _solve_budget(problem) if plan.ratio is None else (plan.ratio, problem.removed(plan.ratio))
    _refuse_emptied(problem, removed)
    return Selection({layer.name: removed.get(layer.name, 0) for layer in anatomy.prunable}, ratio)


def _group_problem(scores: Scores, anatomy: Anatomy, plan: PruningPlan) -> GroupProblem:
    sets, own = group_sets(anatomy), dict(plan.overrides)
    free = [group for group in sets if not set(group.layers) & set(plan.protected)]
    places = {group.name: place for place, group in enumerate(sets)}
    rivals = (
        Rivals(tuple(places[group.name] for group in found.layers), None if found.cell is None else own[found.cell])
        for found in competition_sets(free, plan)
    )
    return GroupProblem(scores, anatomy, plan, tuple(rivals))


def competition_sets(units: Iterable[Unit], plan: PruningPlan) -> list[CompetitionSet[Unit]]:
    """Group the layers (or sets of groups) by scope; an override takes its stage, module or cell out, to compete alone
    at its own ratio. Heads go only where an override names them."""
    own = dict(plan.overrides)
    groups: dict[tuple, list[Unit]] = {}
    for unit in units:
        if unit.name in plan.protected or unit.stage is None:
            continue
        cells: tuple[Cell, ...] = ((unit.stage, unit.module), (unit.stage, None), (None, unit.module))
        heads = unit.module == "head"
        cell = next((c for c in cells if c in own and not (heads and c[1] is None)), None)
        if cell is not None or not heads:
            groups.setdefault((cell, *_set_key(unit, plan.scope)), []).append(unit)
    return [CompetitionSet(tuple(layers), key[0]) for key, layers in groups.items()]


def _set_key(unit: Layer | GroupSet, scope: str) -> tuple:
    if scope == "layer":
        return (unit.name,)
    if scope == "stage-module":
        return (unit.stage, unit.module)
    return (unit.module,) if scope == "module" else ()


@dataclass(frozen=True)
class _Problem:
    """A plan on a model, as functions of the common ratio."""

    scores: Scores
    anatomy: Anatomy
    plan: PruningPlan
    sets: tuple[CompetitionSet[Layer], ...]

    def removed(self, common: float) -> dict[str, int]:
        """Layer name -> units removed."""
        own = dict(self.plan.overrides)
        removed: dict[str, int] = {}
        for group in self.sets:
            ratio = common if group.cell is None else own[group.cell]
            count = count_to_remove(ratio, sum(layer.size for layer in group.layers))
            gone = lowest(self.scores, self.rows(group), self.factors(group), count)
            removed |= {layer.name: int(units) for layer, units in zip(group.layers, gone, strict=True)}
        return removed

    def rows(self, group: CompetitionSet[Layer]) -> list[int]:
        """The set's layers as rows of the scores' table."""
        return [self.scores.rows[layer.name] for layer in group.layers]

    def factors(self, group: CompetitionSet[Layer]) -> np.ndarray:
        """What scores are multiplied with, by layer: 1 / (MACs per weight) ** cost exponent."""
        return np.array([cost_factor(layer.macs_per_unit, self.plan.cost_exponent) for layer in group.layers])

    def costs(self, layers: Sequence[Layer]) -> np.ndarray:
        """MACs or params that one unit of each layer saves: whole numbers, so that any order sums them exactly."""
        return np.array([layer.macs_per_unit if self.plan.budget_kind == "macs" else 1.0 for layer in layers])

    @cached_property
    def total(self) -> int:
        """MACs or params of the dense model, whichever the budget counts."""
        in_macs = self.plan.budget_kind == "macs"
        return sum(layer.macs if in_macs else layer.params for layer in self.anatomy.layers)

    def share(self, removed: Mapping[str, int]) -> float:
        """Removed share of all dense MACs or params, whichever the budget counts."""
        layers = [layer for layer in self.anatomy.prunable if layer.name in removed]
        saved = self.costs(layers) @ np.array([removed[layer.name] for layer in layers]) if layers else 0.0
        return float(saved) / self.total

    def emptied(self, removed: dict[str, int], cell: Cell | None) -> Layer | None:
        """The first layer under that override (None: under the common ratio) that would lose all its units."""
        layers = (layer for group in self.sets if group.cell == cell for layer in group.layers)
        return next((layer for layer in layers if removed[layer.name] >= layer.size), None)

    def largest(self, cell: Cell | None) -> float:
        """The largest ratio of that override (None: common ratio), to 1e-4, that empties no layer of its."""

        def feasible(ratio: float) -> bool:
            if cell is None:
                return self.emptied(self.removed(ratio), None) is None
            tried = {**dict(self.plan.overrides), cell: ratio}
            other = replace(self, plan=replace(self.plan, overrides=tuple(tried.items())))
            return other.emptied(other.removed(0.0), cell) is None

        low, high = 0.0, 1.0
        while high - low > 1e-4:
            middle = (low + high) / 2
            low, high = (middle, high) if feasible(middle) else (low, middle)
        return low


def _solve_budget(problem: _Problem) -> tuple[float, dict[str, int]]:
    """The common ratio whose cut removes the asked share of all dense MACs or params, and that cut.

    The table's edges give the share as a function of the ratio almost exactly; what is left is mended by exact cuts
    along its slope, and on models so small that single units count, by bisection.
    """
    target = problem.plan.budget or 0.0
    ratios, shares = _share_curve(problem)
    if not shares[0] - 1e-12 <= target <= shares[-1] + 1e-12:
        most = problem.share(problem.removed(problem.largest(None))) if target > shares[-1] else shares[-1]
        raise out_of_reach(problem.plan, shares[0], most)
    goal = round(float(np.interp(target, shares, ratios)), DIGITS)
    for _ in range(_MENDS):
        removed = problem.removed(goal)
        over = problem.share(removed) - target
        if abs(over) <= _CLOSE * target:
            return goal, removed
        goal = round(float(np.interp(np.interp(goal, ratios, shares) - over, shares, ratios)), DIGITS)

    def excess(ratio: float) -> float:
        return problem.share(problem.removed(ratio)) - target

    low, high = (goal - _NEAR, goal) if excess(goal) > 0 else (goal, goal + _NEAR)
    low, high = max(low, 0.0), min(high, FULL)
    if excess(low) <= 0 <= excess(high):
        goal = round(float(brentq(excess, low, high, xtol=1e-8)), DIGITS)
    return goal, problem.removed(goal)


def _share_curve(problem: _Problem) -> tuple[np.ndarray, np.ndarray]:
    """(ratios, removed shares), both ascending, from no common cut to all; sets with ratios of their own are in it."""
    own, curves = dict(problem.plan.overrides), []
    fixed: dict[str, int] = {}
    for group in problem.sets:
        rows, factors = problem.rows(group), problem.factors(group)
        sizes = np.array([layer.size for layer in group.layers])
        if group.cell is not None:
            gone = lowest(problem.scores, rows, factors, count_to_remove(own[group.cell], sizes.sum()))
            fixed |= {layer.name: int(units) for layer, units in zip(group.layers, gone, strict=True)}
            continue
        if len(group.layers) == 1:
            curves.append((np.array([0.0, 1.0]), problem.costs(group.layers) * sizes * [0, 1] / problem.total))
            continue
        counts = below_edges(problem.scores, rows, factors)
        curves.append((counts.sum(axis=0) / sizes.sum(), problem.costs(group.layers) @ counts / problem.total))
    ratios = np.unique(np.concatenate([[0.0, FULL], *(ratio for ratio, _ in curves)]))
    ratios = ratios[ratios <= FULL]
    shares = np.full(len(ratios), problem.share(fixed))
    for ratio, share in curves:
        shares += np.interp(ratios, ratio, share)
    return ratios, shares


def _refuse_emptied(problem: _Problem, removed: dict[str, int]) -> None:
    """Raise InvalidPlan if a layer would be emptied, with the largest ratio (or budget) that keeps some of each."""
    # Overrides first: no common ratio could mend them.
    for cell in [*dict(problem.plan.overrides), None]:
        layer = problem.emptied(removed, cell)
        if layer is None:
            continue
        nearest = problem.largest(cell)
        if cell is not None:
            what = f"ratio of {cell_label(cell)}"
        elif problem.plan.budget is None:
            what = "ratio"
        else:
            what, nearest = "budget", problem.share(problem.removed(nearest))
        most = math.floor(1000 * nearest) / 1000
        raise InvalidPlan(
            f"This plan empties the layer {layer.name}; the largest {what} that leaves every layer some weights is "
            f"{most:g}.",
            nearest=most if cell is None else None,
        )


def select_nm(anatomy: Anatomy, plan: PruningPlan) -> Selection:
    """What the plan's pattern removes of every layer that is not protected."""
    n, m = nm_sizes(plan.nm)
    removed = {
        layer.name: 0 if layer.name in plan.protected else layer.shape[0] * (layer.shape[1] // m) * (m - n)
        for layer in anatomy.prunable
    }
    return Selection(removed, sum(removed.values()) / sum(layer.size for layer in anatomy.prunable), "nm", plan.nm)
