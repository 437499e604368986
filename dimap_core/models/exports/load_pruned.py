"""Loads a pruned model from its folder with torch, timm and safetensors alone; a copy lies beside every one of them.

    from load_pruned import load

    model = load("FOLDER")  # in evaluation mode; images [batch, 3, side, side] -> logits [batch, classes]

The folder's card.json tells the rest: "input_size" is the side, images on a 0..1 scale are normalised by "mean" and
"std", "class_names" are the outputs' where they are known. Nothing here comes from DIMAP Explorer, which cut the model;
`timm` in the card says what it was cut from. Written for timm 1.0.31.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F


def load(folder: str | Path) -> nn.Module:
    """The model of a folder that holds card.json and model.safetensors; raises ValueError for one whose parts are not
    to be had here."""
    card = json.loads((Path(folder) / "card.json").read_text(encoding="utf-8"))
    if "timm" not in card:
        raise ValueError("timm has no parts for this model (or its card is an old one); load it with dimap_core.")
    model, tensors = _dense(card), load_file(Path(folder) / "model.safetensors")
    for name in card.get("mixers", {}):
        _place(model, model.get_submodule(name), tensors.get(f"{name}.attn.conv.weight"))
    for name, sizes in card.get("kept", {}).items():
        _resize(model.get_submodule(name), *(sizes[kind] for kind in ("mlp_neuron", "head", "qk_dim", "v_dim")))
    model.load_state_dict(tensors)
    return model.eval()


def _dense(card: dict[str, Any]) -> Any:
    """What was cut, with fresh weights, in the width that is left of its embedding."""
    settings = dict(card["timm"]["settings"])
    eps, windows = settings.pop("norm_eps", None), settings.get("window_size")
    if isinstance(windows, list):
        settings["window_size"] = tuple((side, side) for side in windows)
    model: Any = timm.create_model(card["timm"]["name"], **settings)
    if card.get("embed", 0) not in (0, getattr(model, "embed_dim", 0)):  # heads follow: any number may divide this one
        model = timm.create_model(card["timm"]["name"], **settings | {"embed_dim": card["embed"], "num_heads": 1})
    for module in model.modules():
        if eps is not None and isinstance(module, nn.LayerNorm):
            module.eps = eps
    return model


def _resize(block: Any, hidden: int, heads: int, qk: int, v: int) -> None:
    """Give a block its hidden units, heads and channels a head."""
    block.mlp.fc1 = _linear(block.mlp.fc1, outputs=hidden)
    block.mlp.fc2 = _linear(block.mlp.fc2, inputs=hidden)
    if not heads or (heads, heads * qk, qk) == (block.attn.num_heads, block.attn.proj.in_features, v):
        return
    block.attn = _Attention(block.attn, heads, qk, v)


def _linear(like: nn.Linear, inputs: int = 0, outputs: int = 0) -> nn.Linear:
    return nn.Linear(inputs or like.in_features, outputs or like.out_features, like.bias is not None)


class _Attention(nn.Module):
    """timm's attention (ViT) or window attention (Swin) with heads, Q/K and V widths of its own."""

    def __init__(self, like: Any, heads: int, qk: int, v: int) -> None:
        super().__init__()
        self.num_heads = heads
        if qk == v:
            self.qkv = _linear(like.qkv, outputs=3 * heads * v)
        else:
            self.q, self.k = (_linear(like.qkv, outputs=heads * qk) for _ in range(2))
            self.v = _linear(like.qkv, outputs=heads * v)
        self.proj = _linear(like.proj, inputs=heads * v)
        if hasattr(like, "relative_position_bias_table"):
            offsets = len(like.relative_position_bias_table)
            self.relative_position_bias_table = nn.Parameter(torch.empty(offsets, heads))
            self.register_buffer("relative_position_index", like.relative_position_index, persistent=False)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None, attn_mask: torch.Tensor | None = None, **_: Any
    ) -> torch.Tensor:
        """x [B, N, C] -> [B, N, C]; `mask` [windows, N, N] of shifted windows, as timm's Swin hands it."""
        parts = self.qkv(x).chunk(3, -1) if hasattr(self, "qkv") else (self.q(x), self.k(x), self.v(x))
        q, k, v = (part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in parts)
        bias: Any = self._positions(x.shape[1]) if hasattr(self, "relative_position_bias_table") else attn_mask
        if mask is not None:
            bias = (bias + mask.unsqueeze(1)).repeat(len(x) // len(mask), 1, 1, 1)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.proj(found.transpose(1, 2).flatten(2))

    def _positions(self, tokens: int) -> torch.Tensor:
        """The bias of each pair of a window's tokens, [1, heads, N, N]."""
        index: Any = self.relative_position_index
        return self.relative_position_bias_table[index.reshape(tokens, tokens)].permute(2, 0, 1).unsqueeze(0)


class _Convolution(nn.Module):
    """In the place of attention: a convolution over the map of patches, batch norm, ReLU, and back to all channels."""

    def __init__(self, kernels: torch.Tensor, prefix: int, grid: tuple[int, int]) -> None:
        super().__init__()
        channels, width, side, _ = kernels.shape
        self.prefix, self.grid = prefix, grid
        self.conv = nn.Conv2d(width, channels, side, padding=side // 2)
        self.batchnorm = nn.BatchNorm2d(channels)
        self.out = nn.Conv2d(channels, width, 1)

    def forward(self, x: torch.Tensor, **_: Any) -> torch.Tensor:
        """x [B, N, C] -> the same shape; class and distillation tokens pass by."""
        image = x[:, self.prefix :].transpose(1, 2).unflatten(2, self.grid)
        made = self.out(self.batchnorm(self.conv(image)).relu()).flatten(2).transpose(1, 2)
        return torch.cat([x[:, : self.prefix], made], 1)


class _Nothing(nn.Module):
    """In the place of attention: the block's residual passes on what came."""

    def forward(self, x: torch.Tensor, **_: Any) -> torch.Tensor:
        """x -> zeros."""
        return torch.zeros_like(x)


def _place(model: Any, block: Any, kernels: torch.Tensor | None) -> None:
    """Put a convolution of such kernels, or nothing, in the place of a block's attention."""
    swin = hasattr(block, "input_resolution")
    grid = tuple(block.input_resolution if swin else model.patch_embed.grid_size)
    prefix = 0 if swin else model.num_prefix_tokens
    block.attn = _Nothing() if kernels is None else _Convolution(kernels, prefix, grid)
    if swin:  # one window as large as the map, unshifted
        block.window_size, block.window_area, block.shift_size = grid, grid[0] * grid[1], (0, 0)
        block.dynamic_mask = False
        block.register_buffer("attn_mask", None, persistent=False)
