"""Slicing: selected groups leave the tensors, so that the model is really smaller; same outputs as with `masks`.

timm's modules and their forward stay, with smaller layers, unless a block's Q/K and V widths come to differ: then
`attention` holds what takes the place of timm's attention. Fused attention divides logits by the square root of the
width it sees, so a narrower Q/K is made up for in W_q and b_q, and `scale` follows the new width: right for both paths.
Linear attention has no such temperature; its norms run over the channels that are left, as over the masked ones.
Next door: `masks` writes zeros instead, `anatomy.groups` says what a group is, `models` rebuilds sliced models from
files.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from timm.layers import Mlp
from timm.layers.attention import Attention
from timm.models.swin_transformer import WindowAttention
from torch import nn

from ..anatomy import PLACED, BlockCut, block_cut
from ..types import KINDS, Anatomy, Block, InvalidPlan, Scores, Selection, UnsupportedModel
from .attention import SplitAttention, SplitWindowAttention, empty_linear, empty_table
from .convolution import mixers_of
from .linear_attention import FocusedLinearAttention

Tensors = dict[str, torch.Tensor]


class BlockSizes(NamedTuple):
    """What a block holds: hidden units, heads, Q/K and V channels a head (0 without attention); in the order of
    `types.KINDS`."""

    hidden: int
    heads: int
    qk: int
    v: int


def slice_model(
    model: nn.Module,
    anatomy: Anatomy,
    scores: Scores,
    selection: Selection,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> nn.Module:
    """A physically smaller copy of `model`, which stays as it is; layers that shrink are never copied whole.

    Args:
        selection: a structured one.
        weights: by parameter name, full-shape tensors to take in place of the model's own, e.g. repaired ones.

    Raises:
        InvalidPlan: the selection is one of single weights.
        UnsupportedModel: an affected block normalises or gates what would be cut.
    """
    if selection.granularity != "structure":
        raise InvalidPlan("Only whole structures can be sliced out; choose the granularity 'structure'.")
    cuts = {block.name: block_cut(block, scores, selection) for block in anatomy.blocks}
    return slice_blocks(model, anatomy, cuts, weights)


def slice_blocks(
    model: nn.Module,
    anatomy: Anatomy,
    cuts: Mapping[str, BlockCut],
    weights: Mapping[str, torch.Tensor] | None = None,
) -> nn.Module:
    """`slice_model` of what each named block keeps."""
    given = {name: tensor.detach() for name, tensor in (weights or {}).items()}
    full = {name: parameter.detach() for name, parameter in model.named_parameters()} | given
    sizes = {name: sizes_of(cut) for name, cut in cuts.items()}
    tensors: Tensors = {}
    cut_names: set[str] = set()
    for block in anatomy.blocks:
        module = model.get_submodule(block.name)
        for half in _changed(module, sizes[block.name]):
            check_sliceable(module, block.name)
            prefix = f"{block.name}.{half}."
            old = {name.removeprefix(prefix): value for name, value in full.items() if name.startswith(prefix)}
            cut = cuts[block.name]
            left = _mlp(cut, old) if half == "mlp" else _attention(block, cut, old)
            tensors |= {prefix + name: tensor for name, tensor in left.items()}
            cut_names |= {prefix + name for name in old}
    tensors |= {name: tensor.clone() for name, tensor in given.items() if name not in cut_names}
    # The memo lets the copy share what is replaced right after.
    shared = {id(p): p for name, p in model.named_parameters() if name in cut_names | given.keys()}
    smaller = copy.deepcopy(model, shared)
    resize(smaller, sizes)
    smaller.load_state_dict(tensors, strict=False, assign=True)
    return smaller


def check_sliceable(block: Any, name: str) -> None:
    """Raise UnsupportedModel unless the block's attention and MLP are timm's plain ones, or the attention linear.

    A norm over Q, K, the heads or the hidden units sees the zeros of a mask, and a gate has rows of its own.
    """
    inside = [getattr(block.mlp, "norm", None)]
    inside += [getattr(block.attn, part, None) for part in ("q_norm", "k_norm", "norm", "gate")]
    plain = type(block.attn) in (Attention, WindowAttention, FocusedLinearAttention)
    plain = plain or getattr(block.attn, "mixer", None) in PLACED
    normed = any(part is not None and not isinstance(part, nn.Identity) for part in inside)
    if not plain or normed or type(block.mlp) is not Mlp:
        what = f"{type(block.attn).__name__} and {type(block.mlp).__name__}"
        raise UnsupportedModel(f"'{name}' ({what}) has parts that cannot be sliced; prune single weights instead.")


def _mlp(cut: BlockCut, full: Tensors) -> Tensors:
    """What is left of an MLP's parameters; names are those inside it."""
    axes = {"fc1.weight": 0, "fc1.bias": 0, "fc2.weight": 1}
    return {
        name: _take(tensor, axes[name], cut.hidden) if name in axes else tensor.clone() for name, tensor in full.items()
    }


def _attention(block: Block, cut: BlockCut, full: Tensors) -> Tensors:
    """What is left of an attention's parameters: "qkv.weight" where timm's module stays, else "q.weight" and so on."""
    tensors: Tensors = {}
    warmth = math.sqrt(cut.qk.shape[1] / block.head_dim) if block.mixer == "softmax" else 1.0
    rows = [_channels(block, cut.heads, dims) for dims in (cut.qk, cut.qk, cut.v)]
    for name, tensor in full.items():
        layer, _, part = name.rpartition(".")
        if layer == "qkv" and cut.qk.shape == cut.v.shape:
            packed = np.concatenate([at * len(tensor) // 3 + kept for at, kept in enumerate(rows)])
            tensors[name] = _take(tensor, 0, packed)
            tensors[name][: cut.qk.size] *= warmth
        elif layer == "qkv":
            q, k, v = (_take(third, 0, kept) for third, kept in zip(tensor.chunk(3), rows, strict=True))
            tensors |= {f"q.{part}": q.mul_(warmth), f"k.{part}": k, f"v.{part}": v}
        elif name == "proj.weight":
            tensors[name] = _take(tensor, 1, rows[2])
        elif name == "relative_position_bias_table":
            tensors[name] = _take(tensor, 1, cut.heads)
        elif name in ("positional", "channel_scale"):
            tensors[name] = _take(tensor, tensor.ndim - 1, rows[1])
        elif layer == "dwc":
            tensors[name] = _kernels(block, cut, tensor)
        else:
            tensors[name] = tensor.clone()
    return tensors


def _kernels(block: Block, cut: BlockCut, full: torch.Tensor) -> torch.Tensor:
    """What is left of a depthwise convolution's weight or bias: what heads share, or one kernel a head and channel."""
    shared = len(full) == block.head_dim
    if shared and cut.v.shape[1] == block.head_dim:
        return full.clone()
    return _take(full, 0, cut.v.reshape(-1) if shared else _channels(block, cut.heads, cut.v))


def _channels(block: Block, heads: np.ndarray, dims: np.ndarray) -> np.ndarray:
    """Indices among all heads' channels of dimensions `dims` [heads, d] inside `heads` [heads]."""
    return (heads[:, None] * block.head_dim + dims).reshape(-1)


def _take(tensor: torch.Tensor, axis: int, kept: np.ndarray) -> torch.Tensor:
    return tensor.index_select(axis, torch.from_numpy(kept).to(tensor.device))


def resize(model: nn.Module, sizes: Mapping[str, BlockSizes]) -> None:
    """Give the named blocks the wanted sizes, in place.

    Layers that change have no memory until a state dict is loaded with `assign=True`; the others are left alone.
    """
    for name, wanted in sizes.items():
        block: Any = model.get_submodule(name)
        changed = _changed(block, wanted)
        if "mlp" in changed:
            block.mlp.fc1 = empty_linear(block.mlp.fc1, block.mlp.fc1.in_features, wanted.hidden)
            block.mlp.fc2 = empty_linear(block.mlp.fc2, wanted.hidden, block.mlp.fc2.out_features)
        if "attn" in changed and isinstance(block.attn, FocusedLinearAttention):
            block.attn = block.attn.resized(*wanted[1:])
        elif "attn" in changed and wanted.qk == wanted.v:
            _resize_packed(block.attn, wanted)
        elif "attn" in changed:
            block.attn = split(block.attn, wanted)


def split(attn: Any, wanted: BlockSizes) -> SplitAttention:
    """What takes the place of timm's attention where Q/K and V widths differ; no memory for its parameters."""
    kind = SplitWindowAttention if isinstance(attn, WindowAttention) else SplitAttention
    return kind(attn, wanted.heads, wanted.qk, wanted.v)


def _changed(block: nn.Module, wanted: BlockSizes) -> list[str]:
    """Which halves of a block have to change, of "attn" and "mlp"."""
    now = block_sizes(block)
    return ["attn"] * (now[1:] != wanted[1:]) + ["mlp"] * (now.hidden != wanted.hidden)


def _resize_packed(attn: Any, wanted: BlockSizes) -> None:
    """timm's own attention with other sizes; its forward reads them from these attributes."""
    channels = wanted.heads * wanted.v
    attn.qkv = empty_linear(attn.qkv, attn.qkv.in_features, 3 * channels)
    attn.proj = empty_linear(attn.proj, channels, attn.proj.out_features)
    attn.num_heads, attn.scale = wanted.heads, wanted.qk**-0.5
    if isinstance(attn, WindowAttention):
        attn.relative_position_bias_table = empty_table(attn.relative_position_bias_table, wanted.heads)
    else:
        attn.head_dim, attn.attn_dim = wanted.v, channels


def sizes_of(cut: BlockCut) -> BlockSizes:
    """The sizes that a cut leaves."""
    return BlockSizes(len(cut.hidden), len(cut.heads), cut.qk.shape[1], cut.v.shape[1])


def is_block(module: nn.Module) -> bool:
    """Whether a module is a transformer block: one with an attention (or what took its place) and an MLP."""
    attention = getattr(module, "attn", None)
    return hasattr(module, "mlp") and (hasattr(attention, "num_heads") or hasattr(attention, "mixer"))


def block_sizes(block: Any) -> BlockSizes:
    """The sizes of a dense, masked or sliced block."""
    if getattr(block.attn, "mixer", None) in PLACED:
        return BlockSizes(block.mlp.fc1.out_features, 0, 0, 0)
    heads = block.attn.num_heads
    d_v = block.attn.proj.in_features // heads
    d_qk = block.attn.q.out_features // heads if hasattr(block.attn, "q") else d_v
    return BlockSizes(block.mlp.fc1.out_features, heads, d_qk, d_v)


def shape_facts(model: nn.Module, anatomy: Anatomy) -> dict[str, Any]:
    """What a checkpoint's card needs to rebuild a model that was cut before: "kept" sizes, "mixers" and "embed"."""
    facts: dict[str, Any] = {"kept": kept_sizes(model, anatomy), "mixers": mixers_of(anatomy)}
    return facts if anatomy.family == "swin" else {**facts, "embed": model.embed_dim}


def kept_sizes(model: nn.Module, anatomy: Anatomy) -> dict[str, dict[str, int]]:
    """Block name -> units by kind that `model` holds, for a checkpoint's card; `anatomy` may be the dense model's."""
    sizes = {block.name: block_sizes(model.get_submodule(block.name)) for block in anatomy.blocks}
    return {name: dict(zip(KINDS, size, strict=True)) for name, size in sizes.items()}
