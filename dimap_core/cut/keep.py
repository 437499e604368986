"""Masks of what a selection keeps (True: kept), exactly as many units as it says. Numpy, no torch.

N:M: of every M consecutive inputs of an output unit N weights stay, those with the highest |keys|; GPUs with sparse
tensor cores run 2:4 faster, here the others are zeros like any. Inputs beyond the last whole group of M stay. Ties: of
equal keys the one with the lowest input index goes first.
Next door: `masks` writes zeros by these, `slicing` takes whole groups out; `plan` says how many units go.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..anatomy import block_cut, parameter_masks
from ..types import Anatomy, Layer, LayerScores, Scores, Selection, nm_sizes


def keep_mask(layer: LayerScores, removed: int) -> np.ndarray:
    """Boolean array of the weight's shape, True = kept; the `removed` lowest |keys| go (ties: lowest flat index)."""
    if removed <= 0:
        return np.ones(layer.keys.shape, dtype=bool)
    magnitudes, limit = np.abs(layer.keys), layer.ordered[removed - 1]
    keep = magnitudes > limit
    first, last = np.searchsorted(layer.ordered, limit, "left"), np.searchsorted(layer.ordered, limit, "right")
    if last > removed:  # some of the keys at the limit stay
        ties = np.flatnonzero(magnitudes == limit)
        keep.reshape(-1)[ties[removed - first :]] = True
    return keep


def weight_mask(anatomy: Anatomy, scores: Scores, selection: Selection, layer: Layer) -> np.ndarray:
    """Boolean array of the layer's weight's shape, True = kept, for every granularity."""
    if selection.granularity != "structure":
        return layer_keep(scores.layers[layer.name], selection.removed[layer.name], selection)
    block = anatomy.stages[layer.stage or 0].blocks[layer.block or 0]
    masks = parameter_masks(block, block_cut(block, scores, selection))
    return np.broadcast_to(masks[f"{layer.name.removeprefix(f'{block.name}.')}.weight"], layer.shape)


def layer_keep(layer: LayerScores, removed: int, selection: Selection) -> np.ndarray:
    """The mask of one layer of a selection of single weights: free, or by its N:M pattern."""
    if selection.nm is not None and removed:
        return nm_mask(layer.keys, selection.nm)
    return keep_mask(layer, removed)


def kept_zeros(weights: Iterable[tuple[str, np.ndarray]], scores: Scores, selection: Selection) -> dict[str, int]:
    """How many weights of each layer are zero although a selection of single weights keeps them; by chance, or because
    they were cut before. Nothing where it removes nothing, or structures."""
    if selection.granularity == "structure" or not any(selection.removed.values()):
        return {}
    found = {}
    for name, values in weights:
        zeros, removed = values == 0, selection.removed.get(name, 0)
        if zeros.any():
            found[name] = int(zeros[layer_keep(scores.layers[name], removed, selection)].sum())
    return found


def nm_mask(keys: np.ndarray, pattern: str | None) -> np.ndarray:
    """Boolean array like `keys` [outputs, inputs], True = kept."""
    n, m = nm_sizes(pattern)
    keep = np.ones(keys.shape, dtype=bool)
    whole = keys.shape[1] // m * m
    groups = np.abs(keys[:, :whole]).reshape(len(keys), -1, m)
    order = np.argsort(groups, axis=-1, kind="stable")
    inside = np.ones(groups.shape, dtype=bool)
    np.put_along_axis(inside, order[..., : m - n], False, axis=-1)
    keep[:, :whole] = inside.reshape(len(keys), -1)
    return keep
