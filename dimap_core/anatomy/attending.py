"""Who attends to whom: the softmax maps of an attention, which fused kernels do not hand out, and the windows in which
a block's tokens meet.

Next door: `passage` takes both from a model while an image passes through it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

_SHARPEST = math.log(100)  # SwinV2's bound on the logarithm of a head's scale
_REACH = 16  # SwinV2's position biases lie between 0 and this


def attention_weights(attention: Any, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """What softmax attention, timm's or this project's, gives each key of each query: [B, heads, N, N], the last axis
    sums to one.

    x: [B, N, C] what enters it, of Swin one window an item of the batch; `mask`: what is added to the logits of each
    of the windows, [windows, N, N] with B a multiple of them.
    """
    q, k = _queries_and_keys(attention, x)
    if hasattr(attention, "logit_scale"):  # SwinV2: cosines, sharpened by a learned scale
        logits = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * attention.logit_scale.clamp(max=_SHARPEST).exp()
    else:
        logits = (q * attention.scale) @ k.mT
    if (bias := _position_bias(attention)) is not None:
        logits = logits + bias
    if mask is not None:
        logits = (logits.unflatten(0, (-1, len(mask))) + mask[:, None]).flatten(0, 1)
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(-1)  # in bf16 the sum would miss one


def _queries_and_keys(attention: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[B, heads, N, d] each."""
    if hasattr(attention, "q"):  # sliced to different widths
        q, k = (part(x).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for part in (attention.q, attention.k))
        return q, k
    packed = attention.qkv(x)
    if getattr(attention, "q_bias", None) is not None:  # SwinV2 keeps it beside the layer
        packed = packed + torch.cat((attention.q_bias, attention.k_bias, attention.v_bias))
    q, k, _ = packed.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    if hasattr(attention, "q_norm"):
        q, k = attention.q_norm(q), attention.k_norm(k)
    return q, k


def _position_bias(attention: Any) -> torch.Tensor | None:
    """[heads, N, N] of a Swin, None where there is none."""
    index = getattr(attention, "relative_position_index", None)
    if index is None:
        return None
    if hasattr(attention, "cpb_mlp"):
        table = attention.cpb_mlp(attention.relative_coords_table).flatten(0, -2)
        return _REACH * table[index].permute(2, 0, 1).sigmoid()
    return attention.relative_position_bias_table[index.flatten()].unflatten(0, index.shape).permute(2, 0, 1)


def silent_heads(attention: Any) -> list[bool]:
    """By head, whether nothing of it leaves: all its values are zero, or nobody reads them."""
    read = attention.proj.weight.unflatten(1, (attention.num_heads, -1)).flatten(2).abs().amax((0, 2))
    layer = attention.v if hasattr(attention, "v") else attention.qkv
    rows = layer.weight if hasattr(attention, "v") else layer.weight.chunk(3)[2]
    made = rows.unflatten(0, (attention.num_heads, -1)).flatten(1).abs().amax(1)
    bias = layer.bias if hasattr(attention, "v") or layer.bias is None else layer.bias.chunk(3)[2]
    bias = getattr(attention, "v_bias", None) if bias is None else bias
    if bias is not None:
        made = made + bias.unflatten(0, (attention.num_heads, -1)).abs().amax(1)
    return ((read == 0) | (made == 0)).tolist()


@dataclass(frozen=True)
class Windows:
    """How the tokens of a block's map meet; sizes are (rows, columns).

    A map of `grid` tokens is moved up and left by `shift` (what leaves comes in at the other side), filled up to whole
    windows of size `window`, and cut into them. `prefix`: tokens before the map, which belong to no place of it.
    """

    grid: tuple[int, int]
    window: tuple[int, int]
    shift: tuple[int, int] = (0, 0)
    prefix: int = 0

    def place(self, token: tuple[int, int]) -> tuple[int, int]:
        """(number of its window, place inside it) of the token at (row, column), or of a prefix token (-1, which)."""
        if token[0] < 0:
            return 0, token[1]
        moved = [(at - by) % size for at, by, size in zip(token, self.shift, self.grid, strict=True)]
        (down, row), (right, column) = (divmod(at, size) for at, size in zip(moved, self.window, strict=True))
        across = math.ceil(self.grid[1] / self.window[1])
        return down * across + right, self.prefix + row * self.window[1] + column

    def cells(self, number: int) -> list[int]:
        """Of each token in a window the cell of the map, row by row; -1 where there is none: prefix, or filled up."""
        down, right = divmod(number, math.ceil(self.grid[1] / self.window[1]))
        rows, columns = (
            [
                (at + by) % size if at < size else -1
                for at in range(start * length, (start + 1) * length)
            ]
            for start, length, by, size in zip((down, right), self.window, self.shift, self.grid, strict=True)
        )  # fmt: skip
        found = [row * self.grid[1] + column if min(row, column) >= 0 else -1 for row in rows for column in columns]
        return [-1] * self.prefix + found

    @property
    def bands(self) -> tuple[list[int], list[int]]:
        """A label of each row and of each column: tokens whose labels both agree may look at each other. What came in
        at the other side has one of its own: timm's mask keeps it apart."""
        return self._band(0), self._band(1)

    def _band(self, axis: int) -> list[int]:
        size, length, by = self.grid[axis], self.window[axis], self.shift[axis]
        moved = (np.arange(size) - by) % size
        apart = (moved >= math.ceil(size / length) * length - by) & (by > 0)
        return (2 * (moved // length) + apart).tolist()


def windows(model: Any, block: Any) -> Windows:
    """How the tokens of a timm block meet: in windows, or all of them."""
    if hasattr(block, "window_size"):
        return Windows(tuple(block.input_resolution), tuple(block.window_size), tuple(block.shift_size))
    grid = tuple(model.patch_embed.grid_size)
    return Windows(grid, grid, prefix=model.num_prefix_tokens)
