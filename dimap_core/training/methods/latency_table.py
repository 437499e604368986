"""Latency table: how long a block takes on this device at other widths, measured on a small grid and interpolated.

Paper: Yang et al., "Global Vision Transformer Pruning with Hessian-Aware Saliency", CVPR 2023 (arXiv 2110.04869),
section 3.2.2: a look-up table over embedding, heads, Q/K, V and MLP widths of one block, the model's latency the sum
over blocks. Ours differs: the grid is 3 points an axis (243 cells for a DeiT, 81 for each shape of a Swin's blocks,
whose embedding width is fixed) instead of 9,375; each cell is measured by turns with the dense block, so that a machine
that slows down slows both; what lies outside blocks counts too, and a line through six smaller models, measured whole,
corrects the sum. Between cells it is multilinear (scipy), as in the released code.
Next door: `latency_measure` times the blocks, `costs` counts MACs instead.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.interpolate import RegularGridInterpolator
from torch import nn

from ...types import HOME_SET, Anatomy, Block, ModelInfo, check_place, home, whole_file
from .latency_measure import axes, block_seconds, cells, drawn, outside_seconds, whole_seconds
from .units import Units, Widths

_WORK = 5e8  # MACs of the dense blocks' largest in one timed run: batches of large models are smaller
_LARGEST_BATCH = 16
_DRAWN = 6  # smaller models that the sum is fitted to
_VERSION = 3  # of what a file holds


@dataclass(frozen=True)
class Grid:
    """One shape of block: `axes` the widths measured for each entry of `Widths`, `seconds` of a batch at every
    combination, one axis an entry."""

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
    `outside` blocks: seconds at the embedding widths of `outside_axis` (at one point where they are fixed).

    Blocks measured alone come out too fast, so their sum is put on a `line` (slope, seconds at 0) fitted to models that
    were measured whole; `whole` are the seconds of the `dense` one.
    """

    grids: tuple[Grid, ...]
    which: tuple[int, ...]
    outside_axis: tuple[int, ...]
    outside: tuple[float, ...]
    batch: int
    dense: tuple[Widths, ...]
    whole: float
    line: tuple[float, float] = (1.0, 0.0)

    def total(self, widths: Sequence[Widths]) -> float:
        """Seconds of a batch."""
        if tuple(widths) == self.dense:
            return self.whole  # the only one whose Q, K and V lie in one layer
        return self.line[0] * self.summed(widths) + self.line[1]

    def summed(self, widths: Sequence[Widths]) -> float:
        """Seconds of the blocks alone and of what is outside them."""
        found = float(np.interp(widths[0].embed, self.outside_axis, self.outside))
        for place, grid in enumerate(self.grids):
            found += float(grid.at([wide for wide, at in zip(widths, self.which, strict=True) if at == place]).sum())
        return found

    def share(self, widths: Sequence[Widths]) -> float:
        """Of the dense model's predicted time."""
        return self.total(widths) / self.total(self.dense)


def latency_cost(model: nn.Module, info: ModelInfo, units: Units) -> Iterator[Any]:
    """Yield {"doing"} while cells are measured, the LatencyCost at last; from this machine's cache where it is there.

    The cache is kept by machine, threads, torch version and shapes of blocks, under `jobs.home()`/latency.
    """
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shapes, which = _shapes(units)
    batch = _batch(units.anatomy)
    key = _key(info, units, shapes, batch, place)
    path = home() / "latency" / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.json"
    known = _read(path)
    small = [drawn(units, seed) for seed in range(_DRAWN)]
    if known is None:
        check_place(path, other=HOME_SET)  # better refused now than after minutes
        known = {"measured": key, "grids": [], "outside": []}
        count = sum(len(list(cells(units, block))) for block in shapes)
        done = 0
        for block in shapes:
            found = []
            for took in block_seconds(model, info, units, block, batch, place):
                if took is not None:
                    found.append(took)
                    continue
                done += 1
                if done % 10 == 0:
                    yield {"doing": f"Measuring this device, {done} of {count} widths"}
            known["grids"].append(found)
        known["outside"] = outside_seconds(model, info, units, batch, place)
        known["whole"] = whole_seconds(model, info, small, batch, place)
        _write(path, known)
    grids = tuple(_grid(units, block, taken) for block, taken in zip(shapes, known["grids"], strict=True))
    axis = axes(units, shapes[0])[0]
    dense = tuple(Units(model, units.anatomy).all_widths())
    cost = LatencyCost(grids, which, axis, tuple(known["outside"]), batch, dense, known["whole"][0])
    slope, offset = np.polyfit([cost.summed(part.all_widths()) for part in small], known["whole"][1:], 1)
    yield replace(cost, line=(float(slope), float(offset)))


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


def _grid(units: Units, block: Block, taken: Sequence[float]) -> Grid:
    measured = axes(units, block)
    return Grid(measured, np.array(taken).reshape([len(axis) for axis in measured]))


def _key(info: ModelInfo, units: Units, shapes: Sequence[Block], batch: int, place: torch.device) -> dict[str, Any]:
    """Everything that the measured times depend on."""
    device = torch.cuda.get_device_name(place) if place.type == "cuda" else platform.processor() or platform.machine()
    return {
        "version": _VERSION, "machine": platform.node(), "cores": os.cpu_count(), "device": device,
        "torch": torch.__version__, "threads": torch.get_num_threads(), "family": info.family,
        "input_size": info.input_size, "batch": batch,
        "blocks": len(units.anatomy.blocks), "axes": [axes(units, block) for block in shapes],
        "macs": [[layer.macs for layer in block.layers] for block in shapes],
        "outside": sum(layer.macs for layer in units.anatomy.outer),
    }  # fmt: skip


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write(path: Path, found: dict[str, Any]) -> None:
    """Whole, so that a second job never reads half of it."""
    with whole_file(path, other=HOME_SET) as part:
        part.write_text(json.dumps(found, indent=1), encoding="utf-8")
