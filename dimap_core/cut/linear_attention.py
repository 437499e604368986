"""Focused linear attention in place of Swin's window attention: every token meets every other, at a cost linear in N.

Han et al., "FLatten Transformer: Vision Transformer using Focused Linear Attention", ICCV 2023 (arXiv 2308.00442), as
its released code does it; written anew. With phi(x) = x~^3 |x~| / |x~^3|, x~ = (ReLU(x) + e) / softplus(channel_scale):

    out_i = phi(q_i) (sum over j of phi(k_j)^T v_j) / (phi(q_i) sum over j of phi(k_j)^T) + DWC(v)_i

e = 1e-6, but 0 for a dimension without any query weights, so that a masked one leaves no trace in the norms. (The code
adds as much to the denominator, which is left out for the same reason.) Norms |.| span all heads' channels, so a Q/K
dimension that goes rescales every head; a learned positional term [N, C] is added to k, so it has to go with its
dimension. DWC is a 5x5 depthwise convolution over the map with one kernel a within-head channel, shared by all heads,
until heads keep different channels: then every head has its own copies.
Made for training from scratch: a softmax Swin that is converted answers nothing useful before it is trained further.
Next door: `whole_map` gives the block one window, `slicing` cuts, `attention` holds softmax attention in parts.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ..anatomy import GUARD, kept_kernels
from .whole_map import see_whole_map

EPSILON = 1e-6
POWER = 3  # the focusing factor p
KERNEL = 5  # side of the depthwise kernels


class FocusedLinearAttention(nn.Module):
    """`heads` heads of `d_qk` Q/K and `d_v` V channels each over a map of `grid` (rows, columns) tokens of `width`.

    Names are timm's: `qkv` where both widths are equal, else `q`, `k` and `v`; `proj`; `num_heads`, `window_size`.
    `kernels`: depthwise kernels, `d_v` shared ones or `heads` * `d_v`.
    """

    def __init__(
        self, width: int, grid: tuple[int, int], heads: int, d_qk: int, d_v: int, kernels: int, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.num_heads, self.window_size = heads, grid
        self.packed = d_qk == d_v
        if self.packed:
            self.qkv = nn.Linear(width, 3 * heads * d_v, bias, **place)
        else:
            self.q, self.k = (nn.Linear(width, heads * d_qk, bias, **place) for _ in range(2))
            self.v = nn.Linear(width, heads * d_v, bias, **place)
        self.positional = nn.Parameter(torch.zeros(grid[0] * grid[1], heads * d_qk, **place))
        self.channel_scale = nn.Parameter(torch.zeros(heads * d_qk, **place))
        self.queries = nn.Identity()  # phi(q) on its way to the values: where gates can be put
        self.dwc = nn.Conv2d(kernels, kernels, KERNEL, padding=KERNEL // 2, groups=kernels, **place)
        self.proj = nn.Linear(heads * d_v, width, **place)
        self.proj_drop: nn.Module = nn.Identity()

    def forward(self, x: torch.Tensor, mask: None = None) -> torch.Tensor:
        """x [B, N, C], the map's tokens row by row -> the same shape; timm hands on a mask, which is always None."""
        q, k, v = self.qkv(x).chunk(3, -1) if self.packed else (self.q(x), self.k(x), self.v(x))
        return self.proj_drop(self.proj(self.attended(*self.focused(q, k), v) + self.local(v)))

    def focused(self, q: torch.Tensor, k: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """phi(q) and phi(k), [B, N, heads * d_qk], from what the layers answer."""
        weights = self.qkv.weight[: q.shape[-1]] if self.packed else self.q.weight
        least, stretch = EPSILON * (weights != 0).any(1), F.softplus(self.channel_scale)
        first, second = ((part.relu() + least) / stretch for part in (q, k + self.positional))
        return focus(first), focus(second)

    def attended(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """The normalised linear attention of phi(q), phi(k) and v, [B, N, heads * d_v]; k's sum with v comes first."""
        similar, q, k, v = (self.heads(part) for part in (q, self.queries(q), k, v))
        total = (similar * k.mean(dim=2, keepdim=True)).sum(
            -1, keepdim=True
        ) + GUARD  # no matrix product, nor counted as one
        found = q @ (k.mT @ v / k.shape[2]) / total
        return found.transpose(1, 2).flatten(2)

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        """[B, N, heads * d] -> [B, heads, N, d]."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def local(self, v: torch.Tensor) -> torch.Tensor:
        """DWC(v), shaped like v [B, N, heads * d_v]."""
        sharing = v.shape[-1] // self.dwc.out_channels  # heads that a kernel serves
        maps = v.unflatten(-1, (sharing, -1)).permute(0, 2, 3, 1).flatten(0, 1).unflatten(-1, self.window_size)
        return self.dwc(maps).flatten(2).unflatten(0, (-1, sharing)).flatten(1, 2).mT

    def resized(self, heads: int, d_qk: int, d_v: int) -> FocusedLinearAttention:
        """The same with other sizes; its parameters have no memory until a state dict is loaded with `assign=True`."""
        width, inputs = self.proj.in_features, self.qkv if self.packed else self.q
        kernels = kept_kernels(self.dwc.out_channels, width // self.num_heads, heads, d_v)
        other = FocusedLinearAttention(
            self.proj.out_features, self.window_size, heads, d_qk, d_v, kernels, inputs.bias is not None,
            device="meta", dtype=self.proj.weight.dtype,
        )  # fmt: skip
        other.proj_drop = self.proj_drop
        return other.requires_grad_(self.proj.weight.requires_grad).train(self.training)


def focus(x: torch.Tensor) -> torch.Tensor:
    """f_p: the norm of x >= 0 over its last axis, in the sharper direction of its p-th powers."""
    sharp = x**POWER
    return sharp * (x.norm(dim=-1, keepdim=True) / (sharp.norm(dim=-1, keepdim=True) + GUARD))


def linearise(model: Any, stages: int) -> Any:
    """Give the first `stages` stages of a timm Swin focused linear attention over the whole map, in place, and return
    it: linear layers keep their weights, the relative positions go, the positional term and scales start at zero."""
    for stage in model.layers[:stages]:
        for block in stage.blocks:
            old = block.attn
            heads, layer = old.num_heads, old.proj.weight
            width = old.proj.in_features // heads
            new = FocusedLinearAttention(
                old.proj.out_features, tuple(block.input_resolution), heads, width, width, width,
                device=layer.device, dtype=layer.dtype,
            )  # fmt: skip
            new.qkv, new.proj, new.proj_drop = old.qkv, old.proj, old.proj_drop
            block.attn = new
            see_whole_map(block)
    return model
