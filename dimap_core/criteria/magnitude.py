"""Magnitude: a weight's importance is its absolute value.

Paper: Han et al., "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015
(arXiv 1506.02626), section 3. With scope "layer" this is uniform magnitude pruning, the baseline of DIMAP's Table 3;
with scope "model" it is global magnitude pruning. Simplifications: one shot, no iterations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..types import Anatomy, LayerScores, Scores
from .arrays import prunable_weights


def score(model: Any, anatomy: Anatomy, granularity: str, statistics: None = None, seed: int = 0) -> Scores:
    """|w| for every prunable layer; needs no data."""
    layers = {}
    for name, weight in prunable_weights(model, anatomy):
        layers[name] = LayerScores(weight, np.sort(np.abs(weight), axis=None).astype(np.float64))
    return Scores("magnitude", seed, layers, by_magnitude=True)
