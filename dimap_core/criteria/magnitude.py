"""Magnitude: a weight's importance is its absolute value.

Paper: Han et al., "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015
(arXiv 1506.02626), section 3. With scope "layer" this is uniform magnitude pruning, the baseline of DIMAP's Table 3;
with scope "model" it is global magnitude pruning. A group's magnitude is the L2 norm of all its weights and biases.
Simplifications: one shot, no iterations.
"""

from __future__ import annotations

from typing import Any

from ..types import Anatomy, Scores, rank, rank_groups
from .arrays import group_energies, prunable_weights


def score(model: Any, anatomy: Anatomy, granularity: str, statistics: None = None, seed: int = 0) -> Scores:
    """|w| for every prunable layer, or the L2 norm of every group; needs no data."""
    if granularity == "structure":
        return rank_groups("magnitude", seed, group_energies(model, anatomy), root=True)
    return rank("magnitude", seed, prunable_weights(model, anatomy), relative=False, by_magnitude=True)
