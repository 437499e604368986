"""Latency table: how long a block takes on this device at other widths, measured on a small grid and interpolated.

Paper: Yang et al., "Global Vision Transformer Pruning with Hessian-Aware Saliency", CVPR 2023 (arXiv 2110.04869),
section 3.2.2: a look-up table over embedding, heads, Q/K, V and MLP widths of one block, the model's latency the sum
over blocks. Ours differs: the grid is 3 points an axis (243 cells for a DeiT, 81 for each shape of a Swin's blocks,
whose embedding width is fixed) instead of 9,375; each cell is measured by turns with the dense block, so that a machine
that slows down slows both; what lies outside blocks counts too. Between cells it is multilinear (scipy), as in the
released code.
Next door: `latency` measures whole models, `costs` counts MACs instead.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.interpolate import RegularGridInterpolator
from torch import nn

from ..cut.embed import resize_embed
from ..cut.slicing import BlockSizes, resize
from ..jobs import home
from ..latency import seconds
from ..types import KINDS, Anatomy, Block, ModelInfo
from .units import EMBED, Units, Widths

REPEATS = 7
_WORK = 5e8  # MACs of the dense blocks' largest in one timed run: batches of large models are smaller
_LARGEST_BATCH = 16


@dataclass(frozen=True)
class Grid:
    """One shape of block: `axes` the widths measured for each of `Widths`' entries, `shape` their dense values,
    `seconds` of a batch, one axis an entry of `Widths`."""

    axes: tuple[tuple[int, ...], ...]
    seconds: np.ndarray

    def at(self, widths: Sequence[Widths]) -> np.ndarray:
        """Interpolated seconds [n] of blocks of these widths; exact on the grid's own points."""
        wanted = [place for place, axis in enumerate(self.axes) if len(axis) > 1]
        points = np.array(widths, dtype=float)[:, wanted]
        values = self.seconds.reshape([len(self.axes[place]) for place in wanted])
        table = RegularGridInterpolator([self.axes[place] for place in wanted], values, bounds_error=False,
                                        fill_value=None)  # fmt: skip
        return table(points)


@dataclass(frozen=True)
class LatencyCost:
    """Seconds of a batch by widths. `grids` of the different shapes of blocks, `which` of them each block has;
    `outside` blocks: seconds at the embedding widths of `outside_axis` (at one point where they are fixed)."""

    grids: tuple[Grid, ...]
    which: tuple[int, ...]
    outside_axis: tuple[int, ...]
    outside: tuple[float, ...]
    batch: int
    dense: tuple[Widths, ...]

    def total(self, widths: Sequence[Widths]) -> float:
        """Seconds of a batch."""
        found = float(np.interp(widths[0].embed, self.outside_axis, self.outside))
        for place, grid in enumerate(self.grids):
            found += float(grid.at([wide for wide, at in zip(widths, self.which, strict=True) if at == place]).sum())
        return found

    def share(self, widths: Sequence[Widths]) -> float:
        """Of the dense model's predicted time."""
        return self.total(widths) / self.total(self.dense)


def latency_cost(model: nn.Module, info: ModelInfo, units: Units, device: str | None = None) -> Iterator[Any]:
    """Yield {"doing"} while cells are measured, the LatencyCost at last; from this machine's cache where it is there.

    The cache is kept by machine, threads, torch version and shapes of blocks, under `jobs.home()`/latency.
    """
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    shapes, which = _shapes(units)
    batch = _batch(units.anatomy)
    key = _key(info, units, shapes, batch, place)
    path = home() / "latency" / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.json"
    known = _read(path)
    if known is None:
        known = {"measured": key, "grids": [], "outside": []}
        cells = sum(len(list(_cells(units, block))) for block in shapes)
        done = 0
        for block in shapes:
            found = []
            for took in _measure(model, info, units, block, batch, place):
                if took is not None:
                    found.append(took)
                    continue
                done += 1
                if done % 10 == 0:
                    yield {"doing": f"Measuring this device, {done} of {cells} widths"}
            known["grids"].append(found)
        known["outside"] = _outside(model, info, units, batch, place)
        _write(path, known)
    grids = tuple(_grid(units, block, cells) for block, cells in zip(shapes, known["grids"], strict=True))
    axis = _axes(units, shapes[0])[0]
    yield LatencyCost(grids, which, axis, tuple(known["outside"]), batch, tuple(units.all_widths()))


def _shapes(units: Units) -> tuple[list[Block], tuple[int, ...]]:
    """A block of each shape, and for every block the place of its like: all of a DeiT, those of a Swin's
    stage, with and without shifted windows."""
    likes: dict[Any, int] = {}
    shapes: list[Block] = []
    which = []
    for block in units.anatomy.blocks:
        shift = getattr(units.model.get_submodule(block.name), "shift_size", None)  # windows that shift take longer
        like = (units.widths(block), shift, tuple((layer.shape, layer.macs) for layer in block.layers))
        if like not in likes:
            likes[like] = len(shapes)
            shapes.append(block)
        which.append(likes[like])
    return shapes, tuple(which)


def _batch(anatomy: Anatomy) -> int:
    largest = max(sum(layer.macs for layer in block.layers) for block in anatomy.blocks)
    return max(1, min(_LARGEST_BATCH, int(_WORK // largest)))


def _axes(units: Units, block: Block) -> tuple[tuple[int, ...], ...]:
    """Floor, middle and dense width on each axis of `Widths`."""
    least = units.least_widths()[units.anatomy.blocks.index(block)]
    full = Widths(*(len(units.live[name]) if name in units.live else 0 for name in _names(block)))
    ends = zip(least, full, strict=True)
    return tuple(tuple(int(value) for value in np.unique([low, (low + high) // 2, high])) for low, high in ends)


def _names(block: Block) -> list[str]:
    return [EMBED, *(f"{block.name}:{kind}" for kind in KINDS)]


def _cells(units: Units, block: Block) -> Iterator[Widths]:
    """Every point of a block's grid, the last axis fastest."""
    return (Widths(*point) for point in itertools.product(*_axes(units, block)))


def _grid(units: Units, block: Block, cells: Sequence[float]) -> Grid:
    axes = _axes(units, block)
    return Grid(axes, np.array(cells).reshape([len(axis) for axis in axes]))


def _measure(
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
    for wide in _cells(units, block):
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
    """A block of the model with other widths and random weights; None: as it is."""
    shell: Any = _shell(model, keep=name)
    if wide is not None:
        resize(shell, {name: BlockSizes(*wide[1:])})
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
            model(torch.zeros(1, 3, info.input_size, info.input_size, device=parameter.device))
    finally:
        handle.remove()
    return torch.randn(batch, *shapes[0][1:], device=place)


def _outside(model: nn.Module, info: ModelInfo, units: Units, batch: int, place: torch.device) -> list[float]:
    """Seconds of everything but blocks, at each embedding width of the grid."""
    axis = _axes(units, units.anatomy.blocks[0])[0]
    images = torch.randn(batch, 3, info.input_size, info.input_size, device=place)
    found = []
    for width in axis:
        shell: Any = _shell(model, keep=None)
        if width:
            resize_embed(shell, width)
        _filled(shell).to(place).eval()
        with torch.inference_mode():
            found.append(min(undisturbed(shell, images) for _ in range(3 * REPEATS)))
    return found


def _key(info: ModelInfo, units: Units, shapes: Sequence[Block], batch: int, place: torch.device) -> dict[str, Any]:
    """Everything that the measured times depend on."""
    device = torch.cuda.get_device_name(place) if place.type == "cuda" else platform.processor() or platform.machine()
    return {
        "machine": platform.node(), "cores": os.cpu_count(), "device": device, "torch": torch.__version__,
        "threads": torch.get_num_threads(), "family": info.family, "input_size": info.input_size, "batch": batch,
        "blocks": len(units.anatomy.blocks), "axes": [_axes(units, block) for block in shapes],
        "macs": [[layer.macs for layer in block.layers] for block in shapes],
        "outside": sum(layer.macs for layer in units.anatomy.outer),
    }  # fmt: skip


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write(path: Path, found: dict[str, Any]) -> None:
    """Written beside and moved, so that a second job never reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(found, indent=1), encoding="utf-8")
    part.replace(path)
