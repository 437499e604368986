"""A model as a chain: what comes before the blocks, the blocks one by one, what comes after.

Next door: `build` lists the parts; `measure.prefix` keeps what enters each segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from ..types import Family


@dataclass(frozen=True)
class Segment:
    """A piece of the forward pass; `parts` are (dotted name, module) run one after the other."""

    parts: tuple[tuple[str, nn.Module], ...]

    def run(self, weights: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """The segment on x, with those of `weights` (by the model's parameter names) that lie in it."""
        for name, module in self.parts:
            own = {key[len(name) + 1 :]: value for key, value in weights.items() if key.startswith(f"{name}.")}
            x = functional_call(module, own, (x,)) if own else module(x)
        return x


def segments(model: Any, family: Family) -> list[Segment]:
    """One segment a block, in forward order."""
    if family == "deit":
        return [Segment(((f"blocks.{i}", block),)) for i, block in enumerate(model.blocks)]
    chain = []
    for s, stage in enumerate(model.layers):
        for b, block in enumerate(stage.blocks):
            merging = ((f"layers.{s}.downsample", stage.downsample),) if b == 0 else ()
            chain.append(Segment((*merging, (f"layers.{s}.blocks.{b}", block))))
    return chain


def embed(model: Any, family: Family, images: torch.Tensor) -> torch.Tensor:
    """What enters the first block."""
    x = model.patch_embed(images)
    return x if family == "swin" else model.norm_pre(model.patch_drop(model._pos_embed(x)))


def head(model: Any, x: torch.Tensor) -> torch.Tensor:
    """Logits from what leaves the last block."""
    return model.forward_head(model.norm(x))
