"""Selection: Scores + PruningPlan -> how many units of each layer go. Pure numpy; can be drawn before anything is cut.

Order of leaving, exact and deterministic: within a competition set by (score / cost factor, layer in forward order,
rank in the layer); within a layer by (|key|, flat index). A set of n units at ratio r loses floor(r * n + 1/2) of them.
Next door: `plan` validates, `cut.masks` zeroes what is selected here, `cost` prices it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from .errors import InvalidPlan
from .plan import cell_name, validate
from .types import Anatomy, Cell, Layer, LayerScores, PruningPlan, Scores, Selection

_FEW = 4096  # candidates that are sorted outright
_PROBES = 64  # ranks probed per layer and narrowing step
_FULL = 1 - 1e-9  # the largest common ratio a budget may solve to
_SLACK = 1e-12  # relative; wider than the rounding of score * factor


@dataclass(frozen=True)
class CompetitionSet:
    """Layers whose units compete for survival; `cell`: the override they fall under, None: the common ratio."""

    layers: tuple[Layer, ...]
    cell: Cell | None = None


def select(scores: Scores, anatomy: Anatomy, plan: PruningPlan) -> Selection:
    """What `plan` removes; raises InvalidPlan where it empties a layer or its budget cannot be met."""
    validate(plan, anatomy)
    problem = _Problem(scores, anatomy, plan, tuple(competition_sets(anatomy, plan)))
    ratio = _solve_budget(problem) if plan.ratio is None else plan.ratio
    removed = problem.removed(ratio)
    _refuse_emptied(problem, removed)
    return Selection({layer.name: removed.get(layer.name, 0) for layer in anatomy.prunable}, ratio)


def competition_sets(anatomy: Anatomy, plan: PruningPlan) -> list[CompetitionSet]:
    """Group the layers by scope; an override takes its stage (or cell) out, to compete alone at its own ratio."""
    own = dict(plan.overrides)
    groups: dict[tuple, list[Layer]] = {}
    for layer in anatomy.prunable:
        if layer.name in plan.protected or layer.stage is None:
            continue
        cell = next((c for c in ((layer.stage, layer.module), (layer.stage, None)) if c in own), None)
        groups.setdefault((cell, *_set_key(layer, plan.scope)), []).append(layer)
    return [CompetitionSet(tuple(layers), key[0]) for key, layers in groups.items()]


def _set_key(layer: Layer, scope: str) -> tuple:
    if scope == "layer":
        return (layer.name,)
    if scope == "stage-module":
        return (layer.stage, layer.module)
    return (layer.module,) if scope == "module" else ()


def count_to_remove(ratio: float, size: int) -> int:
    """floor(ratio * size + 1/2): how many of `size` units a ratio removes."""
    return math.floor(ratio * size + 0.5)


@dataclass(frozen=True)
class _Problem:
    """A plan on a model, as functions of the common ratio."""

    scores: Scores
    anatomy: Anatomy
    plan: PruningPlan
    sets: tuple[CompetitionSet, ...]

    def removed(self, common: float) -> dict[str, int]:
        """Layer name -> units removed."""
        removed, own = {}, dict(self.plan.overrides)
        for group in self.sets:
            size = sum(layer.size for layer in group.layers)
            count = count_to_remove(common if group.cell is None else own[group.cell], size)
            ranked = [self.scores.layers[layer.name].ranked for layer in group.layers]
            factors = np.array([layer.macs_per_weight**-self.plan.cost_exponent for layer in group.layers])
            for layer, gone in zip(group.layers, lowest(ranked, factors, count), strict=True):
                removed[layer.name] = int(gone)
        return removed

    def share(self, common: float) -> float:
        """Removed share of all dense MACs or params, whichever the budget counts."""
        in_macs, removed = self.plan.budget_kind == "macs", self.removed(common)
        saved = sum(
            removed.get(layer.name, 0) * (layer.macs_per_weight if in_macs else 1) for layer in self.anatomy.prunable
        )
        return saved / sum(layer.macs if in_macs else layer.params for layer in self.anatomy.layers)

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


def lowest(ranked: Sequence[np.ndarray], factors: np.ndarray, count: int) -> np.ndarray:
    """How many of the `count` lowest values of all `ranked[i] * factors[i]` lie in each array i.

    Args:
        ranked: ascending float64 arrays, one a layer.
        factors: positive float64 [len(ranked)].
        count: 0 .. total size.

    The arrays are searched, never merged: a bracket of values narrows until few candidates are left, which are sorted.
    """
    sizes = np.array([len(values) for values in ranked])
    if len(ranked) == 1 or count in (0, sizes.sum()):
        return sizes * 0 + count if len(ranked) == 1 else sizes * (count > 0)
    low, high = np.zeros_like(sizes), sizes
    while (high - low).sum() > _FEW:
        narrowed = _narrow(ranked, factors, count, low, high)
        if (narrowed[1] - narrowed[0]).sum() > 0.9 * (high - low).sum():
            break  # ties: only sorting tells the rest apart
        low, high = narrowed
    values = np.concatenate([v[a:b] * f for v, a, b, f in zip(ranked, low, high, factors, strict=True)])
    owner = np.repeat(np.arange(len(ranked)), high - low)
    first = np.argsort(values, kind="stable")[: count - low.sum()]
    return low + np.bincount(owner[first], minlength=len(ranked))


def _narrow(
    ranked: Sequence[np.ndarray], factors: np.ndarray, count: int, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Shrink the rank intervals [low, high) that must hold the boundary between the `count` lowest and the rest."""
    probes = np.unique(
        np.concatenate(
            [
                v[np.linspace(a, b - 1, min(_PROBES, b - a)).astype(np.int64)] * f
                for v, a, b, f in zip(ranked, low, high, factors, strict=True)
                if b > a
            ]
        )
    )

    def below(value: float, side: str) -> np.ndarray:
        edge = value * (1 - _SLACK if side == "left" else 1 + _SLACK)
        found = [np.searchsorted(v, edge / f, side) for v, f in zip(ranked, factors, strict=True)]  # type: ignore[call-overload]
        return np.clip(found, low, high)

    # The last probe with at most `count` values certainly below it, and the next one with at least `count`.
    first, last = 0, len(probes) - 1
    while first < last:
        middle = (first + last + 1) // 2
        if below(probes[middle], "left").sum() <= count:
            first = middle
        else:
            last = middle - 1
    start = below(probes[first], "left")
    start = start if start.sum() <= count else low
    for probe in probes[first : first + 2]:
        end = below(probe, "right")
        if end.sum() >= count:
            return start, end
    return start, high


def _solve_budget(problem: _Problem) -> float:
    """The common ratio whose cut removes the asked share of all dense MACs or params."""
    target, kind = problem.plan.budget or 0.0, {"macs": "MACs", "params": "params"}[problem.plan.budget_kind]
    least, most = problem.share(0.0), problem.share(_FULL)
    if target < least:
        limit = math.ceil(1000 * least) / 10
    elif target > most:
        limit = math.floor(1000 * problem.share(problem.largest(None))) / 10
    else:
        ends = {least: 0.0, most: _FULL}
        if target in ends:
            return ends[target]
        return float(brentq(lambda ratio: problem.share(ratio) - target, 0.0, _FULL, xtol=1e-8))
    raise InvalidPlan(
        f"A budget of {100 * target:g} % of the {kind} cannot be met; the nearest that can is {limit:g} %."
    )


def _refuse_emptied(problem: _Problem, removed: dict[str, int]) -> None:
    """Raise InvalidPlan if a layer would be emptied, with the largest ratio (or budget) that keeps some of each."""
    # Overrides first: no common ratio could mend them.
    for cell in [*dict(problem.plan.overrides), None]:
        layer = problem.emptied(removed, cell)
        if layer is None:
            continue
        nearest = problem.largest(cell)
        if cell is not None:
            what = f"ratio of stage {cell_name(cell)}"
        elif problem.plan.budget is None:
            what = "ratio"
        else:
            what, nearest = "budget", problem.share(nearest)
        raise InvalidPlan(
            f"This plan empties the layer {layer.name}; "
            f"the largest {what} that leaves every layer some weights is {math.floor(1000 * nearest) / 1000:g}."
        )


def keep_mask(layer: LayerScores, removed: int) -> np.ndarray:
    """Boolean array of the weight's shape, True = kept; the `removed` lowest |keys| go (ties: lowest flat index)."""
    keys = np.abs(layer.keys).reshape(-1)
    if removed <= 0:
        return np.ones(layer.keys.shape, dtype=bool)
    limit = np.partition(keys, removed - 1)[removed - 1]
    keep = keys > limit
    ties = np.flatnonzero(keys == limit)
    gone = removed - int(np.count_nonzero(keys < limit))
    keep[ties[gone:]] = True
    return keep.reshape(layer.keys.shape)
