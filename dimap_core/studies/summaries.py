"""Numbers that the pictures need, from weights, scores and selections: histograms, kept ratios by block and head. Pure
numpy; next door: `figures` draws what is counted here, `agreement` sets two criteria side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ..anatomy import group_sets
from ..cut import weight_mask
from ..types import (
    KINDS,
    MLP,
    PRJ,
    PRUNABLE_MODULES,
    QKV,
    Anatomy,
    Block,
    GroupSet,
    Layer,
    Scores,
    Selection,
    WeightRow,
)

LOG_EDGES = np.linspace(-5, 1, 121)
"""Bin edges of log10 |w|; what lies outside counts into the first or last bin."""
_SIDE = 384  # of a mask's picture


def kind(layer: Layer) -> str:
    """The layer's own name: qkv, proj, fc1 or fc2."""
    return layer.name.rpartition(".")[2]


def weight_rows(
    anatomy: Anatomy, weights: Mapping[str, np.ndarray], scores: Scores, selection: Selection, signed: bool = False
) -> list[WeightRow]:
    """One row for each stage x (qkv, proj, fc1, fc2), on a shared scale: log10 |w|, or signed w if `signed`."""
    groups: dict[tuple[int, str], list[Layer]] = {}
    for layer in anatomy.prunable:
        groups.setdefault((layer.stage or 0, kind(layer)), []).append(layer)
    edges = _edges(weights.values(), signed)
    return [
        _row(anatomy, f"{stage + 1} · {name}", layers, edges, weights, scores, selection, signed)
        for (stage, name), layers in sorted(groups.items(), key=lambda item: item[0][0])
    ]


def stage_rows(
    anatomy: Anatomy, weights: Mapping[str, np.ndarray], scores: Scores, selection: Selection
) -> list[WeightRow]:
    """One row for each stage, of all its prunable layers, over log10 |w|; its module is its first layer's."""
    layers: dict[int, list[Layer]] = {}
    for layer in anatomy.prunable:
        layers.setdefault(layer.stage or 0, []).append(layer)
    word = anatomy.stage_word.capitalize()
    return [
        _row(anatomy, f"{word} {stage + 1}", own, LOG_EDGES, weights, scores, selection, False)
        for stage, own in sorted(layers.items())
    ]


def block_rows(
    anatomy: Anatomy, weights: Mapping[str, np.ndarray], scores: Scores, selection: Selection, row: str
) -> list[WeightRow]:
    """The row labelled `row` of `weight_rows`, split into its blocks."""
    stage, name = row.split(" · ")
    layers = [layer for layer in anatomy.prunable if layer.stage == int(stage) - 1 and kind(layer) == name]
    edges = _edges(weights.values(), False)
    return [
        _row(anatomy, f"block {(layer.block or 0) + 1}", [layer], edges, weights, scores, selection, False)
        for layer in layers
    ]


def _edges(weights: Iterable[np.ndarray], signed: bool) -> np.ndarray:
    if not signed:
        return LOG_EDGES
    # 99.8 % of the widest layer fit; a few outliers count into the end bins.
    reach = max(float(np.quantile(np.abs(w.reshape(-1)[::17]), 0.998)) for w in weights)
    return np.linspace(-reach, reach, 121)


def _row(
    anatomy: Anatomy,
    label: str,
    layers: Sequence[Layer],
    edges: np.ndarray,
    weights: Mapping[str, np.ndarray],
    scores: Scores,
    selection: Selection,
    signed: bool,
) -> WeightRow:
    counts, removed = np.zeros(len(edges) - 1, np.int64), np.zeros(len(edges) - 1, np.int64)
    thresholds, zeros = [], 0
    for layer in layers:
        values, gone = weights[layer.name].reshape(-1), selection.removed.get(layer.name, 0)
        keep = weight_mask(anatomy, scores, selection, layer).reshape(-1)
        bins = _bins(values, edges, signed)
        counts += np.bincount(bins, minlength=len(counts))
        removed += np.bincount(bins[~keep], minlength=len(counts))
        zeros += int(np.count_nonzero(values == 0))
        if scores.by_magnitude and gone:
            thresholds.append(float(np.abs(values[keep]).min()))
    return WeightRow(label, layers[0].module, edges, counts, removed, tuple(thresholds), zeros)


def _bins(values: np.ndarray, edges: np.ndarray, signed: bool) -> np.ndarray:
    with np.errstate(divide="ignore"):  # log10 of a zero weight is -inf and lands in the first bin
        scaled = values if signed else np.log10(np.abs(values))
    place = (scaled - edges[0]) / (edges[1] - edges[0])
    return np.clip(place, 0, len(edges) - 2).astype(np.int64)


def unit_norms(anatomy: Anatomy, weights: Mapping[str, np.ndarray]) -> list[WeightRow]:
    """L2 norms of output units (weight rows), one row for each stage x layer kind; nothing is removed in this view."""
    rows: dict[tuple[int, str], list[np.ndarray]] = {}
    modules = {}
    for layer in anatomy.prunable:
        key = (layer.stage or 0, kind(layer))
        rows.setdefault(key, []).append(np.linalg.norm(weights[layer.name], axis=1))
        modules[key] = layer.module
    result = []
    for key, norms in sorted(rows.items(), key=lambda item: item[0][0]):
        values = np.concatenate(norms)
        counts = np.bincount(_bins(values, LOG_EDGES, False), minlength=len(LOG_EDGES) - 1)
        label = f"{key[0] + 1} · {key[1]}"
        result.append(WeightRow(label, modules[key], LOG_EDGES, counts, counts * 0, (), int((values == 0).sum())))
    return result


def blocks(anatomy: Anatomy) -> list[tuple[str, Block]]:
    """Every block with a name that counts from 1: "2.1" is the first block of stage 2."""
    return [(f"{block.stage + 1}.{block.index + 1}", block) for stage in anatomy.stages for block in stage.blocks]


def columns(granularity: str) -> tuple[str, ...]:
    """What a table by block has in its columns: modules, or kinds of groups where structures go."""
    return KINDS if granularity == "structure" else PRUNABLE_MODULES


def units(anatomy: Anatomy, granularity: str) -> Sequence[Layer | GroupSet]:
    """What units are counted in: prunable layers, or sets of groups where structures go, in forward order."""
    return group_sets(anatomy) if granularity == "structure" else anatomy.prunable


def kept_by_block(anatomy: Anatomy, selection: Selection) -> np.ndarray:
    """Kept units / units, [blocks, columns]."""
    return _by_block(anatomy, selection.granularity, lambda unit: (unit.size - selection.removed[unit.name], unit.size))


def score_by_block(anatomy: Anatomy, scores: Scores) -> np.ndarray:
    """Mean score, [blocks, columns]."""
    return _by_block(
        anatomy, scores.granularity, lambda unit: (float(scores.layers[unit.name].ranked.sum()), unit.size)
    )


def score_by_band(anatomy: Anatomy, scores: Scores) -> dict[tuple[int, str], float]:
    """Mean score of a weight in each block's module, keyed (block in forward order, module).

    Of structures the mean over what heads (of both attention modules) and hidden units own, for each of their params;
    dimensions are parts of heads.
    """
    modules = {"mlp_neuron": (MLP,), "head": (QKV, PRJ)}
    places = {(block.stage, block.index): place for place, block in enumerate(anatomy.blocks)}
    sums: dict[tuple[int, str], np.ndarray] = {}
    for unit in units(anatomy, scores.granularity):
        owned = unit.params if isinstance(unit, GroupSet) else unit.size
        taken = (float(scores.layers[unit.name].ranked.sum()), owned)
        for module in modules.get(unit.module, ()) if isinstance(unit, GroupSet) else (unit.module,):
            key = (places[unit.stage or 0, unit.block or 0], module)
            sums[key] = sums.get(key, np.zeros(2)) + taken
    return {key: float(score / owned) for key, (score, owned) in sums.items()}


def lost_per_mac(anatomy: Anatomy, scores: Scores, selection: Selection) -> np.ndarray:
    """Score removed / million MACs saved, [blocks, columns]; NaN where nothing is removed."""

    def measure(unit: Layer | GroupSet) -> tuple[float, float]:
        gone = selection.removed[unit.name]
        return 1e6 * float(scores.layers[unit.name].ranked[:gone].sum()), gone * unit.macs_per_unit

    return _by_block(anatomy, selection.granularity, measure)


def _by_block(
    anatomy: Anatomy, granularity: str, measure: Callable[[Layer | GroupSet], tuple[float, float]]
) -> np.ndarray:
    """Ratio of sums over each block's units of a column, [blocks, columns]; NaN where the lower sum is zero."""
    sums: dict[tuple[int, int, str], np.ndarray] = {}
    for unit in units(anatomy, granularity):
        key = (unit.stage or 0, unit.block or 0, unit.module)
        sums[key] = sums.get(key, np.zeros(2)) + measure(unit)
    none = np.zeros(2)  # of a block that holds nothing of a column, as one without attention
    table = [
        [sums.get((block.stage, block.index, name), none) for name in columns(granularity)] for block in anatomy.blocks
    ]
    above, below = np.moveaxis(np.array(table), -1, 0)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


def kept_by_head(anatomy: Anatomy, block: Block, scores: Scores, selection: Selection) -> dict[str, np.ndarray]:
    """Kept share of each head's weights under "Q", "K", "V" (rows of qkv) and "out" (columns of proj), each [heads];
    nothing of a block without attention."""
    if not block.heads:
        return {}
    masks = {
        kind(layer): weight_mask(anatomy, scores, selection, layer)
        for layer in block.layers
        if layer.prunable and kind(layer) in ("qkv", "proj")
    }
    # qkv rows are ordered (q, k, v), then head, then channel.
    packed = masks["qkv"].reshape(3, block.heads, -1).mean(axis=2)
    out = masks["proj"].reshape(len(masks["proj"]), block.heads, -1).mean(axis=(0, 2))
    return {"Q": packed[0], "K": packed[1], "V": packed[2], "out": out}


def mask_picture(mask: np.ndarray) -> np.ndarray:
    """Kept share of each tile of a layer's mask, at most `_SIDE` a side; small layers get one tile a weight."""
    keep = mask.astype(np.float32)
    step = max(1, -(-max(keep.shape) // _SIDE))
    rows, columns = (-(-n // step) for n in keep.shape)
    padded = np.full((rows * step, columns * step), np.nan, np.float32)
    padded[: keep.shape[0], : keep.shape[1]] = keep
    return np.nanmean(padded.reshape(rows, step, columns, step), axis=(1, 3))
