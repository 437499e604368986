"""NViT's units of one model: which are live, what they are masked by, what the live ones leave of each block.

Five kinds (arXiv 2110.04869, section 3.1): in every block hidden units, heads, and Q/K and V dimensions at one index of
all heads together, so that heads keep equal widths; over the whole of a DeiT or ViT the embedding channels.
Next door: `costs` prices what is live, `nvit` ranks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from ...anatomy import BlockCut, group_sets, parameter_masks
from ...cut import embed_axes, embed_masks, slice_blocks, slice_embed
from ...types import KINDS, Anatomy, Block

EMBED = "embed"
GROUP_SIZES = {EMBED: 16, "head": 2, "qk_dim": 8, "v_dim": 8, "mlp_neuron": 16}
"""As published; `group_size` takes fewer where a layer would have too few groups."""
_LEAST_GROUPS = {EMBED: 24, "head": 6, "qk_dim": 8, "v_dim": 8, "mlp_neuron": 24}


class Widths(NamedTuple):
    """What is live in one block: embedding channels (0 where they are fixed), hidden units, heads, Q/K and V
    dimensions a head."""

    embed: int
    hidden: int
    heads: int
    qk: int
    v: int


def group_size(kind: str, units: int) -> int:
    """Units of a kind that go together in a layer of `units`: the published number for DeiT-B, else the largest power
    of two that leaves enough groups to choose from."""
    most = min(GROUP_SIZES[kind], max(1, units // _LEAST_GROUPS[kind]))
    return 1 << (most.bit_length() - 1)


class Units:
    """The live units of a model; `live` maps each layer of units ("blocks.0:head", "embed") to a boolean array."""

    def __init__(self, model: nn.Module, anatomy: Anatomy) -> None:
        self.model, self.anatomy = model, anatomy
        self.live = {group.name: np.ones(group.size, dtype=bool) for group in group_sets(anatomy)}
        self.axes: dict[str, int] = {}
        if anatomy.family == "deit":
            self.axes = embed_axes(model)
            self.live[EMBED] = np.ones(_width(model), dtype=bool)
        self.sizes = {name: group_size(kind_of(name), len(live)) for name, live in self.live.items()}

    def widths(self, block: Block) -> Widths:
        """What is live in a block."""
        return Widths(self.embed or 0, *(int(self.live[f"{block.name}:{kind}"].sum()) for kind in KINDS))

    def all_widths(self) -> list[Widths]:
        """`widths` of every block, in forward order."""
        return [self.widths(block) for block in self.anatomy.blocks]

    def least_widths(self) -> list[Widths]:
        """What every block keeps at least: one group of each kind."""
        embed = self.sizes.get(EMBED, 0)
        return [Widths(embed, *(self.sizes[f"{b.name}:{kind}"] for kind in KINDS)) for b in self.anatomy.blocks]

    def one_group_less(self, name: str) -> list[Widths]:
        """`all_widths` without one more group of a layer."""
        block, _, kind = name.rpartition(":")
        place = (EMBED, *KINDS).index(kind)
        fewer, field = self.sizes[name], Widths._fields[place]
        return [
            wide._replace(**{field: wide[place] - fewer}) if kind == EMBED or at.name == block else wide
            for at, wide in zip(self.anatomy.blocks, self.all_widths(), strict=True)
        ]

    @property
    def embed(self) -> int | None:
        """Live embedding channels; None where they are fixed."""
        return int(self.live[EMBED].sum()) if EMBED in self.live else None

    def cut(self, block: Block) -> BlockCut:
        """What is live in a block, as indices; the same dimensions in every head."""
        hidden, heads, qk, v = (np.flatnonzero(self.live[f"{block.name}:{kind}"]) for kind in KINDS)
        return BlockCut(hidden, heads, np.tile(qk, (len(heads), 1)), np.tile(v, (len(heads), 1)))

    def masks(self) -> dict[str, torch.Tensor]:
        """Parameter name -> mask that broadcasts over it, of all dependents of units that are gone."""
        found: dict[str, np.ndarray] = {}
        existing = {name for name, _ in self.model.named_parameters()}
        for name, keep in self._all_masks():
            if name in existing and not keep.all():
                found[name] = found[name] & keep if name in found else keep
        return {name: torch.from_numpy(np.ascontiguousarray(keep)) for name, keep in found.items()}

    def _all_masks(self) -> Iterator[tuple[str, np.ndarray]]:
        for block in self.anatomy.blocks:
            for name, keep in parameter_masks(block, self.cut(block)).items():
                yield f"{block.name}.{name}", keep
        if EMBED in self.live:
            yield from embed_masks(self.axes, self.model, self.live[EMBED])

    def extract(self) -> nn.Module:
        """The live part of the model as a really smaller one. Outside embedding channels it answers as the masked model
        does; see `cut.embed` for those."""
        cuts = {block.name: self.cut(block) for block in self.anatomy.blocks}
        smaller = slice_blocks(self.model, self.anatomy, cuts)
        return slice_embed(smaller, self.live[EMBED]) if EMBED in self.live else smaller

    def kept(self) -> dict[str, Any]:
        """{"embed": channels or None, "blocks": units by kind of each block, "dense": both of the dense model}, as
        plain data."""
        sizes = {name: len(live) for name, live in self.live.items()}
        return {**self._counts(lambda name: int(self.live[name].sum())), "dense": self._counts(sizes.__getitem__)}

    def _counts(self, count: Callable[[str], int]) -> dict[str, Any]:
        blocks = [{kind: count(f"{block.name}:{kind}") for kind in KINDS} for block in self.anatomy.blocks]
        return {"embed": count(EMBED) if EMBED in self.live else None, "blocks": blocks}


def kind_of(name: str) -> str:
    """The kind of a layer of units."""
    return name.rpartition(":")[2]


def _width(model: Any) -> int:
    return int(model.embed_dim)
