"""Looks inside a timm Swin, SwinV2 or DeiT/ViT and lists its parts: stages -> blocks -> layers, with params and MACs.

Sizes are read from the module tree, never from a table. Two walkers, one a family; a model that neither understands
gets one error that names what was found. MACs (one multiply-accumulate each) are counted at the model's input size:
Linear and Conv layers, QK^T and AV; not norms, softmax or bias adds. SwinV2's position MLP runs once a forward pass
and is counted in full.
Next door: `models` builds the model, `measure.cost` adds up what is listed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import nn

from ..types import AUX, MLP, PRJ, QKV, Anatomy, Block, Family, Layer, Mixer, Stage, UnsupportedModel
from .mixers import PLACED

_PRUNABLE = {"attn.qkv": QKV, "attn.proj": PRJ, "mlp.fc1": MLP, "mlp.fc2": MLP}
_PRUNABLE |= {"attn.q": QKV, "attn.k": QKV, "attn.v": QKV}  # of a sliced block whose Q/K and V widths differ
_MIXERS: dict[str, Mixer] = {
    **dict.fromkeys(("Attention", "WindowAttention", "SplitAttention", "SplitWindowAttention"), "softmax"),
    "FocusedLinearAttention": "linear",
}
"""What each of timm's and this project's attentions is."""
_POSITIONS = "attn.cpb_mlp."  # SwinV2 makes its bias table with an MLP
LOCAL = "attn.dwc"  # linear attention's depthwise convolution
_CONVOLUTIONS = ("attn.conv", "attn.out")  # what `cut.convolution` puts in the place of attention
_BLOCK_GROUPS = 4  # DeiT has no stages; this many groups of consecutive blocks stand in


def build_anatomy(model: nn.Module, family: Family) -> Anatomy:
    """List every part of `model`; raises UnsupportedModel where a part is not one this project knows."""
    try:
        stages, tokens = _swin_stages(model) if family == "swin" else _vit_stages(model)
    except AttributeError as error:
        raise UnsupportedModel(
            f"This {type(model).__name__} is not built like timm's Swin or DeiT ({error}); choose another model."
        ) from error
    outer = tuple(_outer(model, "layers." if family == "swin" else "blocks.", tokens))
    anatomy = Anatomy(family, _input_size(model), stages, outer)
    _check_complete(model, anatomy)
    return anatomy


def _swin_stages(model: Any) -> tuple[tuple[Stage, ...], int]:
    """Stages of a timm SwinTransformer, and the number of patches that the patch embedding makes."""
    stages = []
    for index, layer in enumerate(model.layers):
        prefix = f"layers.{index}"
        tokens = math.prod(layer.output_resolution)
        merging = tuple(
            _layer(f"{prefix}.downsample.{name}", module, AUX, index, None, tokens)
            for name, module in layer.downsample.named_modules()
            if _owns_parameters(module)
        )
        blocks = tuple(_swin_block(block, f"{prefix}.blocks.{i}", index, i) for i, block in enumerate(layer.blocks))
        stages.append(Stage(index, blocks, merging))
    return tuple(stages), math.prod(model.patch_embed.grid_size)


def _swin_block(block: Any, prefix: str, stage: int, index: int) -> Block:
    height, width = block.input_resolution
    # Attention runs on whole windows: the map is padded up to a multiple of the window, the MLP sees it unpadded.
    rows, columns = block.window_size
    padded = math.ceil(height / rows) * rows * math.ceil(width / columns) * columns
    return _block(block, prefix, stage, index, height * width, padded, rows * columns)


def _vit_stages(model: Any) -> tuple[tuple[Stage, ...], int]:
    """Groups of consecutive blocks of a timm VisionTransformer, and its number of patches."""
    patches = model.patch_embed.num_patches
    tokens = patches + model.num_prefix_tokens
    groups = np.array_split(np.arange(len(model.blocks)), min(_BLOCK_GROUPS, len(model.blocks)))
    stages = [
        Stage(
            stage,
            tuple(
                _block(model.blocks[i], f"blocks.{i}", stage, n, tokens, tokens, tokens) for n, i in enumerate(members)
            ),
        )
        for stage, members in enumerate(groups)
    ]
    return tuple(stages), patches


def _block(block: Any, prefix: str, stage: int, index: int, tokens: int, padded: int, window: int) -> Block:
    """Parts of one transformer block; `tokens` pass the MLP, `padded` the attention, in windows of `window`."""
    attention = block.attn
    if getattr(attention, "mixer", None) in PLACED:
        return _convolved_block(block, prefix, stage, index, tokens)
    mixer = _MIXERS.get(type(attention).__name__)
    if mixer is None:
        raise UnsupportedModel(
            f"'{prefix}.attn' is a {type(attention).__name__}, whose parts are not known here; choose another model."
        )
    v_channels = attention.proj.in_features
    qk_channels = attention.q.out_features if hasattr(attention, "q") else v_channels
    heads = attention.num_heads
    layers = []
    for name, module in block.named_modules():
        if name == "attn":
            # QK^T and AV: every token meets each token of its window, once for logits and once for values. Linear:
            # a head's K^T V and Q (K^T V) take d_qk * d_v each a token.
            met = window * (qk_channels + v_channels) if mixer == "softmax" else 2 * qk_channels * v_channels // heads
            product = padded * met
            layers.append(Layer(f"{prefix}.attn", AUX, stage, index, (), _own_parameters(module), product))
        elif _owns_parameters(module):
            seen = padded if name.startswith("attn.") else tokens
            if name.startswith(_POSITIONS):
                seen = math.prod(2 * side - 1 for side in attention.window_size)  # every offset inside a window
            elif name == LOCAL:
                seen = padded * v_channels // module.out_channels  # heads may share kernels
            layers.append(_layer(f"{prefix}.{name}", module, _PRUNABLE.get(name, AUX), stage, index, seen))
    return Block(stage, index, heads, v_channels // heads, tuple(layers), mixer)


def _convolved_block(block: Any, prefix: str, stage: int, index: int, tokens: int) -> Block:
    """A block without attention: convolutions see patches only, and are never pruned."""
    patches = tokens - (block.attn.place.prefix if hasattr(block.attn, "place") else 0)
    layers = tuple(
        _layer(
            f"{prefix}.{name}", module, _PRUNABLE.get(name, AUX), stage, index,
            patches if name in _CONVOLUTIONS else tokens,
        )
        for name, module in block.named_modules()
        if _owns_parameters(module)
    )  # fmt: skip
    return Block(stage, index, 0, 0, layers, block.attn.mixer)


def _outer(model: nn.Module, blocks: str, patches: int) -> Iterator[Layer]:
    """Patch embedding, tokens and positions, final norm and head: everything outside the stages."""
    for name, parameter in model.named_parameters(recurse=False):
        yield Layer(name, AUX, None, None, (), parameter.numel(), 0)
    for name, module in model.named_modules():
        if name and not name.startswith(blocks) and _owns_parameters(module):
            seen = patches if name.startswith("patch_embed") else 1
            yield _layer(name, module, AUX, None, None, seen)


def _layer(name: str, module: nn.Module, module_class: str, stage: int | None, block: int | None, seen: int) -> Layer:
    """One module as a Layer; a Linear or Conv weight is used `seen` times in a forward pass."""
    shape: tuple[int, ...] = ()
    macs = 0
    if isinstance(module, nn.Linear | nn.Conv2d):
        shape = tuple(module.weight.shape)
        macs = module.weight.numel() * seen
    elif module_class != AUX:
        raise UnsupportedModel(f"'{name}' is a {type(module).__name__}, not a Linear layer; choose another model.")
    return Layer(name, module_class, stage, block, shape, _own_parameters(module), macs)


def _owns_parameters(module: nn.Module) -> bool:
    return _own_parameters(module) > 0


def _own_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters(recurse=False))


def _fixed(name: str) -> bool:
    """Whether a layer inside a block is one that plans leave alone."""
    return f".{_POSITIONS}" in name or name.endswith((LOCAL, *_CONVOLUTIONS))


def _input_size(model: Any) -> int:
    return int(model.patch_embed.img_size[0])


def _check_complete(model: nn.Module, anatomy: Anatomy) -> None:
    """Refuse a model with a block layer beyond qkv, proj, fc1, fc2, or parameters that no part owns."""
    total = sum(parameter.numel() for parameter in model.parameters())
    listed = sum(layer.params for layer in anatomy.layers)
    unknown = [
        layer.name
        for layer in anatomy.layers
        if layer.block is not None and layer.shape and not layer.prunable and not _fixed(layer.name)
    ]
    heads = [
        layer.name for layer in anatomy.outer if layer.shape and not layer.name.startswith(("patch_embed", "head"))
    ]
    if unknown or heads or listed != total:
        what = (unknown + heads or ["parameters outside the known parts"])[0]
        raise UnsupportedModel(
            f"This {type(model).__name__} has parts that are not pruned here ({what}); choose another."
        )
