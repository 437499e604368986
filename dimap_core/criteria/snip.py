"""SNIP: how fast the loss moves as a connection is faded out.

Paper: Lee et al., "SNIP: Single-shot Network Pruning based on Connection Sensitivity", ICLR 2019 (arXiv 1810.02340),
Eq. 5 and 6: with a gate c_j = 1 on every connection, s_j = |dL/dc_j| / sum over k of |dL/dc_k|, and dL/dc_j = g_j * w_j
with g the gradient of one batch's mean loss. Here the batch is all the training images asked for. Structured: the gate
stands on a whole group, so dL/dc is the sum of g * w over all it owns, and the sum in the denominator is over all
groups.
Unlike Taylor, which squares per batch, effects that change sign between images cancel.
Simplifications: the paper prunes before training; here the model is trained, where gradients are small.
Next door: `statistics` gathers the mean gradient.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..types import Anatomy, Scores, rank, rank_groups
from .arrays import in_order, prunable_weights, required

if TYPE_CHECKING:
    from .statistics import Statistics


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: Statistics | None = None, seed: int = 0
) -> Scores:
    """Normalised sensitivities of every weight or group; raises DataError without statistics."""
    found = required(statistics, "SNIP")
    if granularity == "structure":
        return rank_groups("snip", seed, _normalised(in_order(found.effects, anatomy)).items())
    products = ((name, found.gradients[name] * weight) for name, weight in prunable_weights(model, anatomy))
    return rank("snip", seed, _normalised(products).items(), relative=False)


def _normalised(effects: Iterable[tuple[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """|effect| / sum of all |effects|, in the arrays' own precision; left as they are where all are zero."""
    sizes = {name: np.abs(effect) for name, effect in effects}
    total = sum(float(size.sum(dtype=np.float64)) for size in sizes.values())
    return {name: size / size.dtype.type(total or 1.0) for name, size in sizes.items()}
