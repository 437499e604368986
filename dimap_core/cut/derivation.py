"""Builds what a search derived: convolutions in the place of some attentions, fewer hidden units, from dense weights.

The way of SPViT (arXiv 2111.11802): what stands where is searched, then the small model starts from the original
weights.
Next door: `convolution` makes the mixers, `slicing` takes hidden units out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import nn

from ..anatomy import BlockCut
from ..types import Anatomy, Block, Mixer
from .convolution import unmerge
from .slicing import slice_blocks


def derived(
    model: nn.Module, anatomy: Anatomy, mixers: Mapping[str, Mixer], hidden: Mapping[str, np.ndarray]
) -> nn.Module:
    """A copy of the dense `model` with the named blocks' attention replaced (`mixers`) and only those hidden units
    (ascending indices) that `hidden` names for every block; convolutions in the form that is trained."""
    smaller = slice_blocks(model, anatomy, {block.name: _only(block, hidden[block.name]) for block in anatomy.blocks})
    unmerge(smaller, mixers)
    return smaller


def _only(block: Block, hidden: np.ndarray) -> BlockCut:
    """All of a block's attention, and some of its hidden units."""
    dims = np.tile(np.arange(block.head_dim), (block.heads, 1))
    return BlockCut(hidden, np.arange(block.heads), dims, dims)
