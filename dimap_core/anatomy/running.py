"""Running someone's model without leaving a trace: in eval mode for a while, with plain tensors out of hooks.

Next door: `segments` runs a model in parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


def tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers by name."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def leaf(value: torch.Tensor) -> torch.Tensor:
    """A tensor in the same memory that gradients can be taken of."""
    return plain_tensor(value).requires_grad_()


def plain_tensor(value: torch.Tensor) -> torch.Tensor:
    """A tensor that autograd takes, in the same memory; a model built under inference mode has to be copied."""
    return value.clone() if value.is_inference() else value.detach()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; modules that were training go on afterwards."""
    training: list[Any] = [module for module in model.modules() if module.training]
    for module in training:  # not `eval`, which sets every flag anew: for short steps that takes longer than they do
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
