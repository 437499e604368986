"""DIMAP's data-independent importance of single weights.

Paper: He & Zhou, "Data-independent Module-Aware Pruning for Hierarchical Vision Transformers", ICLR 2024
(arXiv 2404.13648), Eq. 1-10; the same formula as LAMP (Lee et al. 2021, arXiv 2010.07611). What DIMAP adds is the
scope "module": one threshold each for QKV-M, PRJ-M and MLP-M.
Simplifications: none in the score. The paper gives thresholds, not the split over modules; equal ratios in each
module reproduce its printed parameter counts and are our reconstruction.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..types import Anatomy, LayerScores, Scores
from .arrays import prunable_weights


def relative_distortion(magnitudes: np.ndarray) -> np.ndarray:
    """Eq. 10 on one layer: magnitudes [n], ascending -> scores float64 [n], ascending.

    Imp(w_(p_j)) = w_(p_j)^2 / sum_(i <= j) w_(p_i)^2, where p sorts the layer's weights in descending magnitude.
    Of equal weights the one that leaves last scores highest; zeros score 0, also in a layer that holds nothing else.
    The running sum goes from the largest square down in float64.
    """
    squares = np.square(magnitudes, dtype=np.float64)
    at_least_as_large = np.cumsum(squares[::-1])[::-1]
    return np.divide(squares, at_least_as_large, out=np.zeros_like(squares), where=at_least_as_large > 0)  # Eq. 10


def score(model: Any, anatomy: Anatomy, granularity: str, statistics: None = None, seed: int = 0) -> Scores:
    """Eq. 10 for every prunable layer; needs no data."""
    layers = {}
    for name, weight in prunable_weights(model, anatomy):
        layers[name] = LayerScores(weight, relative_distortion(np.sort(np.abs(weight), axis=None)))
    return Scores("dimap", seed, layers, by_magnitude=True)
