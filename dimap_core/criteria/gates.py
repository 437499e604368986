"""Gates on units: captum's integrated gradients over what each unit of a block lets through.

One path a set of gates: all hidden units of a block (before fc2), all V dimensions (before proj), all Q/K dimensions
(on q) go from shut to open together while the rest of the model stays as it is, so the attributions of an image sum to
what the set as a whole adds to its answer. Works for every block of a Swin or DeiT: a gate is a factor on a layer's
input or output, whatever windows it is cut into. Linear attention normalises q, so that a factor on all of it is not
felt: there the gate is on what a Q/K dimension brings of the values, in the numerator alone.
Next door: `conductance` ranks by what is gathered here, `statistics` has everything that one pass can give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from ..anatomy import Segment, embed, evaluating, group_sets, head, plain_tensor, segments, tensors
from ..data import normalised, restricted, training_subset
from ..types import Anatomy, Block, Family, LabelledImages, ModelInfo
from .evidence import Gathered

SHARE = 8  # one image in so many of those asked for
STEPS = 8  # of Gauss-Legendre on each path
KINDS = ("mlp_neuron", "v_dim", "qk_dim")  # heads come with their V dimensions


@dataclass(frozen=True)
class Attributions(Gathered):
    """Mean over images of |attribution| to the right class's log-probability, in nats, by set of groups, float64:
    mlp_neuron [hidden], head [heads], qk_dim and v_dim [heads, head_dim]."""

    units: Mapping[str, np.ndarray]

    def arrays(self) -> Iterator[np.ndarray]:
        """Every array."""
        yield from self.units.values()


def attribute(
    model: nn.Module,
    info: ModelInfo,
    data: LabelledImages,
    anatomy: Anatomy,
    images: int = 256,
    batch: int = 8,
    seed: int = 0,
    steps: int = STEPS,
) -> Iterator[tuple[int, int, Attributions | None]]:
    """Yield (paths done, paths in all, None) after every path of a batch, the Attributions with the last; close it to
    cancel. Reads an eighth of `images`, at least one; raises DataError as `statistics.collect` does."""
    group_sets(anatomy)  # refuses a sliced model
    chosen = training_subset(info, data, -(-images // SHARE), seed)
    parts = [chosen[at : at + batch] for at in range(0, len(chosen), batch)]
    with torch.inference_mode(False):
        weights = {f"model.{name}": plain_tensor(value) for name, value in tensors(model)}
    blocks = enumerate(anatomy.blocks)
    suffixes = [Suffix(model, weights, info.family, block, place, data.outputs) for place, block in blocks]
    sums: dict[str, Any] = {}
    done, total = 0, len(parts) * sum(len(suffix.kinds) for suffix in suffixes)
    for part in parts:
        x, labels = _into_first(model, info, data, part)
        for suffix in suffixes:
            x = suffix.merged(x)
            for kind in suffix.kinds:
                found = suffix.attributions(kind, x, labels, steps)
                for name, value in _by_set(suffix.block, kind, found).items():
                    sums[name] = sums.get(name, 0.0) + value
                done += 1
                if done < total:
                    yield done, total, None
            x = suffix.through(x)
    units = {name: value / len(chosen) for name, value in sums.items()}
    yield total, total, Attributions(data.name, len(chosen), seed, units).checked(info)


def _by_set(block: Block, kind: str, found: torch.Tensor) -> dict[str, np.ndarray]:
    """Sums over images of absolute attributions [images, units], by set; heads with their V dimensions."""
    if kind == "mlp_neuron":
        return {f"{block.name}:{kind}": found.abs().sum(0).cpu().numpy()}
    found = found.unflatten(1, (block.heads, block.head_dim))
    sets = {f"{block.name}:{kind}": found.abs().sum(0).cpu().numpy()}
    if kind == "v_dim":
        sets[f"{block.name}:head"] = found.sum(2).abs().sum(0).cpu().numpy()
    return sets


def _into_first(
    model: nn.Module, info: ModelInfo, data: LabelledImages, part: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor]:
    """(what enters the first block, labels) of some images."""
    with torch.inference_mode(False), torch.no_grad(), evaluating(model):
        device = next(model.parameters()).device
        x = embed(model, info.family, normalised(info, data.images[part]).to(device))
        return x, torch.from_numpy(data.labels[part]).to(device)


class Suffix(nn.Module):
    """The model from one block on, with gates on that block's units; autograd sees the gates alone.

    `weights`: the model's parameters and buffers under "model.", as tensors that want no gradient; `outputs`: see
    `LabelledImages`.
    """

    def __init__(
        self, model: nn.Module, weights: Mapping[str, torch.Tensor], family: Family, block: Block, place: int,
        outputs: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        chain = segments(model, family)
        self.model, self.block, self._weights, self._outputs = model, block, dict(weights), outputs
        self._merging, own = Segment(chain[place].parts[:-1]), Segment(chain[place].parts[-1:])
        self._own, self._rest = own, [own, *chain[place + 1 :]]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What gates the block can have; without attention those of hidden units."""
        return KINDS if self.block.heads else KINDS[:1]

    def merged(self, x: torch.Tensor) -> torch.Tensor:
        """What enters the block itself, after a stage's patch merging."""
        return self._still(self._merging, x)

    def through(self, x: torch.Tensor) -> torch.Tensor:
        """What leaves the block."""
        return self._still(self._own, x)

    def _still(self, segment: Segment, x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(False), torch.no_grad(), evaluating(self.model):
            return segment.run({}, x)

    def attributions(self, kind: str, x: torch.Tensor, labels: torch.Tensor, steps: int = STEPS) -> torch.Tensor:
        """Integrated gradients [images, units] of `answer` from all gates of that kind shut to all open, float64."""
        from captum.attr import IntegratedGradients  # with its plotting library a second to import: only where needed

        method = IntegratedGradients(partial(self.answer, kind))
        with torch.inference_mode(False):
            gates = torch.ones((len(x), self.units(kind)), device=x.device)
            return method.attribute(gates, additional_forward_args=(x, labels), n_steps=steps).double()

    def answer(self, kind: str, gates: torch.Tensor, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Log-probability of the right class [images] for gates [images, units] on what enters the block, x."""
        with torch.inference_mode(False), evaluating(self.model), self._gated(kind, gates):
            logits = functional_call(self, self._weights, (x,))
        return restricted(logits, self._outputs).log_softmax(-1).gather(1, labels[:, None])[:, 0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits from what enters the block."""
        for segment in self._rest:
            x = segment.run({}, x)
        return head(self.model, x)

    def units(self, kind: str) -> int:
        """How many gates of that kind there are."""
        return self.block.part("mlp.fc1").shape[0] if kind == "mlp_neuron" else self.block.heads * self.block.head_dim

    @contextmanager
    def _gated(self, kind: str, gates: torch.Tensor) -> Iterator[None]:
        """A hook on the block's layer for as long as the forward pass takes."""

        def into(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
            return inputs[0] * _spread(gates, inputs[0])

        def onto_q(_: nn.Module, inputs: tuple[torch.Tensor, ...], packed: torch.Tensor) -> torch.Tensor:
            q, rest = packed.tensor_split([gates.shape[1]], dim=-1)
            return torch.cat([q * _spread(gates, q), rest], dim=-1)

        linear = self.block.mixer == "linear"
        of_qk = "attn.queries" if linear else "attn.qkv"
        part = {"mlp_neuron": "mlp.fc2", "v_dim": "attn.proj", "qk_dim": of_qk}[kind]
        layer = self.model.get_submodule(f"{self.block.name}.{part}")
        after = kind == "qk_dim" and not linear
        hook = layer.register_forward_hook(onto_q) if after else layer.register_forward_pre_hook(into)
        try:
            yield
        finally:
            hook.remove()


def _spread(gates: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Gates [images, units] so that they multiply x [images or images * windows, tokens..., units]; an image's windows
    lie one after the other."""
    windows = gates.repeat_interleave(len(x) // len(gates), dim=0)
    return windows.view(len(x), *[1] * (x.ndim - 2), -1)
