"""Samples for lessons: what a cut gets right on some of the images, drawn at random.

Next door: `measure.intervals` has the interval.
"""

from __future__ import annotations

import numpy as np

from ...measure import wilson
from ...types import Proportion


def drawn(right: np.ndarray, size: int, seed: int) -> Proportion:
    """The share of right answers, with its interval, among `size` images drawn without replacement; `right`: boolean
    [n], all images where `size` is n or more."""
    chosen = np.random.default_rng(seed).permutation(len(right))[:size]
    return wilson(int(right[chosen].sum()), len(chosen))
