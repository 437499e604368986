"""NViT's score of structures, taken once on the dense model.

Paper: Yang et al., "Global Vision Transformer Pruning with Hessian-Aware Saliency", CVPR 2023 (arXiv 2110.04869),
Eq. 6: (sum over s in S of w_s * dL/dw_s)^2, squared per batch, then averaged. The paper motivates it by the Hessian and
calls it Hessian-aware; the formula is the squared first-order term, in which no curvature is left.
What sets it apart from Taylor is what a unit reads, as the released code has it: a hidden unit its row of fc1 with bias
and not fc2, a head its rows of q, k and v, a Q/K dimension q alone and a V dimension v alone, each at one index of all
heads together, so that every head loses the same indices. The text has no divisors; the code divides the sum by 2 for
dimensions and by 6 * 2 for heads before it squares, and so do we.
Simplifications: one shot, batches of 32 (published: 512, 100 steps, again and again while it trains); units are ranked
one by one instead of in groups of 8 or 16; no embedding channels, no latency term (a cost exponent stands in).
Next door: `statistics` gathers the averages, `anatomy.nvit_sums` says what a unit reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..types import Anatomy, Scores, rank_groups
from .arrays import in_order, required

if TYPE_CHECKING:
    from .statistics import Statistics

DIVISORS = {"mlp_neuron": 1.0, "head": 12.0, "qk_dim": 2.0, "v_dim": 2.0}


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: Statistics | None = None, seed: int = 0
) -> Scores:
    """Eq. 6 of every group; raises DataError without statistics."""
    return rank_groups("nvit", seed, _worths(required(statistics, "NViT"), anatomy))


def _worths(found: Statistics, anatomy: Anatomy) -> Iterator[tuple[str, np.ndarray]]:
    heads_of = {block.name: block.heads for block in anatomy.blocks}
    for name, value in in_order(found.nvit, anatomy):
        block, _, kind = name.partition(":")
        heads = heads_of[block]
        worth = value / DIVISORS[kind] ** 2
        # One index goes from all heads: each head holds an equal share of what the index is worth.
        yield name, np.tile(worth / heads, (heads, 1)) if kind in ("qk_dim", "v_dim") else worth
