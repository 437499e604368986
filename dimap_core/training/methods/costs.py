"""What a model costs as a function of its live widths: MACs, exactly. Next door: `latency_table` measures time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ...types import Anatomy, Block
from .units import Widths


class Cost(Protocol):
    """Cost of a model by its blocks' widths."""

    def total(self, widths: Sequence[Widths]) -> float:
        """Of the whole model; `widths` of every block, in forward order."""

    def share(self, widths: Sequence[Widths]) -> float:
        """Of the dense model's cost, 0..1."""


class MacCost:
    """MACs of one image's forward pass, the same as `cost_report` counts for the extracted model."""

    def __init__(self, anatomy: Anatomy, embed: int = 0) -> None:
        self.embed = embed
        self.terms = [_terms(block) for block in anatomy.blocks]
        inside = {layer.name for block in anatomy.blocks for layer in block.layers}
        # Patch embedding and heads read or write embedding channels; patch merging is there in Swin only.
        self.outside = sum(layer.macs for layer in anatomy.layers if layer.name not in inside)
        self.dense = sum(layer.macs for layer in anatomy.layers)

    def total(self, widths: Sequence[Widths]) -> float:
        """MACs."""
        found = 0.0
        for wide, (dense, linear, hidden, product, pairs, local) in zip(widths, self.terms, strict=True):
            share = wide.embed / dense if self.embed else 1.0
            found += share * (linear * wide.heads * (wide.qk + wide.v) + hidden * wide.hidden)
            found += wide.heads * (product * (wide.qk + wide.v) + pairs * wide.qk * wide.v + local * wide.v)
        return found + self.outside * (widths[0].embed / self.embed if self.embed else 1.0)

    def share(self, widths: Sequence[Widths]) -> float:
        """Of the dense model's MACs."""
        return self.total(widths) / self.dense


def _terms(block: Block) -> tuple[int, float, float, float, float, float]:
    """Embedding width, and MACs of a head's dimension (q with k, or v with proj), a hidden unit, and a dimension of a
    head in the attention product; in linear attention of a pair of Q/K and V dimensions, and of a V dimension's
    depthwise kernel."""
    qkv, proj, fc1, fc2 = (block.part(name) for name in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"))
    channels = block.heads * block.head_dim
    linear, hidden = (qkv.macs + proj.macs) / (2 * channels), (fc1.macs + fc2.macs) / fc1.shape[0]
    product = block.part("attn").macs
    if block.mixer == "softmax":
        return qkv.shape[1], linear, hidden, product / (2 * channels), 0.0, 0.0
    local = block.part("attn.dwc").macs / channels
    return qkv.shape[1], linear, hidden, 0.0, product / (channels * block.head_dim), local
