"""What an APMA-style search leaves, physically: masked channels go, factors become part of the projection.

Heads that keep different numbers of channels (the ablation without equal heads) are padded to the widest one with
channels whose weights are all zero: they add nothing, and in softmax attention training leaves them at zero.
Next door: `indicators` says what stays, `cut.slicing` makes the layers smaller.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ....anatomy import BlockCut
from ....cut import slice_blocks
from ....types import Block
from .indicators import Indicators


def removed(model: nn.Module, indicators: Indicators) -> nn.Module:
    """A smaller copy of `model` that answers as the masked one; both on the CPU, without hooks."""
    cuts: dict[str, BlockCut] = {}
    weights: dict[str, torch.Tensor] = {}
    for block, factors in zip(indicators.anatomy.blocks, indicators.factors, strict=True):
        keeps = {kind: indicators.keep(block, kind) for kind in ("mlp_neuron", "qk_dim", "v_dim")}
        cuts[block.name] = _cut(keeps)
        weights |= _folded(model, block, keeps, factors.detach())
    return slice_blocks(model, indicators.anatomy, cuts, weights)


def _cut(keeps: dict[str, torch.Tensor]) -> BlockCut:
    (hidden,) = keeps["mlp_neuron"].numpy()
    heads = np.arange(len(keeps["qk_dim"]))
    return BlockCut(np.flatnonzero(hidden), heads, *(_padded(keeps[kind].numpy()) for kind in ("qk_dim", "v_dim")))


def _padded(keep: np.ndarray) -> np.ndarray:
    """Ascending indices [heads, widest]: what each head keeps, then the first of what it does not."""
    widest = keep.sum(axis=1).max()
    order = np.argsort(~keep, axis=1, kind="stable")
    return np.sort(order[:, :widest], axis=1)


def _folded(
    model: nn.Module, block: Block, keeps: dict[str, torch.Tensor], factors: torch.Tensor
) -> dict[str, torch.Tensor]:
    """The attention's full-size parameters: masked, proj's columns times the factors."""
    rows = torch.cat([keeps[kind].flatten() for kind in ("qk_dim", "qk_dim", "v_dim")])
    found = {f"{block.name}.attn.proj.weight": (keeps["v_dim"] * factors).flatten()}
    found |= {f"{block.name}.attn.qkv.weight": rows[:, None], f"{block.name}.attn.qkv.bias": rows}
    found |= {f"{block.name}.attn.positional": keeps["qk_dim"].flatten()}  # of linear attention
    existing = dict(model.named_parameters())
    return {name: existing[name].detach() * scale for name, scale in found.items() if name in existing}
