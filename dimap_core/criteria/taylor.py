"""Taylor: how much the loss would change, to first order, if the group were set to zero.

Paper: Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019 (arXiv 1906.10771): the joint
importance of a set of parameters, (sum over s in g of dL/dw_s * w_s)^2, summed over batches of training images. A
group's weights and biases count in all tensors that it owns (Q with K, V with proj, fc1 with fc2). The score estimates
the loss itself, so groups of all kinds may compete: as measured, scope "model" with cost exponent 1, loss per MAC, is
best on the bundled models.
Simplifications: one shot, the gradients of the dense model; the paper prunes a little at a time while it trains.
Next door: `statistics` gathers the sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..ranking import Scores, rank_groups
from ..types import Anatomy

if TYPE_CHECKING:  # torch stays out of the app's process
    from ..statistics import Statistics


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: Statistics | None = None, seed: int = 0
) -> Scores:
    """Summed squared first-order effects of every set of groups; raises DataError without statistics."""
    if statistics is None:
        raise DataError("Taylor scores need training images; name a data set the model knows, or another criterion.")
    return rank_groups("taylor", seed, statistics.taylor.items())
