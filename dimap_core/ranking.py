"""Ranking: each layer's values sorted once, and a table that finds any threshold without touching them again.

A layer is held as its |keys| in ascending order, float32, and the score of the unit at rank r is a function of the
sorted values alone: the key itself, or, for relative scores (Eq. 10 of DIMAP), its square over the sum of squares from
r upward, summed in float64 from the largest down. So no argsort, no scattered scores: sorting values is all. The table
counts, for every layer, the scores below each edge of one logarithmic grid; a threshold over many layers is a search
in its column sums, then a partition of the few units between two edges. Nothing here is approximate.
Next door: `criteria` says what the keys are, `selection` which layers compete, `index` keeps all this on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

BLOCK = 1024
"""Ranks between two stored sums of a layer's index."""

BINS = 1024  # grid edges an octave
OCTAVES = 64  # below 2^TOP; scores lower still count as below the first edge
_CHUNK = 32 * BLOCK  # values that stay in the processor's cache while they are summed
_SEEN = 64  # sets of layers whose columns are kept
_STRIDE = 64  # edges between two columns of the coarse table


@dataclass(frozen=True)
class LayerScores:
    """One layer's scores as an index.

    `keys`: float32, the weight's shape; units leave in ascending order of |key|, equal ones in ascending flat index.
    `ordered`: float32, 1-D, |keys| ascending. The score of a unit is its |key|, or, where there is a `tail`, its square
    over the sum of all squares from its rank upward; `tail` holds that sum at every BLOCK-th rank, float64.
    """

    keys: np.ndarray
    ordered: np.ndarray
    tail: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Number of units."""
        return len(self.ordered)

    @property
    def ranked(self) -> np.ndarray:
        """All scores in the order in which units leave, float64 [size], never decreasing; higher = keep."""
        return self.between(0, self.size)

    def between(self, low: int, high: int) -> np.ndarray:
        """Scores of the units of ranks low .. high - 1, float64, ascending."""
        if self.tail is None:
            return self.ordered[low:high].astype(np.float64)
        end = min(-(-high // BLOCK) * BLOCK, self.size)
        squares = np.square(self.ordered[low:end], dtype=np.float64)
        sums = squares[::-1].copy()
        if end < self.size and len(sums):
            sums[0] += self.tail[end // BLOCK]
        sums = np.cumsum(sums)[::-1][: high - low]
        squares = squares[: high - low]
        if len(sums) and sums[-1] > 0:
            return squares / sums
        return np.divide(squares, sums, out=np.zeros_like(squares), where=sums > 0)


@dataclass(frozen=True)
class Scores:
    """The scores of all prunable layers (or sets of groups) under one criterion, by name in forward order.

    `table`: int32 [layers, edges]; how many of a layer's scores lie below each edge of a logarithmic grid that ends at
    2^`top`; None for groups, which are few. `by_magnitude`: the keys are the weights themselves, so that a cut is a
    threshold on |w| in every layer.
    """

    criterion: str
    seed: int
    layers: Mapping[str, LayerScores]
    table: np.ndarray | None
    top: int
    by_magnitude: bool = False

    @property
    def granularity(self) -> str:
        """What was scored: "weight" or "structure"."""
        return "structure" if self.table is None else "weight"

    @cached_property
    def rows(self) -> dict[str, int]:
        """Layer name -> row of the table."""
        return {name: row for row, name in enumerate(self.layers)}

    @property
    def nbytes(self) -> int:
        """Memory of the index, the keys in place aside."""
        table = 0 if self.table is None else self.table.nbytes
        return table + sum(layer.ordered.nbytes for layer in self.layers.values())

    @cached_property
    def seen(self) -> dict[tuple, np.ndarray]:
        """Columns of the table that were added up before, by layers and factors."""
        return {}

    @cached_property
    def coarse(self) -> dict[tuple, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """First looks of `lowest` (columns, bounds of what lies below them), by layers and factors."""
        return {}

    @cached_property
    def used(self) -> tuple[int, int]:
        """First and last edge between which any layer's scores lie."""
        table = self.grid
        changes = np.flatnonzero((table > 0).any(axis=0) & (table < table[:, -1:]).any(axis=0))
        return (int(changes[0]), int(changes[-1]) + 1) if len(changes) else (0, table.shape[1] - 1)

    @property
    def grid(self) -> np.ndarray:
        """The table, where there is one."""
        if self.table is None:
            raise TypeError("groups are ranked without a table")
        return self.table

    @cached_property
    def coarse_grid(self) -> np.ndarray:
        """Every _STRIDE-th column of the table, in memory in one piece: what any first look reads."""
        return np.ascontiguousarray(self.grid[:, ::_STRIDE])

    @cached_property
    def ordered_layers(self) -> list[LayerScores]:
        """Layers by row of the table."""
        return list(self.layers.values())


def rank(
    criterion: str, seed: int, keys: Iterable[tuple[str, np.ndarray]], relative: bool, by_magnitude: bool = False
) -> Scores:
    """Sort every layer's |keys| (float32, any shape) and count its scores on the common grid."""
    layers = {}
    for name, key in keys:
        ordered = np.abs(key).reshape(-1)
        ordered.sort()
        layers[name] = LayerScores(key, ordered, _tail(ordered) if relative else None)
    largest = max((float(layer.between(layer.size - 1, layer.size)[0]) for layer in layers.values()), default=1.0)
    top = int(np.ceil(np.log2(largest))) + 1 if largest > 0 else 1
    table = np.stack([_counts(layer, top) for layer in layers.values()])
    return Scores(criterion, seed, layers, table, top, by_magnitude)


def rank_groups(
    criterion: str, seed: int, worths: Iterable[tuple[str, np.ndarray]], relative: bool = False, root: bool = False
) -> Scores:
    """Scores of sets of groups from what each unit is worth (float64 >= 0; [units], or [heads, head_dim]).

    Of dimensions a slot goes from all heads at once, each head giving its own lowest: the slot's worth is their sum.
    `root`: rank by the square root (worths are energies); `relative`: by the ratio of Eq. 10 on them.
    """
    layers = {}
    for name, worth in worths:
        slots = np.sort(worth, axis=-1)
        if worth.ndim == 2:
            slots = slots.sum(axis=0)
        keys, ordered = (np.sqrt(worth), np.sqrt(slots)) if root or relative else (worth, slots)
        layers[name] = LayerScores(keys, ordered, _tail(ordered) if relative else None)
    return Scores(criterion, seed, layers, None, 0)


@lru_cache(maxsize=8)
def edges(top: int) -> np.ndarray:
    """The grid: 2^(top - OCTAVES) .. 2^top, BINS an octave."""
    return 2.0 ** (top - OCTAVES + np.arange(OCTAVES * BINS + 1) / BINS)


def _tail(ordered: np.ndarray) -> np.ndarray:
    """Sum of squares from each multiple of BLOCK upward, float64, added one by one from the largest down."""
    tail = np.empty(-(-len(ordered) // BLOCK))
    carry = 0.0
    for start in range((len(ordered) - 1) // _CHUNK * _CHUNK, -1, -_CHUNK):
        squares = np.square(ordered[start : start + _CHUNK], dtype=np.float64)
        squares[-1] += carry
        sums = np.cumsum(squares[::-1])[::-1]
        tail[start // BLOCK : start // BLOCK + -(-len(sums) // BLOCK)] = sums[::BLOCK]
        carry = sums[0]
    return tail


def _counts(layer: LayerScores, top: int) -> np.ndarray:
    """Scores of the layer below each edge, int32."""
    grid = edges(top)
    counts = np.full(len(grid), layer.size, np.int32)
    done = 0  # edges settled: all of them lie at or below the last score seen
    for start in range(0, layer.size, _CHUNK):
        scores = layer.between(start, min(start + _CHUNK, layer.size))
        upto = int(np.searchsorted(grid, scores[-1], "right"))
        if upto > done:
            counts[done:upto] = start + np.searchsorted(scores, grid[done:upto])
            done = upto
    return counts


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
    """Every _STRIDE-th column with bounds [columns] of how many scores * factor lie below it; kept, as it depends on
    no ratio."""
    key = (rows.tobytes(), shift.tobytes())
    if key not in scores.coarse:
        if len(scores.coarse) >= _SEEN:
            scores.coarse.clear()
        first = scores.used[0] + int(np.floor(shift.min())) - 2
        last = scores.used[1] + int(np.ceil(shift.max())) + 2
        columns = np.arange(first // _STRIDE, last // _STRIDE + 2) * _STRIDE
        low, high = counts_at(scores, rows, shift, sizes, columns, _STRIDE)
        scores.coarse[key] = columns, low.sum(axis=0), high.sum(axis=0)
    return scores.coarse[key]


def below_edges(scores: Scores, rows: Sequence[int], factors: np.ndarray) -> np.ndarray:
    """Scores * factor below every _STRIDE-th edge, none to all, float64 [rows, edges] ascending, interpolated for
    layers whose factor shifts them between two edges."""
    key = (tuple(rows), factors.tobytes())
    if key not in scores.seen:
        if len(scores.seen) >= _SEEN:
            scores.seen.clear()
        scores.seen[key] = _below_edges(scores, rows, factors)
    return scores.seen[key]


def _below_edges(scores: Scores, rows: Sequence[int], factors: np.ndarray) -> np.ndarray:
    sizes = np.array([scores.ordered_layers[row].size for row in rows], dtype=float)
    shift = np.log2(factors) * BINS / _STRIDE
    first, last = scores.used[0] // _STRIDE, scores.used[1] // _STRIDE + 1
    columns = np.arange(first + np.floor(shift.min()), last + np.ceil(shift.max()) + 1)
    places, table = np.arange(scores.coarse_grid.shape[1]), scores.coarse_grid
    below = [np.interp(columns - by, places, table[row]) for row, by in zip(rows, shift, strict=True)]
    return np.concatenate([np.zeros((len(rows), 1)), below, sizes[:, None]], axis=1)


def counts_at(
    scores: Scores, rows: np.ndarray, shift: np.ndarray, sizes: np.ndarray, columns: np.ndarray, stride: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds [rows, columns] of how many scores * factor lie below each column of the grid.

    A factor shifts a layer's scores along the logarithmic grid by log2(factor) * BINS columns; where that is not a
    whole number the bounds are an edge wider than they need be, which covers rounding too. `stride`: 1, or _STRIDE for
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
