"""Learnable indicators of a model's channels: masks while it trains, and how many MACs they leave.

In every block m_qk and m_v [heads, d] and m_f [1, hidden], each times its similarity weight w; r [heads, d], the
factors of V channels. Hooks on the model's own layers apply them: Q/K on q, V and r before proj, hidden units before
fc2 (after GELU), where zero equals removal; in linear attention Q/K on q and k, since norms over all channels see both
(there a Q/K channel that is masked gets no gradient but the resource loss's: a cube is flat at zero). Reconstructed,
see `settings.RECONSTRUCTIONS`.
Next door: `scores` has the formulas, `removal` takes out what is masked, `method` trains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from ....types import Anatomy, Block
from .scores import THRESHOLD, first_indicators, keep_mask, similarity_weights, straight_through
from .settings import INDICATOR_LR, Search

KINDS = ("mlp_neuron", "qk_dim", "v_dim")
Differences = Mapping[str, torch.Tensor]
"""By set of groups ("blocks.0:v_dim") the attention difference of each channel [heads, d], of hidden units
[1, hidden]."""


class Indicator(nn.Module):
    """m, w and, once frozen, the mask of one kind of channels of one block, [heads, d] each."""

    w: torch.Tensor
    fixed: torch.Tensor

    def __init__(self, heads: int, size: int) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.ones(heads, size))
        self.register_buffer("w", torch.ones(heads, size))
        self.register_buffer("fixed", torch.ones(heads, size, dtype=torch.bool))

    @property
    def strength(self) -> torch.Tensor:
        """s = m w."""
        return self.m * self.w


class Indicators(nn.Module):
    """All indicators of a model; state_dict holds all that a search has to go on with."""

    frozen: torch.Tensor

    def __init__(self, anatomy: Anatomy, asked: Search) -> None:
        super().__init__()
        self.anatomy, self.asked = anatomy, asked
        self.own = nn.ModuleDict()
        self.factors = nn.ParameterList()
        for block in anatomy.blocks:
            for kind in KINDS:
                rows, size = (1, block.part("mlp.fc1").shape[0]) if kind == KINDS[0] else (block.heads, block.head_dim)
                self.own[_key(block, kind)] = Indicator(rows, size)
            self.factors.append(nn.Parameter(torch.ones(block.heads, block.head_dim), requires_grad=asked.reweight))
        self.register_buffer("frozen", torch.tensor(False))
        self.dense = sum(layer.macs for layer in anatomy.layers)

    def of(self, block: Block, kind: str) -> Indicator:
        """One block's indicator of a kind."""
        return cast(Indicator, self.own[_key(block, kind)])

    def groups(self) -> list[dict[str, Any]]:
        """What AdamW learns beside the weights."""
        learned = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return [{"params": learned, "lr": INDICATOR_LR, "weight_decay": 0.0}]

    def begin(self, model: nn.Module, differences: Differences | None) -> None:
        """Similarity weights and first indicators of a dense model; without differences all m start alike."""
        self.refresh(model)
        with torch.no_grad():
            for block in self.anatomy.blocks:
                for kind in KINDS:
                    own = self.of(block, kind)
                    found = None if differences is None else differences[f"{block.name}:{kind}"]
                    own.m.copy_(first_indicators(found, own.w))

    def refresh(self, model: nn.Module) -> None:
        """Similarity weights from the model's weights as they are now."""
        if not self.asked.similarity:
            return
        with torch.no_grad():
            for block in self.anatomy.blocks:
                for kind, rows in channel_rows(model.get_submodule(f"{block.name}.attn")).items():
                    self.of(block, kind).w.copy_(similarity_weights(rows))

    def keep(self, block: Block, kind: str, threshold: float = THRESHOLD) -> torch.Tensor:
        """Which channels stay, boolean [heads, d]."""
        own = self.of(block, kind)
        if self.frozen:
            return own.fixed
        return keep_mask(own.strength.detach(), self.asked.equal_heads, threshold)

    def gate(self, block: Block, kind: str) -> torch.Tensor:
        """The mask as numbers [heads, d]; its gradient goes to the indicators, until they are frozen."""
        own = self.of(block, kind)
        if self.frozen:
            return own.fixed.to(own.m.dtype)
        return straight_through(own.strength, self.keep(block, kind))

    def share(self) -> torch.Tensor:
        """MACs that are left as a share of the dense model's, with a gradient to the indicators."""
        return self._priced({block.name: [self.gate(block, kind) for kind in KINDS] for block in self.anatomy.blocks})

    def left(self, threshold: float = THRESHOLD) -> float:
        """`share` as a number; `threshold`: in the place of 0.5."""
        keeps = {b.name: [self.keep(b, kind, threshold).float() for kind in KINDS] for b in self.anatomy.blocks}
        return float(self._priced(keeps))

    def _priced(self, kept: Mapping[str, list[torch.Tensor]]) -> torch.Tensor:
        one = torch.ones(1, dtype=torch.float64, device=self.frozen.device)
        saved = one.new_zeros(())
        for block in self.anatomy.blocks:
            shares = (mask.double().mean(1) for mask in kept[block.name])
            saved = saved + block_macs(block, one, one, one) - block_macs(block, *shares)
        return (1 - saved / self.dense).float()

    def freeze(self, target: float) -> None:
        """Masks stay as they are; where more than `target` of the MACs is left, at the lowest threshold that meets
        it."""
        threshold = THRESHOLD
        if self.left() > target:
            values = torch.cat([own.strength.detach().flatten() for own in self._each()]).unique().tolist()
            values.append(float("inf"))  # one of each is left
            low, high = 0, len(values) - 1
            while low < high:
                middle = (low + high) // 2
                low, high = (low, middle) if self.left(values[middle]) <= target else (middle + 1, high)
            threshold = values[low]
        for block in self.anatomy.blocks:
            for kind in KINDS:
                own = self.of(block, kind)
                own.fixed.copy_(self.keep(block, kind, threshold))
        self.frozen.fill_(True)

    def _each(self) -> Iterator[Indicator]:
        return (cast(Indicator, own) for own in self.own.values())

    @contextmanager
    def on(self, model: nn.Module) -> Iterator[None]:
        """The model answers as its masks and factors have it; hooks are gone afterwards."""
        with ExitStack() as hooks:
            for block, factors in zip(self.anatomy.blocks, self.factors, strict=True):
                module: Any = model.get_submodule(block.name)
                onto_qk = self._onto_q_and_k(block, module.attn) if block.mixer == "linear" else self._onto_q(block)
                hooks.callback(module.attn.qkv.register_forward_hook(onto_qk).remove)
                hooks.callback(module.attn.proj.register_forward_pre_hook(self._before_proj(block, factors)).remove)
                hooks.callback(module.mlp.fc2.register_forward_pre_hook(self._before_fc2(block)).remove)
            yield

    def _onto_q(self, block: Block) -> Any:
        def gated(_: nn.Module, inputs: tuple[torch.Tensor, ...], packed: torch.Tensor) -> torch.Tensor:
            q, rest = packed.tensor_split([block.heads * block.head_dim], dim=-1)
            return torch.cat([q * self.gate(block, "qk_dim").flatten().to(q.dtype), rest], dim=-1)

        return gated

    def _onto_q_and_k(self, block: Block, attention: Any) -> Any:
        """Of linear attention, whose norms see all channels of q and of k with its positional term."""

        def gated(_: nn.Module, inputs: tuple[torch.Tensor, ...], packed: torch.Tensor) -> torch.Tensor:
            gate = self.gate(block, "qk_dim").flatten().to(packed.dtype)
            q, k, v = packed.chunk(3, dim=-1)
            return torch.cat([q * gate, (k + attention.positional) * gate - attention.positional, v], dim=-1)

        return gated

    def _before_proj(self, block: Block, factors: torch.Tensor) -> Any:
        def gated(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
            scale = self.gate(block, "v_dim") * factors
            return inputs[0] * scale.flatten().to(inputs[0].dtype)

        return gated

    def _before_fc2(self, block: Block) -> Any:
        def gated(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
            return inputs[0] * self.gate(block, "mlp_neuron").flatten().to(inputs[0].dtype)

        return gated

    def kept(self) -> dict[str, Any]:
        """{"embed": None, "blocks": channels kept by kind of each block, of a head on average where heads differ,
        "dense": the same of the dense model}, as plain data."""
        kept, dense = [], []
        for block in self.anatomy.blocks:
            masks = {kind: self.keep(block, kind) for kind in KINDS}
            kept.append({kind: _mean(int(mask.sum()), len(mask)) for kind, mask in masks.items()})
            dense.append({kind: mask.shape[1] for kind, mask in masks.items()})
        return {"embed": None, "blocks": kept, "dense": {"embed": None, "blocks": dense}}

    def asked_for(self) -> dict[str, list[list[int]]]:
        """By kind, for each block and head, the share of channels in % whose m w is at least 0.5: what each head would
        keep by itself."""
        return {
            kind: [
                (self.of(block, kind).strength.detach() >= THRESHOLD).double().mean(1).mul(100).round().int().tolist()
                for block in self.anatomy.blocks
            ]
            for kind in KINDS
        }

    def channels(self) -> dict[str, dict[str, list[list[int]]]]:
        """By block and kind, which channels each head keeps."""
        return {
            block.name: {
                kind: [np.flatnonzero(row).tolist() for row in self.keep(block, kind).cpu().numpy()]
                for kind in ("qk_dim", "v_dim")
            }
            for block in self.anatomy.blocks
        }


def block_macs(block: Block, hidden: torch.Tensor, qk: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """MACs of what a block has kept: the shares 0..1 of its hidden units [1] and of each head's Q/K and V channels
    [heads]."""
    qkv, proj, product = (block.part(name).macs for name in ("attn.qkv", "attn.proj", "attn"))
    found = (block.part("mlp.fc1").macs + block.part("mlp.fc2").macs) * hidden.mean()
    found = found + 2 * qkv / 3 * qk.mean() + (qkv / 3 + proj) * v.mean()
    if block.mixer == "linear":  # K^T V and Q (K^T V), and the depthwise convolution
        return found + product * (qk * v).mean() + block.part("attn.dwc").macs * v.mean()
    return found + product / 2 * (qk.mean() + v.mean())


def _mean(channels: int, heads: int) -> float:
    return channels // heads if channels % heads == 0 else round(channels / heads, 2)


def _key(block: Block, kind: str) -> str:
    return f"{block.name}:{kind}".replace(".", "/")  # dots part modules


def channel_rows(attention: Any) -> dict[str, torch.Tensor]:
    """The weights that are compared of each channel: qk_dim [heads, d, 2 * width] its rows of W_q and W_k together,
    v_dim [heads, d, width] its row of W_v; of a dense or sliced attention."""
    if hasattr(attention, "qkv"):
        thirds = attention.qkv.weight.detach().chunk(3)
    else:
        thirds = tuple(part.weight.detach() for part in (attention.q, attention.k, attention.v))
    q, k, v = (third.unflatten(0, (attention.num_heads, -1)) for third in thirds)
    return {"qk_dim": torch.cat([q, k], dim=-1), "v_dim": v}
