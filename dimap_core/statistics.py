"""Statistics: what data-driven criteria read besides weights, from one pass over a few labelled training images.

The model stays as it is: gradients are taken of leaves that share its parameters' memory, so no `grad`, `requires_grad`
or hook of the model is touched, and between two batches not even its training flag.
Next door: `criteria.taylor` ranks by what is gathered here; `cut.repair` gathers its own moments, because they depend
on what was cut before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from .errors import DataError
from .evaluate import check_fit, normalised, stratified_order
from .groups import group_sums
from .types import Anatomy, Block, LabelledImages, ModelInfo

_PIXELS = 4 * 224**2  # what one backward pass sees; larger batches are run in parts, for the same result


@dataclass(frozen=True)
class Statistics:
    """What was seen of a model on training images.

    `taylor`: by set of groups ("layers.0.blocks.1:qk_dim") the float64 sum over batches of each group's squared
    first-order effect on the loss; mlp_neuron [hidden], head [heads], qk_dim and v_dim [heads, head_dim].
    """

    data: str
    images: int
    seed: int
    taylor: Mapping[str, np.ndarray]


def balanced_subset(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Indices of at most `count` images, of every class nearly as many (as far as it has them), drawn with `seed`."""
    drawn = np.random.default_rng(seed).permutation(len(labels))
    return drawn[stratified_order(labels[drawn])][:count]


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
    cancel.

    First-order Taylor (Molchanov et al., arXiv 1906.10771, the joint importance of a set): with L the mean
    cross-entropy of a batch, each group g adds (sum over s in g of dL/dw_s * w_s)^2.
    """
    check_fit(info, data)
    chosen = balanced_subset(data.labels, images, seed)
    if images < 1 or not len(chosen):
        raise DataError(f"Statistics of no images of '{data.name}' mean nothing; ask for at least one.")
    chunk = max(1, _PIXELS // info.input_size**2)
    taylor: dict[str, np.ndarray] = {}
    for start in range(0, len(chosen), batch):
        part, effects = chosen[start : start + batch], dict[str, np.ndarray]()
        for at in range(0, len(part), chunk):
            some = part[at : at + chunk]
            for name, effect in _effects(model, info, anatomy, data.images[some], data.labels[some]):
                effects[name] = effects.get(name, 0.0) + effect / len(part)
            if at + chunk >= len(part):
                taylor = {name: taylor.get(name, 0.0) + np.square(effect) for name, effect in effects.items()}
            done = start + at + len(some)
            last = done == len(chosen)
            yield done, len(chosen), Statistics(data.name, done, seed, taylor) if last else None


def _effects(
    model: nn.Module, info: ModelInfo, anatomy: Anatomy, images: np.ndarray, labels: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """(set name, sum of gradient * weight over each of its groups), float64, for the images' summed loss."""
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model):
        leaves = {name: _leaf(value) for block in anatomy.blocks for name, value in _parameters(model, block)}
        others = {name: _plain(value) for name, value in _tensors(model) if name not in leaves}
        device = next(iter(leaves.values())).device
        logits = functional_call(model, {**others, **leaves}, (normalised(info, images).to(device),))
        loss = F.cross_entropy(logits, torch.from_numpy(labels).to(device), reduction="sum")
        gradients = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
    for block in anatomy.blocks:
        cut = len(block.name) + 1
        products = {
            name[cut:]: (gradients[name].double() * leaves[name].detach().double()).cpu().numpy()
            for name, _ in _parameters(model, block)
        }
        for kind, sums in group_sums(block, products).items():
            yield f"{block.name}:{kind}", sums


def _parameters(model: nn.Module, block: Block) -> Iterator[tuple[str, torch.Tensor]]:
    """The block's parameters by their full names."""
    for name, parameter in model.get_submodule(block.name).named_parameters():
        yield f"{block.name}.{name}", parameter


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _leaf(value: torch.Tensor) -> torch.Tensor:
    return _plain(value).requires_grad_()


def _plain(value: torch.Tensor) -> torch.Tensor:
    """A tensor that autograd takes, in the same memory; a model built under inference mode has to be copied."""
    return value.clone() if value.is_inference() else value.detach()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode, every module's own training flag put back afterwards."""
    flags: list[tuple[Any, bool]] = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training
