"""Slicing: selected groups leave the tensors, so that the model is really smaller; same outputs as with `masks`.

timm's modules and their forward stay, with smaller layers, unless a block's Q/K and V widths come to differ: then
`attention` holds what takes the place of timm's attention. Fused attention divides logits by the square root of the
width it sees, so a narrower Q/K is made up for in W_q and b_q, and `scale` follows the new width: right for both paths.
Next door: `masks` writes zeros instead, `groups` says what a group is, `models` rebuilds sliced models from files.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from timm.layers import Mlp
from timm.layers.attention import Attention
from timm.models.swin_transformer import WindowAttention
from torch import nn

from ..errors import InvalidPlan, UnsupportedModel
from ..groups import BlockCut, block_cut, kept_counts
from ..ranking import Scores
from ..types import KINDS, Anatomy, Block, Selection
from .attention import SplitAttention, SplitWindowAttention, empty_linear, empty_table

Tensors = dict[str, torch.Tensor]
_RESIZED = (
    "attn.qkv.weight", "attn.qkv.bias", "attn.proj.weight", "attn.proj.bias", "attn.relative_position_bias_table",
    "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias",
)  # fmt: skip
"""Parameters of a block whose layers `resize` makes anew."""


class BlockSizes(NamedTuple):
    """What a block holds: hidden units, heads, Q/K and V channels a head; in the order of `types.KINDS`."""

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
    given = {name: tensor.detach() for name, tensor in (weights or {}).items()}
    own = {name: parameter.detach() for name, parameter in model.named_parameters()}
    full, sizes = {**own, **given}, _cut_blocks(anatomy, selection)
    tensors: Tensors = {}
    for block in anatomy.blocks:
        if block.name in sizes:
            check_sliceable(model.get_submodule(block.name), block.name)
            cut = block_cut(block, scores, selection)
            tensors |= _block_tensors(block, cut, lambda name, at=block.name: full.get(f"{at}.{name}"))
    replaced = {f"{name}.{part}" for name in sizes for part in _RESIZED}
    tensors |= {name: tensor.clone() for name, tensor in given.items() if name not in replaced}
    # The memo lets the copy share these until they are replaced below.
    shared = {id(p): p for name, p in model.named_parameters() if name in replaced or name in given}
    smaller = copy.deepcopy(model, shared)
    resize(smaller, sizes)
    smaller.load_state_dict(tensors, strict=False, assign=True)
    return smaller


def _cut_blocks(anatomy: Anatomy, selection: Selection) -> dict[str, BlockSizes]:
    """Block name -> what is left, of the blocks that lose something."""
    gone = {name.partition(":")[0] for name, removed in selection.removed.items() if removed}
    return {b.name: BlockSizes(*kept_counts(b, selection)) for b in anatomy.blocks if b.name in gone}


def check_sliceable(block: Any, name: str) -> None:
    """Raise UnsupportedModel unless the block's attention and MLP are timm's plain ones.

    A norm over Q, K, the heads or the hidden units sees the removed zeros of a mask, and a gate has rows of its own.
    """
    inside = [getattr(block.mlp, "norm", None)]
    inside += [getattr(block.attn, part, None) for part in ("q_norm", "k_norm", "norm", "gate")]
    plain = type(block.attn) in (Attention, WindowAttention) and type(block.mlp) is Mlp
    if not plain or any(part is not None and not isinstance(part, nn.Identity) for part in inside):
        what = f"{type(block.attn).__name__} and {type(block.mlp).__name__}"
        raise UnsupportedModel(f"'{name}' ({what}) has parts that cannot be sliced; prune single weights instead.")


def _block_tensors(block: Block, cut: BlockCut, full: Callable[[str], torch.Tensor | None]) -> Tensors:
    """Parameter name in the sliced model -> what is left of it; `full` gives the block's whole parameters."""
    hidden, heads = torch.from_numpy(cut.hidden), torch.from_numpy(cut.heads)
    v_rows = _rows(block, cut.heads, cut.v)
    left = {
        "attn.proj.weight": (1, v_rows),
        "attn.relative_position_bias_table": (1, heads),
        "mlp.fc1.weight": (0, hidden),
        "mlp.fc1.bias": (0, hidden),
        "mlp.fc2.weight": (1, hidden),
    }
    tensors = {}
    for name, (axis, kept) in left.items():
        if (tensor := full(name)) is not None:
            tensors[name] = tensor.index_select(axis, kept.to(tensor.device))
    for name in ("attn.proj.bias", "mlp.fc2.bias"):
        if (tensor := full(name)) is not None:
            tensors[name] = tensor.clone()
    for part in ("weight", "bias"):
        if (packed := full(f"attn.qkv.{part}")) is not None:
            tensors |= {f"attn.{name}.{part}": tensor for name, tensor in _qkv(block, cut, packed).items()}
    return {f"{block.name}.{name}": tensor for name, tensor in tensors.items()}


def _rows(block: Block, heads: np.ndarray, dims: np.ndarray) -> torch.Tensor:
    """Rows of q, k or v [heads * d] that belong to dimensions `dims` [heads, d] of `heads` [heads]."""
    return torch.from_numpy((heads[:, None] * block.head_dim + dims).reshape(-1))


def _qkv(block: Block, cut: BlockCut, packed: torch.Tensor) -> Tensors:
    """What is left of the packed weight [3 * heads * dim, C] or bias: "qkv" again, or "q", "k" and "v"."""
    q_full, k_full, v_full = packed.chunk(3)
    qk_rows, v_rows = (_rows(block, cut.heads, dims).to(packed.device) for dims in (cut.qk, cut.v))
    q = q_full[qk_rows] * math.sqrt(cut.qk.shape[1] / block.head_dim)
    k, v = k_full[qk_rows], v_full[v_rows]
    return {"qkv": torch.cat([q, k, v])} if cut.qk.shape == cut.v.shape else {"q": q, "k": k, "v": v}


def resize(model: nn.Module, sizes: Mapping[str, BlockSizes]) -> None:
    """Give the named blocks layers of other sizes, in place; their parameters have no memory until a state dict is
    loaded with `assign=True`."""
    for name, wanted in sizes.items():
        block: Any = model.get_submodule(name)
        if wanted.qk == wanted.v:
            _resize_packed(block.attn, wanted)
        else:
            window = isinstance(block.attn, WindowAttention)
            split = SplitWindowAttention if window else SplitAttention
            block.attn = split(block.attn, wanted.heads, wanted.qk, wanted.v)
        block.mlp.fc1 = empty_linear(block.mlp.fc1, block.mlp.fc1.in_features, wanted.hidden)
        block.mlp.fc2 = empty_linear(block.mlp.fc2, wanted.hidden, block.mlp.fc2.out_features)


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


def block_sizes(block: Any) -> BlockSizes:
    """The sizes of a dense, masked or sliced block."""
    heads = block.attn.num_heads
    d_v = block.attn.proj.in_features // heads
    d_qk = block.attn.q.out_features // heads if isinstance(block.attn, SplitAttention) else d_v
    return BlockSizes(block.mlp.fc1.out_features, heads, d_qk, d_v)


def kept_sizes(model: nn.Module, anatomy: Anatomy) -> dict[str, dict[str, int]]:
    """Block name -> units by kind that `model` holds, for a checkpoint's card; `anatomy` may be the dense model's."""
    sizes = {block.name: block_sizes(model.get_submodule(block.name)) for block in anatomy.blocks}
    return {name: dict(zip(KINDS, size, strict=True)) for name, size in sizes.items()}
