"""Times blocks of other widths on this device, for the latency table: random weights, real modules.

Next door: `latency_table` says what is measured, keeps it and reads between the measured widths.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ...cut import BlockSizes, SplitAttention, resize, resize_embed, split
from ...measure import seconds
from ...types import KINDS, Block, ModelInfo
from .units import EMBED, Units, Widths

REPEATS = 7


def axes(units: Units, block: Block) -> tuple[tuple[int, ...], ...]:
    """Floor, middle and dense width on each axis of `Widths`; the floor is one group, the middle whole groups."""
    least = units.least_widths()[units.anatomy.blocks.index(block)]
    full = Widths(*(len(units.live[name]) if name in units.live else 0 for name in _names(block)))
    ends = zip(least, full, strict=True)
    return tuple(
        tuple(int(value) for value in np.unique([low, max(low, high // 2 // max(low, 1) * low), high]))
        for low, high in ends
    )


def _names(block: Block) -> list[str]:
    return [EMBED, *(f"{block.name}:{kind}" for kind in KINDS)]


def cells(units: Units, block: Block) -> Iterator[Widths]:
    """Every point of a block's grid, the last axis fastest."""
    return (Widths(*point) for point in itertools.product(*axes(units, block)))


def block_seconds(
    model: Any, info: ModelInfo, units: Units, block: Block, batch: int, place: torch.device
) -> Iterator[float | None]:
    """Seconds of every cell: the dense block's shortest time, by the ratio of a cell's shortest to it in the same
    turns; first None after each.

    Other processes only ever add to the shortest of a few runs.
    """
    dense = _single(model, block.name, None, place)
    inputs = _inputs(model, info, block.name, dense, batch, place)
    base = math.inf
    ratios = []
    for wide in cells(units, block):
        small = _single(model, block.name, wide, place)
        fed = inputs[..., : wide.embed] if wide.embed else inputs
        turns = _turns(dense, inputs, small, fed.contiguous())
        first, second = (min(column) for column in zip(*turns, strict=True))
        base = min(base, first)
        ratios.append(second / first)
        yield None
    for ratio in ratios:
        yield base * ratio


def _turns(dense: nn.Module, inputs: torch.Tensor, small: nn.Module, fed: torch.Tensor) -> list[tuple[float, float]]:
    with torch.inference_mode():
        for _ in range(2):
            undisturbed(dense, inputs), undisturbed(small, fed)
        return [(undisturbed(dense, inputs), undisturbed(small, fed)) for _ in range(REPEATS)]


def undisturbed(model: nn.Module, inputs: torch.Tensor) -> float:
    """Seconds of one run; on one CPU thread those that it had the processor, so that other work does not count."""
    if inputs.is_cuda or torch.get_num_threads() > 1:
        return seconds(model, inputs)
    begun = time.thread_time()
    model(inputs)
    return time.thread_time() - begun


def _single(model: Any, name: str, wide: Widths | None, place: torch.device) -> nn.Module:
    """A block of the model with other widths and random weights; None: as it is.

    Q/K and V of a searched model hardly ever keep one width, so they lie apart at all of them: that takes longer than
    timm's packed layer.
    """
    shell: Any = _shell(model, keep=name)
    if wide is not None:
        sizes = BlockSizes(*wide[1:])
        resize(shell, {name: sizes})
        block = shell.get_submodule(name)
        if not isinstance(block.attn, SplitAttention):
            block.attn = split(block.attn, sizes)
        if wide.embed:
            resize_embed(shell, wide.embed)
    return _filled(shell.get_submodule(name)).to(place).eval()


def _filled(model: nn.Module) -> nn.Module:
    """Random weights where parameters have no memory; times don't depend on them."""
    for module in model.modules():
        for key, parameter in module.named_parameters(recurse=False):
            if parameter.is_meta:
                setattr(module, key, nn.Parameter(torch.randn(parameter.shape) * 0.02, requires_grad=False))
    return model


def _shell(model: Any, keep: str | None) -> nn.Module:
    """A copy of the model in which the other blocks are gone, without copying them first."""
    names = [name for name, module in model.named_modules() if hasattr(module, "mlp") and hasattr(module, "attn")]
    memo: dict[int, Any] = {id(model.get_submodule(name)): nn.Identity() for name in names if name != keep}
    return copy.deepcopy(model, memo)


def _inputs(
    model: nn.Module, info: ModelInfo, name: str, dense: nn.Module, batch: int, place: torch.device
) -> torch.Tensor:
    """Random numbers shaped like what the block gets."""
    shapes: list[torch.Size] = []
    handle = model.get_submodule(name).register_forward_pre_hook(lambda _, args: shapes.append(args[0].shape))
    try:
        with torch.inference_mode():
            parameter = next(model.parameters())
            model(torch.zeros(1, info.channels, info.input_size, info.input_size, device=parameter.device))
    finally:
        handle.remove()
    return torch.randn(batch, *shapes[0][1:], device=place)


def outside_seconds(model: nn.Module, info: ModelInfo, units: Units, batch: int, place: torch.device) -> list[float]:
    """Seconds of everything but blocks, at each embedding width of the grid."""
    axis = axes(units, units.anatomy.blocks[0])[0]
    images = torch.randn(batch, info.channels, info.input_size, info.input_size, device=place)
    found = []
    for width in axis:
        shell: Any = _shell(model, keep=None)
        if width:
            resize_embed(shell, width)
        _filled(shell).to(place).eval()
        with torch.inference_mode():
            found.append(min(undisturbed(shell, images) for _ in range(3 * REPEATS)))
    return found


def whole_seconds(
    model: nn.Module, info: ModelInfo, parts: Sequence[Units], batch: int, place: torch.device
) -> list[float]:
    """Seconds of the dense model, then of each smaller one by its ratio to the dense in the same turns."""
    images = torch.randn(batch, info.channels, info.input_size, info.input_size, device=place)
    dense = copy.deepcopy(model).to(place).eval()
    base, ratios = math.inf, []
    for part in parts:
        small = part.extract().to(place).eval()
        turns = [turn for _ in range(3) for turn in _turns(dense, images, small, images)]
        first, second = (min(column) for column in zip(*turns, strict=True))
        base = min(base, first)
        ratios.append(second / first)
    return [base, *(base * ratio for ratio in ratios)]


def drawn(units: Units, seed: int) -> Units:
    """Another number of groups in every layer, each number as likely, as a search may come to."""
    random, small = np.random.default_rng(seed), Units(units.model, units.anatomy)
    for name, live in small.live.items():
        size = small.sizes[name]
        live[size * random.integers(1, len(live) // size + 1) :] = False
    return small
