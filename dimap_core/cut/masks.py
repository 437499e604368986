"""Masks: selected weights become zeros. Smaller on paper, not faster; the model that was passed stays as it is."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ..ranking import Scores
from ..selection import keep_mask
from ..types import Selection


def masked_weights(model: nn.Module, scores: Scores, selection: Selection) -> dict[str, torch.Tensor]:
    """Parameter name -> masked copy of every weight that loses something, for torch.func.functional_call."""
    masked = {}
    for name, removed in selection.removed.items():
        if removed:
            weight = model.get_parameter(f"{name}.weight").detach()
            keep = torch.from_numpy(keep_mask(scores.layers[name], removed)).to(weight.device)
            masked[f"{name}.weight"] = weight * keep
    return masked


def mask_model(model: nn.Module, scores: Scores, selection: Selection) -> nn.Module:
    """A copy of `model` with the selected weights set to zero; what is replaced is not copied first."""
    copied: dict[int, object] = {}
    for name, weight in masked_weights(model, scores, selection).items():
        old = model.get_parameter(name)
        copied[id(old)] = nn.Parameter(weight, requires_grad=old.requires_grad)
    return copy.deepcopy(model, copied)
