"""Selection: Scores + PruningPlan -> how many units of each layer go. Pure numpy; can be drawn before anything is cut.

Order of leaving, exact and deterministic: within a competition set by (score / cost factor, layer in forward order,
rank in the layer); within a layer by (|key|, flat index). A set of n units at ratio r loses floor(r * n + 1/2) of them.
Next door: `plan` validates, `cut.masks` zeroes what is selected here, `cost` prices it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from .errors import InvalidPlan
from .plan import validate
from .types import Anatomy, Layer, LayerScores, PruningPlan, Scores, Selection

_FEW = 4096  # candidates that are sorted outright
_PROBES = 64  # ranks probed per layer and narrowing step
_FULL = 1 - 1e-9  # the largest common ratio a budget may solve to
_SLACK = 1e-12  # relative; wider than the rounding of score * factor


@dataclass(frozen=True)
class CompetitionSet:
    """Layers whose units compete for survival; `ratio` is an override's own, None for the plan's common one."""

    layers: tuple[Layer, ...]
    ratio: float | None


def select(scores: Scores, anatomy: Anatomy, plan: PruningPlan) -> Selection:
    """What `plan` removes; raises InvalidPlan where it empties a layer or its budget cannot be met."""
    validate(plan, anatomy)
    sets = competition_sets(anatomy, plan)
    ratio = _solve_budget(scores, anatomy, plan, sets) if plan.ratio is None else plan.ratio
    removed = _removed(scores, plan, sets, ratio)
    if emptied := _emptied(anatomy, removed):
        _refuse_emptied(emptied, scores, plan, anatomy, sets, ratio)
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
    return [CompetitionSet(tuple(layers), own[key[0]] if key[0] else None) for key, layers in groups.items()]


def _set_key(layer: Layer, scope: str) -> tuple:
    if scope == "layer":
        return (layer.name,)
    if scope == "stage-module":
        return (layer.stage, layer.module)
    return (layer.module,) if scope == "module" else ()


def count_to_remove(ratio: float, size: int) -> int:
    """floor(ratio * size + 1/2): how many of `size` units a ratio removes."""
    return math.floor(ratio * size + 0.5)


def _removed(scores: Scores, plan: PruningPlan, sets: Sequence[CompetitionSet], common: float) -> dict[str, int]:
    """Layer name -> units removed at the common ratio."""
    removed = {}
    for group in sets:
        size = sum(layer.size for layer in group.layers)
        count = count_to_remove(common if group.ratio is None else group.ratio, size)
        ranked = [scores.layers[layer.name].ranked for layer in group.layers]
        factors = np.array([layer.macs_per_weight**-plan.cost_exponent for layer in group.layers])
        for layer, gone in zip(group.layers, lowest(ranked, factors, count), strict=True):
            removed[layer.name] = int(gone)
    return removed


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


def _solve_budget(scores: Scores, anatomy: Anatomy, plan: PruningPlan, sets: Sequence[CompetitionSet]) -> float:
    """The common ratio whose cut removes the asked share of all dense MACs or params."""
    target = plan.budget or 0.0
    weight = {layer.name: layer.macs_per_weight if plan.budget_kind == "macs" else 1.0 for layer in anatomy.prunable}
    total = sum(layer.macs if plan.budget_kind == "macs" else layer.params for layer in anatomy.layers)

    def share(ratio: float) -> float:
        removed = _removed(scores, plan, sets, ratio)
        return sum(count * weight[name] for name, count in removed.items()) / total

    least, most = share(0.0), share(_FULL)
    if not least <= target <= most:
        feasible = _last_feasible(lambda ratio: not _emptied(anatomy, _removed(scores, plan, sets, ratio)))
        limit = least if target < least else share(feasible)
        raise InvalidPlan(
            f"A budget of {target:.1%} of the {_kind_word(plan)} cannot be met; the nearest that can is {limit:.1%}."
        )
    if target in (least, most):
        return 0.0 if target == least else _FULL
    return float(brentq(lambda ratio: share(ratio) - target, 0.0, _FULL, xtol=1e-8))


def _emptied(anatomy: Anatomy, removed: dict[str, int]) -> str | None:
    """The first layer that would lose all its units."""
    return next((layer.name for layer in anatomy.prunable if removed.get(layer.name, 0) >= layer.size), None)


def _refuse_emptied(
    name: str,
    scores: Scores,
    plan: PruningPlan,
    anatomy: Anatomy,
    sets: Sequence[CompetitionSet],
    ratio: float,
) -> None:
    """Raise InvalidPlan naming the emptied layer and the largest ratio of its set (or the budget) that keeps some."""
    layer = next(layer for layer in anatomy.prunable if layer.name == name)
    group = next(group for group in sets if layer in group.layers)

    def keeps_some(value: float) -> bool:
        alone = CompetitionSet(group.layers, value)
        return _removed(scores, plan, [alone], value)[name] < layer.size

    nearest = _last_feasible(keeps_some)
    what = "ratio" if group.ratio is None else f"ratio of stage {layer.stage}"
    if plan.budget is not None and group.ratio is None:
        reached = _removed(scores, plan, sets, nearest)
        kind = plan.budget_kind
        unit = {part.name: part.macs_per_weight if kind == "macs" else 1.0 for part in anatomy.prunable}
        total = sum(part.macs if kind == "macs" else part.params for part in anatomy.layers)
        what, nearest = "budget", sum(count * unit[n] for n, count in reached.items()) / total
    nearest = math.floor(nearest * 1000) / 1000
    raise InvalidPlan(
        f"This plan empties the layer {name}; the largest {what} that leaves it some weights is {nearest}."
    )


def _last_feasible(feasible: Callable[[float], bool]) -> float:
    """The largest ratio for which `feasible` holds, to 1e-4, if it holds below some point and not above."""
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if feasible(middle) else (low, middle)
    return low


def _kind_word(plan: PruningPlan) -> str:
    return "MACs" if plan.budget_kind == "macs" else "params"


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
