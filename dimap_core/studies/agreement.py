"""Agreement: how alike two criteria rank the same units, where they differ most, and how well either foretells what
leaving units out really costs. Pure numpy and scipy, no torch.

Next door: `leave_one_out` measures what is foretold, `figures.agreement` draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.stats import spearmanr

from ..measure import rank_correlation
from ..types import (
    Anatomy,
    Compared,
    Correlation,
    Disagreement,
    Effect,
    GroupSet,
    Layer,
    LayerScores,
    Piece,
    Scores,
    percentiles,
)
from .summaries import columns, kind, units

_SAMPLE = 200_000  # units that a correlation looks at
_POINTS = 4_000  # units that a scatter shows
_FURTHEST = 8
_SEED = 0

Unit = Layer | GroupSet
_KIND_WORDS = {"mlp_neuron": "hidden unit", "head": "head", "qk_dim": "Q/K dimension", "v_dim": "V dimension"}


def unit_scores(layer: LayerScores, at: np.ndarray) -> np.ndarray:
    """Scores, float64, of the units at flat positions `at`; a dimension of a head gets its slot's, and equal single
    weights the score of the first of them to go."""
    if layer.keys.size == layer.size:
        return layer.ranked[np.searchsorted(layer.ordered, np.abs(layer.keys.reshape(-1)[at]))]
    order = np.argsort(np.abs(layer.keys), axis=1, kind="stable")
    placed = np.empty(layer.keys.shape)
    np.put_along_axis(placed, order, layer.ranked[None], axis=1)
    return placed.reshape(-1)[at]


def by_cell(first: Scores, second: Scores, anatomy: Anatomy) -> np.ndarray:
    """Spearman correlation of two criteria's scores over the units of each stage x module (or kind), [stages + 1,
    columns], the last row over all stages; NaN where there are fewer than four units.

    At most about 200,000 units of each cell are looked at, drawn with a fixed seed.
    """
    stages = [(stage.index,) for stage in anatomy.stages]
    everywhere = tuple(stage.index for stage in anatomy.stages)
    table = [
        [_correlation(first, second, place_units(anatomy, first.granularity, found, name)) for name in names]
        for found in (*stages, everywhere)
        if (names := columns(first.granularity))
    ]
    return np.array(table)


def place_units(anatomy: Anatomy, granularity: str, stages: Iterable[int], name: str) -> list[Unit]:
    """Layers of a module (or sets of a kind) in some stages."""
    wanted = set(stages)
    return [unit for unit in units(anatomy, granularity) if unit.module == name and unit.stage in wanted]


def _correlation(first: Scores, second: Scores, found: Sequence[Unit]) -> float:
    if not found:
        return float("nan")
    pair, _ = _pair(first, second, found)
    return float(spearmanr(*pair).statistic) if pair.shape[1] > 3 and np.ptp(pair, axis=1).all() else float("nan")


def compare(first: Scores, second: Scores, found: Sequence[Unit], anatomy: Anatomy) -> Compared:
    """Two criteria on the units of some layers (or sets of groups), ranked together."""
    pair, places = _pair(first, second, found)
    ranks = np.stack([percentiles(scores) for scores in pair])
    apart = np.argsort(-np.abs(ranks[0] - ranks[1]), kind="stable")[:_FURTHEST]
    furthest = tuple(
        Disagreement(unit_name(anatomy, *places(int(at))), *(float(rank) for rank in ranks[:, at])) for at in apart
    )
    shown = np.random.default_rng(_SEED).permutation(pair.shape[1])[:_POINTS]
    total = sum(first.layers[unit.name].keys.size for unit in found)
    return Compared(ranks[:, shown].T.astype(np.float32), total, furthest)


def _pair(first: Scores, second: Scores, found: Sequence[Unit]):  # type: ignore[no-untyped-def]
    """Scores [2, n] of (a sample of) the units of some layers, and the function from a column to (layer, position)."""
    sizes = np.array([first.layers[unit.name].keys.size for unit in found])
    share = min(1.0, _SAMPLE / sizes.sum())
    rng = np.random.default_rng(_SEED)
    taken = [_taken(rng, int(size), share) for size in sizes]
    pair = [
        np.concatenate([unit_scores(scores.layers[unit.name], at) for unit, at in zip(found, taken, strict=True)])
        for scores in (first, second)
    ]
    ends = np.cumsum([len(at) for at in taken])

    def place(column: int) -> tuple[Unit, int]:
        layer = int(np.searchsorted(ends, column, "right"))
        return found[layer], int(taken[layer][column - (ends[layer - 1] if layer else 0)])

    return np.stack(pair), place


def _taken(rng: np.random.Generator, size: int, share: float) -> np.ndarray:
    """Positions of a random share of `size` units, ascending."""
    if share == 1:
        return np.arange(size)
    return np.sort(rng.choice(size, max(1, round(size * share)), replace=False, shuffle=False))


def block_label(unit: Layer | GroupSet) -> str:
    """ "block 3.2", counted from 1."""
    return f"block {(unit.stage or 0) + 1}.{(unit.block or 0) + 1}"


def unit_name(anatomy: Anatomy, unit: Unit, position: int) -> str:
    """One unit in words, counted from 1: "block 3.2, hidden unit 17", "block 3.2, fc1: output 17, input 5"."""
    if isinstance(unit, Layer):
        output, source = divmod(position, unit.shape[1])
        return f"{block_label(unit)}, {kind(unit)}: output {output + 1:,}, input {source + 1:,}"
    word = _KIND_WORDS[unit.module]
    if unit.module in ("mlp_neuron", "head"):
        return f"{block_label(unit)}, {word} {position + 1:,}"
    head, dimension = divmod(position, unit.size)
    return f"{block_label(unit)}, head {head + 1}, {word} {dimension + 1}"


def piece_name(anatomy: Anatomy, piece: Piece) -> str:
    """ "block 3.2, head 4", or "block 3.2, hidden units 39 to 76"."""
    block = anatomy.blocks[piece.block]
    where = f"block {block.stage + 1}.{block.index + 1}"
    if piece.kind == "head":
        return f"{where}, head {piece.first + 1}"
    return f"{where}, hidden units {piece.first + 1:,} to {piece.last:,}"


def foretold(scores: Scores, anatomy: Anatomy, pieces: Iterable[Piece]) -> np.ndarray:
    """What a criterion's scores of structures say of each piece: the sum over its units, float64 [pieces]."""
    sums = []
    for piece in pieces:
        layer = scores.layers[f"{anatomy.blocks[piece.block].name}:{piece.kind}"]
        sums.append(unit_scores(layer, np.arange(piece.first, piece.last)).sum())
    return np.array(sums)


def with_truth(predicted: np.ndarray, effects: Sequence[Effect]) -> dict[str, Correlation | None]:
    """Rank correlation of what was foretold with the measured rise in loss: over "all" pieces, and over each kind."""
    rises, kinds = (np.array(values) for values in ([e.rise.value for e in effects], [e.piece.kind for e in effects]))
    among = {"all": kinds != "", "head": kinds == "head", "mlp_neuron": kinds == "mlp_neuron"}
    return {name: rank_correlation(predicted[chosen], rises[chosen]) for name, chosen in among.items()}
