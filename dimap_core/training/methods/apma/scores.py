"""What an APMA-style search goes by: similarity of channels, attention differences, first indicators, masks.

Pure functions of tensors. All reconstructed (`settings.RECONSTRUCTIONS`): the paper, Lee & Hwang, arXiv
2405.20867, names these parts in its abstract; its formulas could not be read.
Next door: `calibration` feeds these with what a model computes, `indicators` learns from there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

THRESHOLD = 0.5
_FIRST = 0.75  # where all indicators start alike
_ROUNDING = 1e-6
_WEIGHT = 5.0  # of the resource loss


def cosines(rows: torch.Tensor) -> torch.Tensor:
    """|cosine| of every two channels of a head: weights [heads, d, n] -> [heads, d, d]."""
    unit = F.normalize(rows, dim=-1)
    return (unit @ unit.mT).abs().clamp(max=1.0)


def similarity_weights(rows: torch.Tensor) -> torch.Tensor:
    """w [heads, d]: a channel's mean of 1 - |cosine| to the others of its head, scaled to mean 1 in each head.

    `rows`: each channel's weights [heads, d, n]. After SNP's score of value channels (ECCV 2024); a head whose channels
    are all alike, or that has one, gets ones.
    """
    distance = 1 - cosines(rows)
    others = distance.sum(-1) - distance.diagonal(dim1=-2, dim2=-1)
    mean = others.mean(-1, keepdim=True)
    return torch.where(mean > _ROUNDING, others / mean.clamp(min=_ROUNDING), 1.0)


def first_indicators(difference: torch.Tensor | None, weights: torch.Tensor) -> torch.Tensor:
    """m [heads, d] from the attention differences D: 0.5 + 0.5 (rank + 1) / d, ranked within the head, then raised
    where m w < 0.5, so that nothing starts as removed. Without D all start alike."""
    if difference is None:
        m = torch.full_like(weights, _FIRST)
    else:
        ranks = difference.argsort(dim=1, stable=True).argsort(dim=1, stable=True)
        m = THRESHOLD + (1 - THRESHOLD) * (ranks + 1).to(weights.dtype) / weights.shape[1]
    return m.maximum((1 + _ROUNDING) * THRESHOLD / weights.clamp(min=_ROUNDING))


def keep_mask(strength: torch.Tensor, equal: bool, threshold: float = THRESHOLD) -> torch.Tensor:
    """Which channels stay, boolean like `strength` = m w [heads, d].

    Of each head as many of its strongest as it has at or above the threshold, but at least one; with `equal` as
    many as the heads have on average, rounded. Ties by lowest index.
    """
    counts = (strength >= threshold).sum(dim=1, keepdim=True)
    if equal:
        counts = counts.double().mean().round().long().expand_as(counts)
    order = strength.argsort(dim=1, descending=True, stable=True)
    return order.argsort(dim=1) < counts.clamp(min=1)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, strength: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        return keep.to(strength.dtype)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grad, None


def straight_through(strength: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """The mask as numbers, 1 = kept, whose gradient goes to `strength` unchanged: ds = db."""
    return _StraightThrough.apply(strength, keep)


def resource_loss(share: torch.Tensor, target: float) -> torch.Tensor:
    """5 (R + R^2), R = max(0, share - target) / target; `share` of the dense MACs, 0..1. WDPruning's penalty (AAAI
    2022) with a fixed weight."""
    excess = (share - target).clamp(min=0) / target
    return _WEIGHT * (excess + excess**2)


def softmax_difference(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """|q_c| |k_c| [..., d], Frobenius norm of what channel c adds to the logits; q, k [..., tokens, d]."""
    return q.norm(dim=-2) * k.norm(dim=-2)


def linear_difference(phi_q: torch.Tensor, phi_k: torch.Tensor) -> torch.Tensor:
    """Frobenius norm of A - A_without_c [..., d], where A = phi_q phi_k^T, each row divided by its sum z.

    phi_q, phi_k [..., tokens, d], as focused with all channels. Without building the tokens x tokens map: A - A_c =
    B_c phi_k^T with B_c = phi_q / z - phi_q_without_c / z_without_c, so its norm is sqrt(sum((B G) * B)), G = phi_k^T
    phi_k.
    """
    sums = phi_k.sum(dim=-2)[..., None]  # [..., d, 1]
    z = phi_q @ sums
    gram = phi_k.mT @ phi_k
    found = []
    for channel in range(phi_q.shape[-1]):
        fewer = phi_q.clone()
        fewer[..., channel] = 0
        rest = fewer @ sums  # not z - what the channel adds: it may be nearly all
        change = phi_q / z - fewer / rest.clamp(min=torch.finfo(rest.dtype).tiny)
        found.append(((change @ gram) * change).sum(dim=(-2, -1)).clamp(min=0).sqrt())
    return torch.stack(found, dim=-1)


def output_difference(deviation: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """std(x_c) |W[:, c]| [n]: how much a channel moves what its layer puts out; deviation [n], columns [out, n]."""
    return deviation * columns.norm(dim=0)
