"""Random: every weight draws its importance from a uniform distribution. The floor that any criterion must beat.

No paper; a control. Scores depend on the seed and the layer's place in forward order, not on the weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ranking import Scores, rank
from ..types import Anatomy


def score(model: Any, anatomy: Anatomy, granularity: str, statistics: None = None, seed: int = 0) -> Scores:
    """Uniform draws in [0, 1) for every prunable layer."""
    keys = (
        (layer.name, np.random.default_rng([seed, place]).random(layer.shape, dtype=np.float32))
        for place, layer in enumerate(anatomy.prunable)
    )
    return rank("random", seed, keys, relative=False)
