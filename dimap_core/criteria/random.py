"""Random: every weight (or group) draws its importance from a uniform distribution.

The floor that any criterion must beat. No paper; a control. Scores depend on the seed and the layer's place in forward
order, not on the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..anatomy import group_sets
from ..types import Anatomy, Scores, rank, rank_groups


def score(model: Any, anatomy: Anatomy, granularity: str, statistics: None = None, seed: int = 0) -> Scores:
    """Uniform draws in [0, 1) for every prunable layer or set of groups."""
    if granularity == "structure":
        return rank_groups("random", seed, _group_draws(anatomy, seed))
    keys = (
        (layer.name, np.random.default_rng([seed, place]).random(layer.shape, dtype=np.float32))
        for place, layer in enumerate(anatomy.prunable)
    )
    return rank("random", seed, keys, relative=False)


def _group_draws(anatomy: Anatomy, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    blocks = {block.name: block for block in anatomy.blocks}
    for place, group in enumerate(group_sets(anatomy)):
        block = blocks[group.name.partition(":")[0]]
        rng = np.random.default_rng([seed, place])
        if group.module in ("qk_dim", "v_dim"):
            # A slot's worth is the sum over its heads: their number must not count.
            yield group.name, rng.random((block.heads, group.size)) / block.heads
        else:
            yield group.name, rng.random(group.size)
