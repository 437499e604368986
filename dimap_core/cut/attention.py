"""Attention whose Q/K and V widths differ: timm's modules pack q, k and v of one width into a single Linear.

Both classes compute what timm's do, parameter for parameter, with three Linears instead of one; `slicing` puts them
in place where a cut needs them, and `models` does the same when it loads such a cut. They hold nothing that
torch.compile, torch.export, ONNX or torch.jit.trace could trip over.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from timm.layers.attention import resolve_self_attn_mask
from timm.models.swin_transformer import get_relative_position_index
from torch import nn
from torch.nn import functional as F


def empty_linear(like: nn.Linear, inputs: int, outputs: int) -> nn.Linear:
    """A Linear of another size with bias, dtype and requires_grad of `like`; its parameters have no memory yet."""
    layer = nn.Linear(inputs, outputs, like.bias is not None, device="meta", dtype=like.weight.dtype)
    return layer.requires_grad_(like.weight.requires_grad)


class SplitAttention(nn.Module):
    """timm's `Attention` (ViT, DeiT) with `heads` heads of `d_qk` Q/K and `d_v` V channels each.

    Everything but the sizes is taken over from `packed`; parameters have no memory yet: load a state dict with
    `assign=True`.
    """

    fused_attn: Final[bool]

    def __init__(self, packed: Any, heads: int, d_qk: int, d_v: int) -> None:
        super().__init__()
        width = packed.qkv.in_features
        self.num_heads, self.scale, self.fused_attn = heads, d_qk**-0.5, packed.fused_attn
        self.q = empty_linear(packed.qkv, width, heads * d_qk)
        self.k = empty_linear(packed.qkv, width, heads * d_qk)
        self.v = empty_linear(packed.qkv, width, heads * d_v)
        self.proj = empty_linear(packed.proj, heads * d_v, packed.proj.out_features)
        self.attn_drop, self.proj_drop = packed.attn_drop, packed.proj_drop
        self.train(packed.training)

    def forward(self, x: torch.Tensor, attn_mask: torch.Tensor | None = None, is_causal: bool = False) -> torch.Tensor:
        """x [B, N, C] -> [B, N, C]; `attn_mask` (additive, or boolean with True = attend) broadcasts over
        [B, heads, N, N]."""
        q, k, v = self.heads(x)
        attended = self.attend(q, k, v, resolve_self_attn_mask(x.shape[1], q, attn_mask, is_causal))
        return self.merge(attended)

    def heads(self, x: torch.Tensor) -> list[torch.Tensor]:
        """q, k [B, heads, N, d_qk] and v [B, heads, N, d_v]."""
        return [part(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in (self.q, self.k, self.v)]

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """softmax(q k^T / sqrt(d_qk) + bias) v, shaped like v; `bias` broadcasts over [..., heads, N, N]."""
        if self.fused_attn:
            dropout = self.attn_drop.p if self.training else 0.0
            # The fast kernels want one width for all three; without them unequal ones take about twice as long.
            width = max(q.shape[-1], v.shape[-1])
            q, k, wide = (F.pad(part, (0, width - part.shape[-1])) for part in (q, k, v))
            found = F.scaled_dot_product_attention(q, k, wide, attn_mask=bias, dropout_p=dropout, scale=self.scale)
            return found[..., : v.shape[-1]]
        logits = (q * self.scale) @ k.transpose(-2, -1)
        if bias is not None:
            logits = logits + bias
        return self.attn_drop(logits.softmax(dim=-1)) @ v

    def merge(self, attended: torch.Tensor) -> torch.Tensor:
        """[B, heads, N, d_v] -> [B, N, C]."""
        return self.proj_drop(self.proj(attended.transpose(1, 2).flatten(2)))


class SplitWindowAttention(SplitAttention):
    """timm's `WindowAttention` (Swin) in the same form, with a column of the relative-position bias table per head."""

    relative_position_index: torch.Tensor

    def __init__(self, packed: Any, heads: int, d_qk: int, d_v: int) -> None:
        super().__init__(packed, heads, d_qk, d_v)
        self.window_size, self.window_area = packed.window_size, packed.window_area
        self.relative_position_bias_table = empty_table(packed.relative_position_bias_table, heads)
        self.register_buffer("relative_position_index", packed.relative_position_index, persistent=False)

    def forward(  # type: ignore[override]  # as in timm, window attention takes one mask a window
        self, x: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """x [B * windows, N, C] -> the same shape; `mask` (0 or -100) [windows, N, N] for shifted windows."""
        q, k, v = self.heads(x)
        if mask is None:
            return self.merge(self.attend(q, k, v, self.position_bias()))
        bias = self.position_bias() + mask.unsqueeze(1)
        if self.fused_attn:  # its kernels and ONNX know four axes only
            return self.merge(self.attend(q, k, v, bias.repeat(x.shape[0] // mask.shape[0], 1, 1, 1)))
        # Windows of one image apart from the batch, so that the bias broadcasts instead of being repeated.
        q, k, v = (part.unflatten(0, (-1, mask.shape[0])) for part in (q, k, v))
        return self.merge(self.attend(q, k, v, bias).flatten(0, 1))

    def position_bias(self) -> torch.Tensor:
        """[heads, N, N]."""
        biases = self.relative_position_bias_table[self.relative_position_index.flatten()]
        return biases.unflatten(0, (self.window_area, self.window_area)).permute(2, 0, 1)

    def init_non_persistent_buffers(self) -> None:
        """Compute what a state dict doesn't hold, after timm's convention."""
        self.relative_position_index.copy_(get_relative_position_index(*self.window_size))


def empty_table(like: nn.Parameter, heads: int) -> nn.Parameter:
    """A relative-position bias table [offsets, heads] without memory."""
    table = torch.empty((len(like), heads), device="meta", dtype=like.dtype)
    return nn.Parameter(table, requires_grad=like.requires_grad)
