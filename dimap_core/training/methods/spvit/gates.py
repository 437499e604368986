"""SPViT's gates: one path through a model on which every attention slot and every hidden unit can be switched off.

He et al., TPAMI 2024 (arXiv 2111.11802), as the released code has it. Each slot nests what can stand there, cheapest
first (1x1 < 3x3 < MSA): gates g = cumprod(b), out = sum_k g_k prod_(j > k) (1 - g_j) op_k, all shut: skip. A hidden
unit has one gate: fc2(b GELU(fc1 x)). In training a gate is drawn once for the whole batch, b = 1[theta + noise > 0]
with logistic noise, straight through its sigmoid; in evaluation b = 1[theta > 0]. The cost of a model is counted on its
likeliest gates, q = 1[p > .5] straight through sigmoid(p - .5) with p = sigmoid(theta), not on the drawn ones.
Ours: a convolution that costs as much as what it would replace is left out of its slot (fewer than three heads can make
the nested cost negative); hidden units cost what they see, prefix tokens too; windows are made around attention alone,
so that on Swin convolutions see the whole map in the search as they do later.
Next door: `cut.convolution` makes kernels of values and projections, `method` trains what is built here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from timm.models.swin_transformer import window_partition, window_reverse
from torch import nn
from torch.nn import functional as F

from ....anatomy import SIDES
from ....cut import Place, Shared, convolved, over_map, place_of, see_whole_map
from ....types import Anatomy, Block, Mixer

START = 1.5
"""Every gate's logit in the beginning, as published; sigmoid(1.5) = 0.82."""


def drawn(logits: torch.Tensor) -> torch.Tensor:
    """Gates of one forward pass, 0 or 1, with the gradient of the soft ones."""
    u = torch.rand_like(logits).clamp(1e-6, 1 - 1e-6)
    soft = torch.sigmoid(logits + u.log() - (-u).log1p())
    hard = (soft > 0.5).to(soft)
    return hard + soft - soft.detach()


def likeliest(logits: torch.Tensor) -> torch.Tensor:
    """Gates that are more likely open than not, 0 or 1, with the gradient of sigmoid(p - 0.5)."""
    chance = torch.sigmoid(logits)
    soft = torch.sigmoid(chance - 0.5)
    return (chance > 0.5).to(soft) + soft - soft.detach()


def nested(gates: torch.Tensor) -> list[torch.Tensor]:
    """g_k: a gate counts only where all cheaper ones are open."""
    found: list[torch.Tensor] = []
    for gate in gates.unbind():
        found.append(gate if not found else found[-1] * gate)
    return found


class Windows(nn.Module):
    """timm's window attention on a whole map, [B, height * width, D], with its block's windows, shift and mask."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.attention, self.grid = block.attn, tuple(block.input_resolution)
        self.window, self.shift = tuple(block.window_size), tuple(block.shift_size)
        self.register_buffer("mask", block.attn_mask, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [B, height * width, D] -> the same shape."""
        rows, columns = self.grid
        down, right = (-side % window for side, window in zip(self.grid, self.window, strict=True))
        image = torch.roll(x.unflatten(1, self.grid), (-self.shift[0], -self.shift[1]), (1, 2))
        image = F.pad(image, (0, 0, 0, right, 0, down))
        windows = window_partition(image, self.window).flatten(1, 2)
        mixed = self.attention(windows, mask=self.mask).unflatten(1, self.window)
        image = window_reverse(mixed, self.window, rows + down, columns + right)[:, :rows, :columns]
        return torch.roll(image, self.shift, (1, 2)).flatten(1, 2)


class GatedMixer(nn.Module):
    """A slot in which attention and convolutions of shared weights stand side by side, behind nested gates.

    `candidates`: what else than attention may stand there, cheapest first; `logits` one for each, attention's last.
    """

    def __init__(self, model: Any, block: Any, candidates: tuple[Mixer, ...]) -> None:
        super().__init__()
        self.place, self.candidates = place_of(model, block), candidates
        packed = block.attn
        self.attention = Windows(block) if hasattr(block, "window_size") else packed
        channels = packed.proj.in_features // packed.num_heads
        self.mixture = nn.Parameter(torch.ones(packed.num_heads, 9))
        self.batchnorms = nn.ModuleDict({mixer: nn.BatchNorm2d(channels) for mixer in candidates})
        self.logits = nn.Parameter(torch.full((len(candidates) + 1,), START))

    def forward(self, x: torch.Tensor, attn_mask: Any = None, is_causal: bool = False, mask: Any = None) -> Any:
        """x [B, N, D] -> the same shape."""
        gates = nested(drawn(self.logits) if self.training else (self.logits > 0).to(x))
        out = gates[-1] * self.attention(x)
        shut = 1 - gates[-1]
        for gate, mixer in reversed(list(zip(gates, self.candidates, strict=False))):
            out = out + gate * shut * self.convolution(x, mixer)
            shut = shut * (1 - gate)
        return out

    def convolution(self, x: torch.Tensor, mixer: str) -> torch.Tensor:
        """What a convolution would make of x."""
        packed = self.attention.attention if isinstance(self.attention, Windows) else self.attention
        kernels = Shared.of(packed).kernels(self.mixture, mixer)
        batchnorm: Any = self.batchnorms[mixer]
        return over_map(x, self.place, lambda image: convolved(image, kernels, batchnorm))

    def mixer(self) -> Mixer:
        """What stands there by the signs of the logits."""
        opened = int((self.logits.detach() > 0).int().cumprod(0).sum())
        return ("skip", *self.candidates, "softmax")[opened]


class UnitGates(nn.Module):
    """Gates of an MLP's hidden units; stands where timm's Mlp has room for a norm."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.full((units,), START))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [B, N, units], some of them zero."""
        return x * (drawn(self.logits) if self.training else self.logits > 0).to(x.dtype)

    def kept(self) -> np.ndarray:
        """Indices of the units that stay, at least one."""
        logits = self.logits.detach().cpu().numpy()
        return np.flatnonzero(logits > 0) if (logits > 0).any() else np.array([logits.argmax()])


class Gated:
    """A model with all its gates, put in place; `slots` and `units` by block, in forward order."""

    def __init__(self, model: Any, anatomy: Anatomy) -> None:
        self.model, self.anatomy = model, anatomy
        self.slots: list[GatedMixer] = []
        self.units: list[UnitGates] = []
        places = (place_of(model, model.get_submodule(block.name)) for block in anatomy.blocks)
        self.prices = [prices(*pair) for pair in zip(anatomy.blocks, map(patches, places), strict=True)]
        for block, price in zip(anatomy.blocks, self.prices, strict=True):
            module = model.get_submodule(block.name)
            self.slots.append(GatedMixer(model, module, tuple(price)[:-1]))
            self.units.append(UnitGates(block.part("mlp.fc1").shape[0]))
            module.attn, module.mlp.norm = self.slots[-1], self.units[-1]
            if hasattr(module, "window_size"):
                see_whole_map(module)
        self.dense = sum(layer.macs for layer in anatomy.layers)
        # What no gate can take: all but slots and hidden units.
        self.fixed = self.dense - sum(price["softmax"] for price in self.prices)
        self.fixed -= sum(hidden_price(block) * block.part("mlp.fc1").shape[0] for block in anatomy.blocks)

    def logits(self) -> list[nn.Parameter]:
        """All gates' logits."""
        return [*(slot.logits for slot in self.slots), *(units.logits for units in self.units)]

    def share(self) -> torch.Tensor:
        """MACs by the likeliest gates as a share of the dense model's; its gradient reaches every logit."""
        found: Any = self.fixed
        for block, price, slot, units in self._rows():
            costs = list(price.values())
            steps = [cost - before for cost, before in zip(costs, [0, *costs[:-1]], strict=True)]
            gates = nested(likeliest(slot.logits))
            found = found + sum(gate * step for gate, step in zip(gates, steps, strict=True))
            found = found + hidden_price(block) * likeliest(units.logits).sum()
        return found / self.dense

    def left(self) -> float:
        """The share of MACs that the model derived now would have; exact."""
        found = self.fixed
        for block, price, slot, units in self._rows():
            found += price.get(slot.mixer(), 0) + hidden_price(block) * len(units.kept())
        return found / self.dense

    def derived(self) -> tuple[dict[str, Mixer], dict[str, np.ndarray]]:
        """By block name what takes attention's place, and for every block the hidden units that stay."""
        mixers = {block.name: slot.mixer() for block, _, slot, _ in self._rows() if slot.mixer() != "softmax"}
        return mixers, {block.name: units.kept() for block, _, _, units in self._rows()}

    def shown(self) -> list[dict[str, Any]]:
        """Of every block "mixer", "hidden" units kept "of" how many, and by name each gate's "chances" to be open, as
        plain data."""
        rows = []
        for _, price, slot, units in self._rows():
            chances = torch.sigmoid(slot.logits.detach()).tolist()
            rows.append({
                "mixer": slot.mixer(), "hidden": len(units.kept()), "of": len(units.logits),
                "chances": {name: round(chance, 3) for name, chance in zip(price, chances, strict=True)},
            })  # fmt: skip
        return rows

    def _rows(self) -> Iterator[tuple[Block, dict[Mixer, int], GatedMixer, UnitGates]]:
        yield from zip(self.anatomy.blocks, self.prices, self.slots, self.units, strict=True)


def prices(block: Block, seen: int) -> dict[Mixer, int]:
    """MACs of what may stand in a block's slot, cheapest first, where convolutions see that many patches; none that
    costs as much as attention."""
    attention = sum(block.part(name).macs for name in ("attn.qkv", "attn.proj", "attn"))
    bottleneck = block.part("mlp.fc1").shape[1] * block.head_dim
    costs: dict[Mixer, int] = {mixer: (SIDES[mixer] ** 2 + 1) * bottleneck * seen for mixer in ("conv1", "conv3")}
    return {**{mixer: cost for mixer, cost in costs.items() if cost < attention}, "softmax": attention}


def patches(place: Place) -> int:
    """How many patches lie on a map."""
    return math.prod(place.grid)


def hidden_price(block: Block) -> int:
    """MACs of one hidden unit."""
    fc1 = block.part("mlp.fc1")
    return (fc1.macs + block.part("mlp.fc2").macs) // fc1.shape[0]
