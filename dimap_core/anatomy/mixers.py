"""What is known from outside of token mixers that are not softmax attention: how they are told, how large they are.

Next door: `cut.convolution` and `cut.linear_attention` build them.
"""

from __future__ import annotations

SIDES: dict[str, int] = {"conv3": 3, "conv1": 1}
PLACED = (*SIDES, "skip")
"""Mixers of a model that have no attention."""

GUARD = 1e-30  # keeps what is masked as a whole from 0 / 0


def kept_kernels(kernels: int, head_dim: int, heads: int, v: int) -> int:
    """How many depthwise kernels `heads` heads with `v` of their `head_dim` V dimensions have: those that all share as
    long as none of them goes, else one for each head and dimension."""
    return kernels if kernels == v == head_dim else heads * v
