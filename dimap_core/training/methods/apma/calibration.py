"""One pass over training images: how much attention changes without a channel, and outputs without a V channel or
hidden unit. An APMA-style search starts from this.

Reconstructed (`settings.RECONSTRUCTIONS`); `scores` has the formulas. Hooks stand only while a batch runs.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from ....anatomy import evaluating
from ....data import normalised, training_subset
from ....types import Anatomy, Block, LabelledImages, ModelInfo
from .indicators import Differences
from .scores import linear_difference, output_difference, softmax_difference

_BATCH = 32


def differences(
    model: nn.Module, info: ModelInfo, data: LabelledImages, anatomy: Anatomy, images: int, seed: int
) -> Generator[dict[str, Any], None, Differences]:
    """Of every channel, see `Differences`; an event after every batch. Raises DataError where there are no images."""
    chosen = training_subset(info, data, images, seed)
    seen = {block.name: _Seen(model, block) for block in anatomy.blocks}
    device = next(model.parameters()).device
    for at in range(0, len(chosen), _BATCH):
        with torch.no_grad(), evaluating(model), ExitStack() as hooks:
            for own in seen.values():
                for hook in own.hooks():
                    hooks.callback(hook.remove)
            model(normalised(info, data.images[chosen[at : at + _BATCH]]).to(device))
        yield {}
    return {f"{name}:{kind}": value.float() for name, own in seen.items() for kind, value in own.result().items()}


class _Seen:
    """Running sums of one block."""

    def __init__(self, model: nn.Module, block: Block) -> None:
        self.block, self.module = block, model.get_submodule(block.name)
        self.attention: Any = 0.0
        self.maps = 0
        self.v, self.hidden = _Deviation(), _Deviation()

    def hooks(self) -> list[Any]:
        """Look at what qkv puts out and what enters fc2."""
        module: Any = self.module
        return [
            module.attn.qkv.register_forward_hook(lambda _, __, packed: self.see(packed)),
            module.mlp.fc2.register_forward_pre_hook(lambda _, inputs: self.hidden.add(inputs[0])),
        ]

    def see(self, packed: torch.Tensor) -> None:
        """qkv's output [windows, tokens, 3 * channels]."""
        parts = packed.unflatten(-1, (3, self.block.heads, self.block.head_dim))
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # [windows, heads, tokens, d] each
        if self.block.mixer == "linear":
            attention: Any = self.module.get_submodule("attn")
            focused = attention.focused(*packed.chunk(3, dim=-1)[:2])
            change = linear_difference(*(attention.heads(part).double() for part in focused))
        else:
            change = softmax_difference(q, k).double()
        self.attention = self.attention + change.sum(0)
        self.maps += len(packed)
        self.v.add(v.transpose(1, 2).flatten(2))

    def result(self) -> dict[str, torch.Tensor]:
        """Differences by kind, float64."""
        module: Any = self.module
        v = output_difference(self.v.value(), module.attn.proj.weight.double())
        hidden = output_difference(self.hidden.value(), module.mlp.fc2.weight.double())
        return {"qk_dim": self.attention / self.maps, "v_dim": v.view(self.block.heads, -1), "mlp_neuron": hidden[None]}


class _Deviation:
    """The standard deviation over all tokens, channel by channel."""

    def __init__(self) -> None:
        self.count, self.sums, self.squares = 0, torch.zeros(()), torch.zeros(())

    def add(self, x: torch.Tensor) -> None:
        """x [..., tokens, channels]."""
        flat = x.flatten(0, -2).double()
        self.count += len(flat)
        self.sums, self.squares = self.sums.to(x.device) + flat.sum(0), self.squares.to(x.device) + flat.square().sum(0)

    def value(self) -> torch.Tensor:
        """[channels], float64."""
        return (self.squares / self.count - (self.sums / self.count) ** 2).clamp(min=0).sqrt()
