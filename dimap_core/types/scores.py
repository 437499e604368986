"""Ranking: each layer's values sorted once, and a table that finds any threshold without touching them again.

A layer is held as its |keys| in ascending order, float32, and the score of the unit at rank r is a function of the
sorted values alone: the key itself, or, for relative scores (Eq. 10 of DIMAP), its square over the sum of squares from
r upward, summed in float64 from the largest down. So no argsort, no scattered scores: sorting values is all. The table
counts, for every layer, the scores below each edge of one logarithmic grid; a threshold over many layers is a search
in its column sums, then a partition of the few units between two edges. Nothing here is approximate.
Next door: `criteria` says what the keys are, `plan.lookup` searches the table, `service.index` keeps all this on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

BLOCK = 1024
"""Ranks between two stored sums of a layer's index."""

BINS = 1024  # grid edges an octave
STRIDE = 64  # edges between two columns of the coarse table
OCTAVES = 64  # below 2^TOP; scores lower still count as below the first edge
_CHUNK = 32 * BLOCK  # values that stay in the processor's cache while they are summed


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
        """Memory of the index, the keys in place and what is mapped from disk aside."""
        held = [layer.ordered for layer in self.layers.values()] + ([] if self.table is None else [self.table])
        return sum(array.nbytes for array in held if not isinstance(array, np.memmap))

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

    def ready(self) -> Scores:
        """Itself, with what every look-up reads first in memory, so that the first one is as fast as the others."""
        _ = self.used, self.coarse_grid
        return self

    @cached_property
    def coarse_grid(self) -> np.ndarray:
        """Every STRIDE-th column of the table, in memory in one piece: what any first look reads."""
        return np.ascontiguousarray(self.grid[:, ::STRIDE])

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
    return Scores(criterion, seed, layers, table, top, by_magnitude).ready()


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
