"""Params and MACs of published architectures, added up from their widths: no model is built, no torch.

A transformer block is an attention slot and an MLP, each with its norm. SPViT (arXiv 2111.11802) puts convolutions in
some slots: "conv3x3" and "conv1x1" are conv D -> d, batch norm, conv 1x1 d -> D with d channels of one head, "skip" is
nothing but the norm. MACs (one multiply-accumulate each) are counted as everywhere here: Linear and Conv layers, QK^T
and AV, for one 224x224 image; norms, softmax and bias adds are not.
Next door: `anatomy` counts real models, `models.published` holds what papers print, `cli.reproduce` compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

_TAPS = {"conv1x1": 1, "conv3x3": 9}
_CLASSES = 1000
_PIXELS = 224


class Cost(NamedTuple):
    """Params and MACs."""

    params: int = 0
    macs: int = 0


def add(costs: Iterable[Cost]) -> Cost:
    """The sum of parts."""
    costs = tuple(costs)
    return Cost(sum(cost.params for cost in costs), sum(cost.macs for cost in costs))


def vit(
    width: int,
    heads: Sequence[int],
    qk: Sequence[int],
    v: Sequence[int],
    hidden: Sequence[int],
    distilled: bool = False,
) -> Cost:
    """A DeiT with widths of its own in every block: `heads`, `qk` and `v` channels a head, `hidden` units.

    `distilled`: with a second token and head, as NViT's models have.
    """
    extra = 2 if distilled else 1
    tokens = (_PIXELS // 16) ** 2 + extra
    blocks = (_attention(width, h, q, w, tokens, tokens) for h, q, w in zip(heads, qk, v, strict=True))
    return add(
        [
            _deit_outside(width, extra),
            *blocks,
            *(_norm(width) for _ in heads),
            *(_mlp(width, m, tokens) for m in hidden),
        ]
    )


def spvit(architecture: Mapping[str, Any], unmerged: bool = False) -> Cost:
    """An architecture that SPViT found: `family`, `embed_dim`, `heads`, `depths` (Swin), and `blocks`, each (what its
    attention slot holds, hidden units).

    `unmerged`: params of the form that is fine-tuned, where a convolution still holds all heads' values, the output
    projection and the mixture over heads; MACs are always those of the merged, deployed form.
    """
    slots = architecture["blocks"]
    width, heads = architecture["embed_dim"], architecture["heads"]
    if architecture["family"] == "deit":
        patches = (_PIXELS // 16) ** 2
        blocks = [_block(slot, width, heads, patches, patches + 1, patches + 1, 0, unmerged) for slot in slots]
        return add([_deit_outside(width, 1), *blocks])
    parts, of_block = [_swin_outside(width, len(heads))], iter(slots)
    for stage, (count, depth) in enumerate(zip(heads, architecture["depths"], strict=True)):
        channels, patches = width * 2**stage, (_PIXELS // 4 // 2**stage) ** 2
        table = (2 * 7 - 1) ** 2 * count  # relative position bias, a row for each offset in a 7x7 window
        if stage:
            parts.append(Cost(2 * 2 * channels + 2 * channels * channels, patches * 2 * channels * channels))
        for _ in range(depth):
            parts.append(_block(next(of_block), channels, count, patches, patches, 49, table, unmerged))
    return add(parts)


def by_search_formula(architecture: Mapping[str, Any]) -> int:
    """MACs of a DeiT as SPViT's search counts them: the MLP sees the patches only, and norms cost 2 D a token."""
    blocks, width = architecture["blocks"], architecture["embed_dim"]
    tokens = (_PIXELS // 16) ** 2 + 1
    return spvit(architecture).macs - sum(2 * width * hidden - 2 * width * tokens for _, hidden in blocks)


def _block(
    slot: Sequence[Any], width: int, heads: int, patches: int, tokens: int, window: int, table: int, unmerged: bool
) -> Cost:
    """One block of SPViT: what stands in the attention slot, both norms and the MLP."""
    op, hidden = slot
    channels = width // heads
    if op == "msa":
        place = add([_attention(width, heads, channels, channels, tokens, window), Cost(table)])
    elif op == "skip":
        place = Cost()
    else:
        taps = _TAPS[op]
        macs = patches * (taps + 1) * width * channels
        merged = taps * width * channels + channels + 2 * channels + channels * width + width
        # Values and projection of all heads with their biases, batch norm, and for each tap a mixture over heads.
        whole = 2 * (width * width + width) + 2 * channels + 9 * heads
        place = Cost(whole if unmerged else merged, macs)
    return add([place, _norm(width), _mlp(width, hidden, tokens)])


def _attention(width: int, heads: int, qk: int, v: int, tokens: int, window: int) -> Cost:
    """Q, K, V, their products within windows of `window` tokens, and the output projection."""
    inner = heads * (2 * qk + v)
    params = width * inner + inner + heads * v * width + width
    return Cost(params, tokens * width * (inner + heads * v) + tokens * window * heads * (qk + v))


def _mlp(width: int, hidden: int, tokens: int) -> Cost:
    return Cost(2 * width * hidden + hidden + width, 2 * tokens * width * hidden)


def _norm(width: int) -> Cost:
    """Both norms of a block."""
    return Cost(4 * width)


def _deit_outside(width: int, extra: int) -> Cost:
    """Patch embedding, `extra` tokens with a head each, positions, final norm."""
    patches, inputs = (_PIXELS // 16) ** 2, 3 * 16 * 16
    params = inputs * width + width + extra * width + (patches + extra) * width + 2 * width
    return Cost(params + extra * (_CLASSES * width + _CLASSES), patches * inputs * width + extra * _CLASSES * width)


def _swin_outside(width: int, stages: int) -> Cost:
    """Patch embedding with its norm, final norm and head."""
    patches, inputs, last = (_PIXELS // 4) ** 2, 3 * 4 * 4, width * 2 ** (stages - 1)
    params = inputs * width + width + 2 * width + 2 * last + _CLASSES * last + _CLASSES
    return Cost(params, patches * inputs * width + _CLASSES * last)
