"""Masks: selected weights or groups become zeros. Smaller on paper, not faster; the model passed in stays as it is.

Next door: `slicing` makes the same structured cut really smaller, with the same outputs.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn

from ..anatomy import BlockCut, block_cut, parameter_masks
from ..types import Anatomy, Block, Scores, Selection
from .keep import layer_keep


def masked_weights(model: nn.Module, anatomy: Anatomy, scores: Scores, selection: Selection) -> dict[str, torch.Tensor]:
    """Parameter name -> masked copy of everything that loses something, for torch.func.functional_call."""
    masked = {}
    for name, keep in parameter_keeps(model, anatomy, scores, selection):
        parameter = model.get_parameter(name).detach()
        masked[name] = parameter * torch.from_numpy(keep).to(parameter.device)
    return masked


def parameter_keeps(
    model: nn.Module, anatomy: Anatomy, scores: Scores, selection: Selection
) -> Iterator[tuple[str, np.ndarray]]:
    """(parameter name, boolean mask that broadcasts over it, True = kept) of everything that loses something."""
    if selection.granularity != "structure":
        for name, removed in selection.removed.items():
            if removed:
                yield f"{name}.weight", layer_keep(scores.layers[name], removed, selection)
        return
    for block in anatomy.blocks:
        yield from block_keeps(model, block, block_cut(block, scores, selection))


def block_keeps(model: nn.Module, block: Block, cut: BlockCut) -> Iterator[tuple[str, np.ndarray]]:
    """(parameter name, mask) of what a structured cut of one block takes from, as in `parameter_keeps`."""
    existing = {name for name, _ in model.get_submodule(block.name).named_parameters()}
    for name, keep in parameter_masks(block, cut).items():
        if not keep.all() and name in existing:
            yield f"{block.name}.{name}", keep


def with_weights(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """A copy of `model` with some of its parameters replaced; what is replaced is not copied first."""
    copied: dict[int, object] = {}
    for name, weight in weights.items():
        old = model.get_parameter(name)
        copied[id(old)] = nn.Parameter(weight, requires_grad=old.requires_grad)
    return copy.deepcopy(model, copied)
