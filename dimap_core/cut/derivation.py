"""Builds what a search derived: convolutions in the place of some attentions, fewer hidden units, from dense weights.

The way of SPViT (arXiv 2111.11802): what stands where is searched, then the small model starts from the original
weights. Also builds its published architectures (`presets`).
Next door: `convolution` makes the mixers, `slicing` takes hidden units out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from ..anatomy import build_anatomy
from ..groups import BlockCut
from ..presets import Preset
from ..types import Anatomy, Block, Family, Mixer
from .convolution import fold, place_mixers, unmerge
from .slicing import block_sizes, resize, slice_blocks


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


def carve(model: nn.Module, family: Family, preset: Preset) -> nn.Module:
    """A published architecture in its deployed form, from a dense model's weights."""
    anatomy = build_anatomy(model, family)
    hidden = {name: np.arange(units) for name, (_, units) in _by_block(anatomy, preset).items()}
    return fold(derived(model, anatomy, _placed(anatomy, preset), hidden)).eval()


def carve_empty(model: Any, family: Family, preset: Preset) -> None:
    """Give a model without memory the form of a published architecture, in place."""
    anatomy = build_anatomy(model, family)
    place_mixers(model, _placed(anatomy, preset))
    sizes = {name: block_sizes(model.get_submodule(name)) for name in _by_block(anatomy, preset)}
    resize(model, {name: sizes[name]._replace(hidden=units) for name, (_, units) in _by_block(anatomy, preset).items()})


def _by_block(anatomy: Anatomy, preset: Preset) -> dict[str, tuple[Mixer, int]]:
    return {block.name: slot for block, slot in zip(anatomy.blocks, preset.blocks, strict=True)}


def _placed(anatomy: Anatomy, preset: Preset) -> dict[str, Mixer]:
    """By block name what takes the place of attention."""
    return {name: mixer for name, (mixer, _) in _by_block(anatomy, preset).items() if mixer != "softmax"}
