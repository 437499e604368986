"""Taylor: how much the loss would change, to first order, if the weight or the group were set to zero.

Paper: Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019 (arXiv 1906.10771): of a weight
(dL/dw * w)^2 (Eq. 8), of a set of parameters its joint importance (sum over s in g of dL/dw_s * w_s)^2, summed over
batches of training images. A group's weights and biases count in all tensors that it owns (Q with K, V with proj, fc1
with fc2). The score estimates the loss itself, so groups of all kinds may compete: as measured, scope "model" with cost
exponent 1, loss per MAC, is best on the bundled models.
Simplifications: one shot, the gradients of the dense model; the paper prunes a little at a time while it trains.
Next door: `statistics` gathers the sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..types import Anatomy, Scores, rank, rank_groups
from .arrays import in_order, required

if TYPE_CHECKING:  # torch stays out of the app's process
    from .statistics import Statistics


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: Statistics | None = None, seed: int = 0
) -> Scores:
    """Summed squared first-order effects of every weight or group; raises DataError without statistics."""
    found = required(statistics, "Taylor")
    if granularity == "structure":
        return rank_groups("taylor", seed, in_order(found.taylor, anatomy))
    return rank("taylor", seed, found.squares.items(), relative=False)
