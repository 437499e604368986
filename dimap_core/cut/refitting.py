"""Refitting: what single weights and structures leave makes up for what they took, layer by layer.

Two ways, both without labels and without training, from a few training images (ours; `refit` says what it owes):

- in order, for zeros: each layer is solved on what the pruned and refitted layers before it hand over, aimed at what it
  answered in the dense model. The answer for good, where `repair` is the one for structures;
- at once, for zeros and structures: all layers from moments of the dense model that were gathered once. Good for a
  first look: nothing is run again when the cut changes.

Zeros stay exactly where the selection has them; weights that were zero before stay so, too.
Next door: `refit` does the maths, `walking` runs the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn

from ..anatomy import BlockCut, LayerInputs, Segment, block_cut, segments
from ..types import Anatomy, Block, ModelInfo, Scores, Selection
from .masks import masked_weights, parameter_keeps
from .refit import STEPS, Pairs, Seen, seen, stretched
from .walking import Steps, Weights, embedded, entering, still, through, told

QUICK = 12  # steps of conjugate gradients for a first look
_WORK = 3e10  # multiply-adds between two pauses of a solve: about a second of one core


def refit_zeros(
    model: nn.Module,
    info: ModelInfo,
    anatomy: Anatomy,
    scores: Scores,
    selection: Selection,
    images: np.ndarray,
    batch: int = 32,
) -> Iterator[tuple[int, int, Weights]]:
    """Yield (layers done, layers that lose weights, pruned parameters by name with those layers refitted) after every
    short step; the last is the result. Nothing is yielded where nothing was lost.

    `selection`: of single weights. `images`: uint8 [N, 3, H, W], unlabelled training images, run `batch` at a time. Of
    activations, what enters one block is kept for all images, of the dense model and of the pruned one. Close the
    generator to cancel.
    """
    weights = masked_weights(model, anatomy, scores, selection)
    chain, total, done = segments(model, info.family), len(weights), 0
    if not weights:
        return
    dense = now = embedded(model, info, images, batch)
    for segment, block in zip(chain, anatomy.blocks, strict=True):
        merging, module, own = Segment(segment.parts[:-1]), segment.parts[-1][1], Weights()
        dense, now = yield from told(_both(model, merging, {}, dense, now), (done, total, weights))
        for name in _lossy(block, weights):
            full = f"{block.name}.{name}"
            pairs = yield from told(_pairs(module, name, own, dense, now), (done, total, weights))
            new = yield from told(_refitted(model, full, weights[f"{full}.weight"], pairs), (done, total, weights))
            own |= {key.removeprefix(f"{block.name}."): value for key, value in new.items()}
            weights, done = weights | new, done + 1
            yield done, total, weights
        if done == total:
            return
        last = Segment(segment.parts[-1:])
        named = {f"{block.name}.{key}": value for key, value in own.items()}
        dense, now = yield from told(_both(model, last, named, dense, now), (done, total, weights))


def _lossy(block: Block, weights: Weights) -> list[str]:
    """Names inside the block of the layers that lose weights, as the forward pass meets them."""
    return [layer.name.removeprefix(f"{block.name}.") for layer in block.layers if f"{layer.name}.weight" in weights]


def _both(
    model: nn.Module, segment: Segment, own: Weights, dense: list[torch.Tensor], now: list[torch.Tensor]
) -> Steps[tuple[list[torch.Tensor], list[torch.Tensor]]]:
    """What leaves a segment of the dense model and, with `own` in it, of the pruned one; as long as nothing was lost
    both are the same."""
    alike = now is dense and not own
    after = now if alike else (yield from through(model, lambda x: segment.run(own, x), now))
    dense = yield from through(model, lambda x: segment.run({}, x), dense)
    return dense, dense if alike else after


def _pairs(
    module: nn.Module, name: str, own: Weights, dense: list[torch.Tensor], now: list[torch.Tensor]
) -> Steps[Pairs]:
    """What the named layer of the block `module` sees, with `own` before it, and what it saw in the dense model."""
    pairs = Pairs()
    for x, x_now in zip(dense, now, strict=True):
        with still(module):
            pairs.add(*(entering(module, w, at, name).flatten(0, -2) for w, at in ((own, x_now), ({}, x))))
        yield
    return pairs


def _refitted(model: nn.Module, name: str, masked: torch.Tensor, pairs: Pairs) -> Steps[Weights]:
    """The named layer's weight and bias, solved for some rows at a time."""
    with still(model):
        inputs = pairs.seen(model.get_submodule(name).bias is not None)
    dense, made = model.get_parameter(f"{name}.weight").detach(), _own_bias(model, name)
    made[f"{name}.weight"] = torch.empty_like(masked)
    rows = max(1, int(_WORK / (STEPS * masked.shape[1] ** 2)))
    for at in range(0, len(masked), rows):
        some = slice(at, at + rows)
        with still(model):
            _write(made, name, some, *inputs.refitted(dense[some], masked[some] != 0))
        yield
    return made


def _own_bias(model: nn.Module, name: str) -> Weights:
    """A copy of the named layer's bias, if it has one."""
    layer = model.get_submodule(name)
    assert isinstance(layer, nn.Linear)  # `anatomy` lets nothing else pass
    return Weights() if layer.bias is None else Weights({f"{name}.bias": layer.bias.detach().clone()})


def _write(weights: Weights, name: str, rows: slice, made: torch.Tensor, shift: torch.Tensor) -> None:
    """Put solved rows of the named layer in their places, in the layer's own type, and add what its biases grow by."""
    weights[f"{name}.weight"][rows] = made
    if f"{name}.bias" in weights:
        weights[f"{name}.bias"][rows] += shift


def refit_at_once(
    model: nn.Module,
    anatomy: Anatomy,
    scores: Scores,
    selection: Selection,
    inputs: Mapping[str, LayerInputs],
    logits: Mapping[str, np.ndarray],
) -> Weights:
    """Pruned parameters by name; every layer that keeps only some inputs of a row is refitted for what it saw dense.

    `inputs`, `logits`: of the dense model, from a `Watch`. Of structures, proj and fc2 make up for V dimensions, heads
    and hidden units that went, and queries are stretched for Q/K dimensions.
    """
    weights = Weights()
    refitted: dict[str, torch.Tensor | None] = {}
    for name, keep in parameter_keeps(model, anatomy, scores, selection):
        dense, layer = model.get_parameter(name).detach(), name.removesuffix(".weight")
        kept = torch.from_numpy(keep).to(dense.device)
        weights[name] = dense.masked_fill(~kept, 0)
        if layer in inputs and kept.shape[1] > 1:  # else whole rows go
            refitted[layer] = kept if selection.granularity == "structure" else None
            weights |= _own_bias(model, layer)  # room for all that stays before what is held for a while: no gaps
    for layer, some in refitted.items():
        _refit_dense(model, layer, weights, some, inputs[layer])
    if selection.granularity == "structure":
        for block in anatomy.blocks:
            if block.mixer == "softmax" and block.name in logits:
                _stretch(weights, block, block_cut(block, scores, selection), logits[block.name])
    return weights


def _refit_dense(model: nn.Module, name: str, weights: Weights, kept: torch.Tensor | None, inputs: LayerInputs) -> None:
    """Refit the named layer's masked weight in place for what it saw dense; `kept`: which inputs, where it is the same
    for all rows."""
    dense, left = model.get_parameter(f"{name}.weight").detach(), weights[f"{name}.weight"]
    keep = left != 0 if kept is None else kept.expand_as(dense)
    found = _dense_moments(inputs, f"{name}.bias" in weights, dense.device)
    _write(weights, name, slice(None), *found.refitted(dense, keep, QUICK))


def _stretch(weights: Weights, block: Block, cut: BlockCut, logits: np.ndarray) -> None:
    """Make the kept queries of the masked `weights` up for the Q/K dimensions that went, in place."""
    if cut.qk.shape[1] == block.head_dim:
        return
    factors = stretched(torch.from_numpy(logits[cut.heads]), torch.from_numpy(cut.qk))
    rows = torch.from_numpy(cut.heads[:, None] * block.head_dim + cut.qk).flatten()
    for part in ("weight", "bias"):
        tensor = weights.get(f"{block.name}.attn.qkv.{part}")
        if tensor is not None:
            shape = (-1, *[1] * (tensor.ndim - 1))
            tensor[rows] *= factors.view(shape).to(tensor)


def _dense_moments(inputs: LayerInputs, bias: bool, device: torch.device) -> Seen:
    """The dense model's own inputs on both sides."""
    square = torch.from_numpy(inputs.products).to(device, torch.float64, copy=True)
    mean = torch.from_numpy(inputs.mean).to(device, torch.float64)
    return seen(square, square, mean, mean, bias)
