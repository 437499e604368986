"""The prefix cache: activations that enter each block are kept, so that a cut that changes only later blocks is
evaluated from the first changed block on.

A model is run as a chain of segments, one a block (a Swin stage's patch merging belongs to its first block), then final
norm and head; the chain computes what timm's forward computes. What enters a segment is valid as long as nothing
before it changed: the cache stores it under the state of all earlier segments, so no sequence of moves can mix models.
Next door: `accuracy` asks for logits batch by batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from ..anatomy import Segment, embed, head
from ..types import Family

LIMIT = int(os.environ.get("DIMAP_PREFIX_MIB", "256")) * 1024**2  # bytes of activations kept by one cache


@dataclass
class PrefixCache:
    """Inputs of segments by (batch, segment), each with the state of everything before it; at most `limit` bytes."""

    limit: int = LIMIT
    used: int = 0
    kept: dict[tuple[Hashable, int], tuple[Hashable, torch.Tensor]] = field(default_factory=dict)

    def start(self, batch: Hashable, states: list[Hashable]) -> tuple[int, torch.Tensor | None]:
        """The last segment whose stored input is still valid, with that input; (0, None) if there is none."""
        for place in range(len(states) - 1, -1, -1):
            state, x = self.kept.get((batch, place), (None, None))
            if x is not None and state == states[place]:
                return place, x
        return 0, None

    def store(self, batch: Hashable, place: int, state: Hashable, x: torch.Tensor) -> None:
        """Keep a segment's input, in place of an older one, if it fits."""
        _, old = self.kept.pop((batch, place), (None, None))
        self.used -= 0 if old is None else old.nbytes
        if self.used + x.nbytes <= self.limit:
            self.kept[batch, place] = (state, x)
            self.used += x.nbytes

    def close(self) -> None:
        """Let everything go and keep nothing from now on; an evaluation under way goes on without."""
        self.limit = self.used = 0
        self.kept.clear()


@dataclass(frozen=True)
class PrefixRunner:
    """Runs batches of one cut through `chain`, starting each at the first segment whose input is not known.

    `weights`: masked parameters by name. `states`: for each segment what everything before it depends on; equal states
    promise equal inputs. `owner`: names model and data in the cache.
    """

    model: nn.Module
    family: Family
    chain: list[Segment]
    weights: Mapping[str, torch.Tensor]
    states: list[Hashable]
    cache: PrefixCache
    owner: Hashable

    def __call__(self, batch: Hashable, images: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Logits of one batch; `images` makes the normalised pixels, asked only if the first segment has to run."""
        key = (self.owner, batch)
        start, x = self.cache.start(key, self.states)
        if x is None:
            x = embed(self.model, self.family, images())
        for place in range(start, len(self.chain)):
            self.cache.store(key, place, self.states[place], x)
            x = self.chain[place].run(self.weights, x)
        return head(self.model, x)


def states_before(chain: list[Segment], cut: Mapping[str, Hashable]) -> list[Hashable]:
    """For each segment the cut of all layers before it; `cut` holds a value for each layer that loses something."""
    states: list[Hashable] = []
    before: tuple = ()
    for segment in chain:
        states.append(before)
        # A layer's name, or a set of groups': "layers.0.blocks.1.mlp.fc1", "layers.0.blocks.1:mlp_neuron".
        names = tuple(f"{name}{sign}" for name, _ in segment.parts for sign in ".:")
        before += tuple(item for item in cut.items() if item[0].startswith(names))
    return states
