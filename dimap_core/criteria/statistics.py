"""Statistics: what data-driven criteria read besides weights, all of it from one pass over a few training images.

The model stays as it is: gradients are taken of leaves that share its parameters' memory, so no `grad` or
`requires_grad` of the model is touched, and between two batches neither its training flags are, nor has it hooks.
Memory beside the model's own: three float32 copies of the blocks' weights and the input moments, on Swin-B 1.0 + 0.5
GB, besides what one backward pass takes. Time: 1 to 2 CPU seconds for 256 images on a bundled model, 0.5 an image on
Swin-T.
Next door: `anatomy.activations` counts what layers see, `gates` attributes by captum, `criteria` rank by what is
gathered here; `cut.repair` gathers its own moments, because they depend on what was cut before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from ..anatomy import LayerInputs, Watch, evaluating, group_sums, has_groups, leaf, nvit_sums, plain_tensor, tensors
from ..data import normalised, restricted, training_subset
from ..types import Anatomy, Block, LabelledImages, ModelInfo
from .evidence import Gathered, not_finite

_PIXELS = 4 * 224**2  # what one backward pass sees; larger batches are run in parts, for the same result


@dataclass(frozen=True)
class Statistics(Gathered):
    """What was seen of a model on training images. With L a batch's mean cross-entropy, g its gradient and "effect"
    the first-order one, the sum of g * w over what a unit owns:

    By set of groups ("layers.0.blocks.1:qk_dim"; mlp_neuron [hidden], head [heads], qk_dim and v_dim [heads,
    head_dim]), float64: `taylor` the sum over batches of the squared effect, `effects` the mean effect over images,
    signed, `nvit` the mean over batches of the squared effect of NViT's units (qk_dim and v_dim [head_dim]).
    By prunable layer: `gradients` the mean gradient and `squares` the sum over batches of (g * w)^2, both float32 like
    its weight; `inputs` the moments of its inputs. By block: `logits`, see `anatomy.Watch.logits`.
    """

    taylor: Mapping[str, np.ndarray] = field(default_factory=dict)
    effects: Mapping[str, np.ndarray] = field(default_factory=dict)
    nvit: Mapping[str, np.ndarray] = field(default_factory=dict)
    gradients: Mapping[str, np.ndarray] = field(default_factory=dict)
    squares: Mapping[str, np.ndarray] = field(default_factory=dict)
    inputs: Mapping[str, LayerInputs] = field(default_factory=dict)
    logits: Mapping[str, np.ndarray] = field(default_factory=dict)

    def arrays(self) -> Iterator[np.ndarray]:
        """Every array."""
        for found in (self.taylor, self.effects, self.nvit, self.gradients, self.squares, self.logits):
            yield from found.values()
        for moments in self.inputs.values():
            yield from (moments.mean, moments.products)


def collect(
    model: nn.Module,
    info: ModelInfo,
    data: LabelledImages,
    anatomy: Anatomy,
    images: int = 256,
    batch: int = 32,
    seed: int = 0,
) -> Iterator[tuple[int, int, Statistics | None]]:
    """Yield (images done, images in all, None) at least after every batch, the Statistics with the last; close it to
    cancel. Raises DataError for no images, images of another data set, and statistics that are not finite."""
    chosen = training_subset(info, data, images, seed)
    chunk = max(1, _PIXELS // info.input_size**2)
    sums = _Sums(model, info, anatomy, data.outputs)
    for start in range(0, len(chosen), batch):
        part = chosen[start : start + batch]
        for at in range(0, len(part), chunk):
            some = part[at : at + chunk]
            sums.run(data.images[some], data.labels[some])
            if at + chunk >= len(part):
                sums.end_batch(len(part))
            done = start + at + len(some)
            yield done, len(chosen), sums.result(data.name, done, seed) if done == len(chosen) else None


class _Sums:
    """Running sums of one pass; the leaves collect a batch's gradient of the summed loss."""

    def __init__(self, model: nn.Module, info: ModelInfo, anatomy: Anatomy, outputs: np.ndarray | None) -> None:
        self.model, self.info, self.anatomy, self.watch, self.outputs = model, info, anatomy, Watch(anatomy), outputs
        with torch.inference_mode(False):
            self.leaves = {name: leaf(value) for block in anatomy.blocks for name, value in _parameters(model, block)}
            self.others = {name: plain_tensor(value) for name, value in tensors(model) if name not in self.leaves}
            weights = {layer.name: self.leaves[f"{layer.name}.weight"].detach() for layer in anatomy.prunable}
            self.gradients = {name: torch.zeros_like(weight) for name, weight in weights.items()}
            self.squares = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        self.grouped = has_groups(anatomy)
        self.groups: dict[str, dict[str, Any]] = {"taylor": {}, "effects": {}, "nvit": {}}
        self.batches = 0

    def run(self, images: np.ndarray, labels: np.ndarray) -> None:
        """One forward and backward pass."""
        with torch.inference_mode(False), torch.enable_grad(), evaluating(self.model), self.watch.on(self.model):
            device = next(iter(self.leaves.values())).device
            pixels = normalised(self.info, images).to(device)
            logits = restricted(functional_call(self.model, {**self.others, **self.leaves}, (pixels,)), self.outputs)
            loss = F.cross_entropy(logits, torch.from_numpy(labels).to(device), reduction="sum")
            if not torch.isfinite(loss):
                raise not_finite(self.info)
            loss.backward(inputs=list(self.leaves.values()))

    def end_batch(self, size: int) -> None:
        """Square and add what the batch of that many images left in the leaves."""
        self.batches += 1
        with torch.inference_mode(False), torch.no_grad():
            for block in self.anatomy.blocks:
                products = dict(self._effects(block, size))
                if self.grouped:
                    self._add_groups(block, products, size)

    def _effects(self, block: Block, size: int) -> Iterator[tuple[str, np.ndarray]]:
        """(parameter inside the block, gradient of the batch's mean loss * weight), float64; single weights' sums are
        taken in passing."""
        for name, _ in _parameters(self.model, block):
            leaf = self.leaves[name]
            if leaf.grad is None:
                continue
            effect = leaf.grad.double() * leaf.double() / size
            layer = name.removesuffix(".weight")
            if layer in self.squares and name.endswith(".weight"):
                self.gradients[layer] += leaf.grad
                self.squares[layer] += effect.square().float()
            leaf.grad = None
            yield name[len(block.name) + 1 :], effect.cpu().numpy()

    def _add_groups(self, block: Block, products: dict[str, np.ndarray], size: int) -> None:
        nvit = nvit_sums(block, products)
        for kind, effect in group_sums(block, products).items():
            new = {"taylor": effect**2, "effects": effect * size, "nvit": nvit[kind] ** 2}
            for what, value in new.items():
                found, name = self.groups[what], f"{block.name}:{kind}"
                found[name] = found.get(name, 0.0) + value

    def result(self, data: str, images: int, seed: int) -> Statistics:
        """Sums as the means and sums that `Statistics` names."""
        return Statistics(
            data, images, seed,
            taylor=self.groups["taylor"],
            effects={name: value / images for name, value in self.groups["effects"].items()},
            nvit={name: value / self.batches for name, value in self.groups["nvit"].items()},
            gradients={name: value.div_(images).cpu().numpy() for name, value in self.gradients.items()},
            squares={name: value.cpu().numpy() for name, value in self.squares.items()},
            inputs=self.watch.inputs(),
            logits=self.watch.logits(),
        ).checked(self.info)  # fmt: skip


def _parameters(model: nn.Module, block: Block) -> Iterator[tuple[str, torch.Tensor]]:
    """The block's parameters by their full names."""
    for name, parameter in model.get_submodule(block.name).named_parameters():
        yield f"{block.name}.{name}", parameter
