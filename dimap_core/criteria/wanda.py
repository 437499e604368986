"""Wanda: a weight is worth its magnitude times the norm of the input that it multiplies.

Paper: Sun et al., "A Simple and Effective Pruning Approach for Large Language Models", ICLR 2024 (arXiv 2306.11695),
Eq. 1: S_ij = |W_ij| * ||X_j||_2 over all tokens of the calibration images, compared within each output row.
That comparison is part of the method, so a weight's key here is its rank by S_ij within its row, (rank + 1/2) / inputs:
whatever ratio and scope a plan has, every row of every layer loses the same share, to a unit. A scope wider than a
layer therefore changes nothing, as published. Equal S_ij leave in the order of their inputs.
Structured form, our reconstruction, not the paper's: an input channel j of proj or fc2 (a V dimension, a hidden unit)
is worth ||W[:, j]||^2 * E[x_j^2], the energy that it alone adds to the output; a head the sum over its channels. For a
Q/K dimension the "weights" that queries meet are the keys: the energy that it alone adds to the logits. These energies
are of different quantities, so let groups compete within their kind.
Simplifications: none for single weights.
Next door: `statistics` gathers the second moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..types import Anatomy, Scores, rank, rank_groups
from .arrays import channel_energies, prunable_weights, required, unsliced, weight_of

if TYPE_CHECKING:
    from .statistics import Statistics


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: Statistics | None = None, seed: int = 0
) -> Scores:
    """Ranks within rows, or output energies of groups; raises DataError without statistics."""
    found = required(statistics, "Wanda")
    if granularity == "structure":
        return rank_groups("wanda", seed, _energies(model, anatomy, found))
    keys = (
        (name, within_rows(np.abs(weight) * np.sqrt(found.inputs[name].energy)))
        for name, weight in prunable_weights(model, anatomy)
    )
    return rank("wanda", seed, keys, relative=False)


def within_rows(scores: np.ndarray) -> np.ndarray:
    """(rank within its row + 1/2) / columns of every entry [rows, columns], float32; equal ones by column."""
    order = np.argsort(scores, axis=1, kind="stable")
    keys = np.empty(scores.shape, np.float32)
    places = (np.arange(scores.shape[1], dtype=np.float32) + 0.5) / scores.shape[1]
    np.put_along_axis(keys, order, np.broadcast_to(places, scores.shape), axis=1)
    return keys


def _energies(model: Any, anatomy: Anatomy, found: Statistics) -> Iterator[tuple[str, np.ndarray]]:
    for block in unsliced(anatomy):
        yield f"{block.name}:mlp_neuron", _output_energies(model, f"{block.name}.mlp.fc2", found)
        if not block.heads:
            continue
        v = _output_energies(model, f"{block.name}.attn.proj", found).reshape(block.heads, block.head_dim)
        yield f"{block.name}:head", v.sum(axis=1)
        yield f"{block.name}:qk_dim", found.logits[block.name].diagonal(axis1=1, axis2=2)
        yield f"{block.name}:v_dim", v


def _output_energies(model: Any, name: str, found: Statistics) -> np.ndarray:
    """What each input channel of a layer alone adds to its output, float64 [in]."""
    return channel_energies(weight_of(model, name)) * found.inputs[name].energy
