"""Lookup: how many units of each layer lie below a common threshold, found in the table of counts without touching the
scores of more than the few units between two edges. Exact; ties go by layer in forward order, then by rank.

Next door: `types.scores` makes the table, `selection` says which layers compete and for how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import numpy as np

from ..types import BINS, STRIDE, Scores

DIGITS = 12
"""Decimals of a ratio or share that decides something: processors may differ in the bits after them."""

_SEEN = 64  # sets of layers whose columns are kept
_STEP = 32  # edges between two points of a budget's curve


@lru_cache(maxsize=4096)
def cost_factor(macs: float, exponent: float) -> float:
    """macs ** -exponent by decimal arithmetic: powers of floats differ between processors in their last bit, which
    decides between two layers whose scores are multiples of each other."""
    return 1.0 if exponent == 0 else float(Decimal(macs) ** -Decimal(exponent))


def lowest(scores: Scores, rows: Sequence[int], factors: np.ndarray, count: int) -> np.ndarray:
    """How many of the `count` lowest values of all (score * factor) lie in each of the layers `rows`.

    Ties go by layer in forward order, then by rank. `factors`: positive float64 [len(rows)].
    """
    layers = [scores.ordered_layers[row] for row in rows]
    sizes = np.array([layer.size for layer in layers])
    if len(layers) == 1:
        return np.array([count])
    if count in (0, sizes.sum()):
        return sizes * (count > 0)
    low, high = _bracket(scores, np.asarray(rows), factors, sizes, count)
    need = count - int(low.sum())
    if need == 0:
        return low
    parts = [layer.between(a, b) * f for layer, a, b, f in zip(layers, low, high, factors, strict=True)]
    limit = np.partition(np.concatenate(parts), need - 1)[need - 1]
    below = np.array([np.searchsorted(part, limit, "left") for part in parts])
    ties = np.array([np.searchsorted(part, limit, "right") for part in parts]) - below
    rest = need - below.sum()
    return low + below + np.clip(rest - (np.cumsum(ties) - ties), 0, ties)


def _bracket(
    scores: Scores, rows: np.ndarray, factors: np.ndarray, sizes: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rank intervals [low, high) of each layer that hold the boundary between the `count` lowest and the rest."""
    shift = np.log2(factors) * BINS
    columns, lower, upper = _first_look(scores, rows, shift, sizes)
    start, end = _around(lower, upper, count)
    start, end = min(start, end), max(start, end)
    columns = np.arange(columns[max(start, 0)], columns[min(end, len(columns) - 1)] + 1)
    low, high = counts_at(scores, rows, shift, sizes, columns)
    start, end = _around(low.sum(axis=0), high.sum(axis=0), count)
    if start >= end:  # an edge that has exactly `count` scores below it
        return low[:, start], low[:, start]
    floor = low[:, start] if start >= 0 else np.zeros_like(sizes)
    return floor, high[:, end] if end < len(columns) else sizes


def _around(lower: np.ndarray, upper: np.ndarray, count: int) -> tuple[int, int]:
    """(last column with at most `count` below it, first with at least `count`), from bounds of what lies below each."""
    return int(np.searchsorted(upper, count, "right")) - 1, int(np.searchsorted(lower, count, "left"))


def _first_look(
    scores: Scores, rows: np.ndarray, shift: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every STRIDE-th column with bounds [columns] of how many scores * factor lie below it; kept, as it depends on
    no ratio."""
    key = (rows.tobytes(), shift.tobytes())
    if key not in scores.coarse:
        if len(scores.coarse) >= _SEEN:
            scores.coarse.clear()
        first = scores.used[0] + int(np.floor(shift.min())) - 2
        last = scores.used[1] + int(np.ceil(shift.max())) + 2
        columns = np.arange(first // STRIDE, last // STRIDE + 2) * STRIDE
        low, high = counts_at(scores, rows, shift, sizes, columns, STRIDE)
        scores.coarse[key] = columns, low.sum(axis=0), high.sum(axis=0)
    return scores.coarse[key]


def below_edges(scores: Scores, rows: Sequence[int], factors: np.ndarray) -> np.ndarray:
    """Scores * factor below every _STEP-th edge, none to all, [rows, edges] ascending; layers are shifted by whole
    edges, so this is a curve to start from, not a count."""
    key = (tuple(rows), factors.tobytes())
    if key not in scores.seen:
        if len(scores.seen) >= _SEEN:
            scores.seen.clear()
        scores.seen[key] = _below_edges(scores, rows, factors)
    return scores.seen[key]


def _below_edges(scores: Scores, rows: Sequence[int], factors: np.ndarray) -> np.ndarray:
    sizes = np.array([scores.ordered_layers[row].size for row in rows])
    shift = np.round(np.log2(factors) * BINS).astype(int)
    first, last = scores.used
    start, end = first + int(shift.min()) - _STEP, last + int(shift.max()) + 2 * _STEP
    count, edges = -(-(end - start) // _STEP), scores.grid.shape[1]
    below = np.zeros((len(rows), count), np.int64)
    for place, (row, by) in enumerate(zip(rows, shift.tolist(), strict=True)):
        # A slice: the same look-up by an index array takes three times as long.
        at = start - by
        low, high = max(-(at // _STEP), 0), min(-((at - edges) // _STEP), count)
        below[place, low:high] = scores.grid[row, at + low * _STEP :: _STEP][: high - low]
        below[place, high:] = sizes[place]
    return np.concatenate([np.zeros((len(rows), 1), np.int64), below[:, 1:], sizes[:, None]], axis=1)


def counts_at(
    scores: Scores, rows: np.ndarray, shift: np.ndarray, sizes: np.ndarray, columns: np.ndarray, stride: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds [rows, columns] of how many scores * factor lie below each column of the grid.

    A factor shifts a layer's scores along the logarithmic grid by log2(factor) * BINS columns; where that is not a
    whole number the bounds are an edge wider than they need be, which covers rounding too. `stride`: 1, or STRIDE for
    looser bounds from the coarse table.
    """
    table, place = scores.coarse_grid if stride > 1 else scores.grid, rows[:, None]
    end = table.shape[1] - 1
    if not shift.any():
        columns = columns // stride
        inside = table[place, np.clip(columns, 0, end)].astype(np.int64)
        inside[:, columns < 0] = 0
        return inside, inside
    at = columns[None, :] - shift[:, None]
    slack = np.where(shift == 0, 0, 1)[:, None]
    down = (np.floor(at).astype(np.int64) - slack) // stride
    up = -((-np.ceil(at).astype(np.int64) - slack) // stride)
    low = np.where(down < 0, 0, table[place, np.clip(down, 0, end)])
    high = np.where(up > end, sizes[:, None], table[place, np.clip(up, 0, end)])
    return low.astype(np.int64), high.astype(np.int64)
