"""N:M masks: of every M consecutive inputs of an output unit N weights stay, those with the highest |keys|.

GPUs with sparse tensor cores run 2:4 faster; here the masked weights are zeros like any others. Inputs beyond the last
whole group of M stay. Ties: of equal keys the one with the lowest input index goes first.
Next door: `selection` for free masks, `structure` for what gets really smaller.
"""

from __future__ import annotations

import numpy as np

from .types import Anatomy, PruningPlan, Selection


def select_nm(anatomy: Anatomy, plan: PruningPlan) -> Selection:
    """What the plan's pattern removes of every layer that is not protected."""
    n, m = _pattern(plan.nm)
    removed = {
        layer.name: 0 if layer.name in plan.protected else layer.shape[0] * (layer.shape[1] // m) * (m - n)
        for layer in anatomy.prunable
    }
    return Selection(removed, sum(removed.values()) / sum(layer.size for layer in anatomy.prunable), "nm", plan.nm)


def nm_mask(keys: np.ndarray, pattern: str | None) -> np.ndarray:
    """Boolean array like `keys` [outputs, inputs], True = kept."""
    n, m = _pattern(pattern)
    keep = np.ones(keys.shape, dtype=bool)
    whole = keys.shape[1] // m * m
    groups = np.abs(keys[:, :whole]).reshape(len(keys), -1, m)
    order = np.argsort(groups, axis=-1, kind="stable")
    inside = np.ones(groups.shape, dtype=bool)
    np.put_along_axis(inside, order[..., : m - n], False, axis=-1)
    keep[:, :whole] = inside.reshape(len(keys), -1)
    return keep


def _pattern(pattern: str | None) -> tuple[int, int]:
    n, _, m = (pattern or "").partition(":")
    return int(n), int(m)
