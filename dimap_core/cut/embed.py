"""Embedding channels: NViT's unit EMB, one width of the residual stream for the whole of a DeiT or ViT.

A channel is a row of the patch embedding with its bias, an entry of tokens, positions and norms, an input column of
q, k, v, fc1 and the heads, an output row of proj and fc2 with its bias (arXiv 2110.04869, section 3.1). A Swin's stages
have widths of their own, tied by patch merging: here they stay as they are.
Masking is not slicing: a norm over zeroed channels still divides by the dense width. With zero means the two differ by
a factor, the square root of the kept share, so `slice_embed` multiplies the norms' weights by its inverse (ours, not
the paper's); what remains is for fine-tuning to mend.
Next door: `slicing` cuts what lies inside blocks.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from ..types import UnsupportedModel

_ENTRIES = ("cls_token", "dist_token", "reg_token", "pos_embed")
_INPUTS = ("attn.qkv", "attn.q", "attn.k", "attn.v", "mlp.fc1")
_OUTPUTS = ("attn.proj", "mlp.fc2", "norm1", "norm2", "ls1", "ls2")
_SCORED = ("patch_embed.proj", "attn.qkv", "mlp.fc1", "attn.proj", "mlp.fc2")


def embed_axes(model: nn.Module) -> dict[str, int]:
    """Parameter name -> its axis of embedding channels, of every parameter of a DeiT or ViT that has one.

    Raises UnsupportedModel where a parameter is of no known kind.
    """
    return {name: axis for name, parameter in model.named_parameters() if (axis := _axis(name, parameter)) is not None}


def _axis(name: str, parameter: torch.Tensor) -> int | None:
    layer, _, kind = name.rpartition(".")
    if name in _ENTRIES:
        return parameter.ndim - 1
    if layer in ("head", "head_dist") or (layer.startswith("blocks.") and layer.endswith(_INPUTS)):
        return 1 if kind == "weight" else None
    if layer in ("patch_embed.proj", "patch_embed.norm", "norm", "norm_pre", "fc_norm"):
        return 0
    if layer.startswith("blocks.") and layer.endswith(_OUTPUTS):
        return 0
    raise UnsupportedModel(f"'{name}' is not known to the search over embedding channels; choose another model.")


def scored_axes(axes: dict[str, int]) -> dict[str, int]:
    """Those of `embed_axes` that NViT's released code reads for a channel's score: the patch embedding's row, input
    columns, output rows and their biases; neither tokens and norms nor heads."""
    return {name: axis for name, axis in axes.items() if name.rpartition(".")[0].endswith(_SCORED)}


def embed_masks(axes: dict[str, int], model: nn.Module, keep: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """(parameter name, boolean mask that broadcasts over it, True = kept) for the channels `keep` [embed]."""
    for name, axis in axes.items():
        shape = [1] * model.get_parameter(name).ndim
        shape[axis] = -1
        yield name, keep.reshape(shape)


def slice_embed(model: nn.Module, keep: np.ndarray) -> nn.Module:
    """A copy of a DeiT or ViT with the channels `keep` [embed] (boolean) only; `model` stays as it is."""
    kept = torch.from_numpy(np.flatnonzero(keep))
    tensors = {name: parameter.detach() for name, parameter in model.named_parameters()}
    left = {name: tensors[name].index_select(axis, kept) for name, axis in embed_axes(model).items()}
    stretch = math.sqrt(len(keep) / len(kept))
    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm) and f"{name}.weight" in left:
            left[f"{name}.weight"] *= stretch
    smaller = copy.deepcopy(model)
    resize_embed(smaller, len(kept))
    smaller.load_state_dict(left, strict=False, assign=True)
    return smaller


def resize_embed(model: Any, width: int) -> None:
    """Give a DeiT or ViT another embedding width, in place; what changes has no memory until a state dict is loaded
    with `assign=True`."""
    if width == model.embed_dim:
        return
    for name, axis in embed_axes(model).items():
        owner, _, kind = name.rpartition(".")
        old = model.get_parameter(name)
        shape = [width if at == axis else size for at, size in enumerate(old.shape)]
        empty = torch.empty(shape, device="meta", dtype=old.dtype)
        setattr(model.get_submodule(owner), kind, nn.Parameter(empty, requires_grad=old.requires_grad))
        _tell(model.get_submodule(owner), axis, width)
    model.embed_dim = model.num_features = model.head_hidden_size = width


def _tell(module: Any, axis: int, width: int) -> None:
    """Sizes that modules keep beside their parameters."""
    if isinstance(module, nn.LayerNorm):
        module.normalized_shape = (width,)
    elif isinstance(module, nn.Linear) and axis == 1:
        module.in_features = width
    elif isinstance(module, nn.Linear):
        module.out_features = width
    elif isinstance(module, nn.Conv2d):
        module.out_channels = width
