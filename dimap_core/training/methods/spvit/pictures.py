"""What attention did where SPViT put a convolution: the dense block's mean attention by distance beside the kernel.

Ours, for the picture. Attention is averaged over images, heads and queries, for every offset from query to key; a
kernel's tap is shown by the Frobenius norm of what it does from end to end but for the ReLU, O diag(gamma / sigma) V_p.
Next door: `figures.spvit` draws both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from ....cut import ConvMixer, place_of
from ....data import normalised, stratified_order
from ....models import plain_attention
from ....types import LabelledImages, ModelInfo

_IMAGES = 64
_REACH = 3  # patches in each direction

Picture = list[list[float]]


def pictures(
    dense: nn.Module, deployed: nn.Module, info: ModelInfo, data: LabelledImages
) -> dict[str, dict[str, Picture]]:
    """By name of each block that became a convolution: "attention" [2 r + 1, 2 r + 1], mean weights by offset (down,
    right), and "kernel" [side, side], norms by tap."""
    convolutions = {
        name.removesuffix(".attn"): module for name, module in deployed.named_modules() if isinstance(module, ConvMixer)
    }
    if not convolutions:
        return {}
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in convolutions}
    images = data.images[stratified_order(data.labels)[:_IMAGES]]
    with torch.inference_mode(), plain_attention(dense), _watched(dense, seen):
        dense(normalised(info, images).to(next(dense.parameters()).device))
    found = {}
    for name, convolution in convolutions.items():
        block: Any = dense.get_submodule(name)
        place = place_of(dense, block)
        grid = tuple(getattr(block, "window_size", place.grid))
        weights = torch.cat(seen[name]).mean((0, 1))[place.prefix :, place.prefix :]
        found[name] = {"attention": by_offset(weights, grid), "kernel": taps(convolution)}
    return found


@contextmanager
def _watched(model: nn.Module, seen: dict[str, list[torch.Tensor]]) -> Iterator[None]:
    """Attention weights [B, heads, N, N] of the named blocks, as they enter the dropout that follows the softmax."""
    with ExitStack() as hooks:
        for name, kept in seen.items():
            drop = model.get_submodule(f"{name}.attn.attn_drop")
            hook = drop.register_forward_pre_hook(lambda _, inputs, kept=kept: kept.append(inputs[0].float()))
            hooks.callback(hook.remove)
        yield


def by_offset(weights: torch.Tensor, grid: tuple[int, ...]) -> Picture:
    """Mean of weights [N, N] from query to key on a grid of (height, width), by offset up to three patches."""
    height, width = grid
    whole = weights.reshape(height, width, height, width)
    down, right = min(_REACH, height - 1), min(_REACH, width - 1)
    return [[_shifted(whole, dy, dx).mean().item() for dx in range(-right, right + 1)] for dy in range(-down, down + 1)]


def _shifted(whole: torch.Tensor, dy: int, dx: int) -> torch.Tensor:
    """Weights of all queries whose key at offset (dy, dx) is on the map."""
    height, width = whole.shape[:2]
    rows = torch.arange(max(0, -dy), min(height, height - dy))[:, None]
    columns = torch.arange(max(0, -dx), min(width, width - dx))[None]
    return whole[rows, columns, rows + dy, columns + dx]


def taps(mixer: ConvMixer) -> Picture:
    """Norm of the map that each tap applies, [side, side]."""
    norm: Any = mixer.batchnorm
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    outer = mixer.out.weight[:, :, 0, 0] * scale
    with torch.no_grad():
        return torch.einsum("od,dixy->oixy", outer, mixer.conv.weight).norm(dim=(0, 1)).tolist()
