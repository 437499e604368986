"""DIMAP's data-independent importance of single weights.

Paper: He & Zhou, "Data-independent Module-Aware Pruning for Hierarchical Vision Transformers", ICLR 2024
(arXiv 2404.13648), Eq. 1-10; the same formula as LAMP (Lee et al. 2021, arXiv 2010.07611). What DIMAP adds is the
scope "module": one threshold each for QKV-M, PRJ-M and MLP-M.

    Imp(w_(p_j)) = w_(p_j)^2 / sum_(i <= j) w_(p_i)^2            (Eq. 10)

where p sorts the layer's weights in descending magnitude: a relative score over keys |w|, as `types.scores` computes
them. Of equal weights the one that leaves last scores highest; zeros score 0, also in a layer that holds nothing else.
Structured form, ours, not the paper's: a group (hidden unit, head, Q/K or V dimension) is scored by its summed squared
weights as one item, and Eq. 10 is applied over the groups of its kind in the block. Simplifications: none in the score.
The paper gives thresholds, not the split over modules; equal ratios in each module reproduce its printed parameter
counts and are our reconstruction.
"""

from __future__ import annotations

from typing import Any

from ..types import Anatomy, Scores, rank, rank_groups
from .arrays import group_energies, prunable_weights


def score(model: Any, anatomy: Anatomy, granularity: str, statistics: None = None, seed: int = 0) -> Scores:
    """Eq. 10 for every prunable layer, or over every set of groups; needs no data."""
    if granularity == "structure":
        return rank_groups("dimap", seed, group_energies(model, anatomy), relative=True)
    return rank("dimap", seed, prunable_weights(model, anatomy), relative=True, by_magnitude=True)
