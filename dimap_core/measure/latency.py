"""Latency: how long the dense and the pruned model really take, and which cut meets an asked saving of time.

Runs are interleaved, so that a machine that slows down slows both; medians and quartiles are of whole batches. Which
model is faster, each pair of runs says by its ratio; their median's interval asks nothing of how times spread.
Next door: `cost` counts MACs, which time follows only in part; callers show both.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import quantile_test
from torch import nn

from ..types import InvalidPlan
from .device import device

_WARMUP = 3  # runs of each model that are not measured


@dataclass(frozen=True)
class Timing:
    """Seconds a batch: median and quartiles of the measured runs."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Ratio:
    """Dense time / pruned time of two runs in a row: the median of all pairs with its 95 % interval, from the order of
    the ratios alone (that of the sign test); no interval (None) where pairs are too few for one, below six."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class LatencyRow:
    """Dense and pruned model on batches of `batch_size` images; `repeats` interleaved runs each, after warm-up.

    `threads`: CPU threads of torch; `device`: "cpu" or the GPU's name; `ratio`: of the pairs of runs.
    """

    batch_size: int
    threads: int
    device: str
    repeats: int
    dense: Timing
    pruned: Timing
    ratio: Ratio

    @property
    def speedup(self) -> float:
        """Ratio of the medians, dense / pruned; stands beside the ratio of MACs."""
        return self.dense.median / self.pruned.median

    @property
    def removed(self) -> float:
        """Share of the dense model's time that the cut saves; below 0 where it takes longer."""
        return 1 - self.pruned.median / self.dense.median


@dataclass(frozen=True)
class Solved:
    """The cut whose measured saving came nearest to the asked one: MAC share asked for, time share saved."""

    macs: float
    removed: float


def measure_latency(
    dense: nn.Module,
    pruned: nn.Module,
    input_size: int,
    batch_sizes: Sequence[int] = (1, 16),
    threads: int | None = None,
    repeats: int = 21,
) -> Iterator[LatencyRow]:
    """One row a batch size, as soon as it is measured, where models run (`device`); models are copied there.

    Args:
        dense: a model in evaluation mode, like `pruned`; both stay as they are.
        input_size: side of the square images, pixels.
        threads: CPU threads while measuring (default: as many as torch uses now); restored after each row.
    """
    place = device()
    pair, channels = [_on(place, dense), _on(place, pruned)], getattr(dense, "in_chans", 3)
    told = torch.cuda.get_device_name(place) if place.type == "cuda" else place.type
    for size in batch_sizes:
        images = torch.zeros(size, channels, input_size, input_size, device=place).normal_()
        with _threads(threads) as used, torch.inference_mode():
            for _ in range(_WARMUP):
                for model in pair:
                    seconds(model, images)
            # Who goes first changes, so that neither always finds the caches the other left.
            runs = [_round(pair, images, reverse=bool(turn % 2)) for turn in range(repeats)]
        timings = [_timing(column) for column in zip(*runs, strict=True)]
        yield LatencyRow(size, used, told, repeats, timings[0], timings[1], _ratio(runs))


def _on(place: torch.device, model: nn.Module) -> nn.Module:
    at_home = all(parameter.device.type == place.type for parameter in model.parameters())
    return model if at_home else copy.deepcopy(model).to(place)


@contextmanager
def _threads(wanted: int | None) -> Iterator[int]:
    """Run with `wanted` CPU threads and restore their number; yields how many are in use."""
    before = torch.get_num_threads()
    if wanted is not None:
        torch.set_num_threads(wanted)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _round(pair: Sequence[nn.Module], images: torch.Tensor, reverse: bool) -> list[float]:
    """Seconds of each model, run one after the other."""
    turns = list(reversed(pair)) if reverse else pair
    taken = [seconds(model, images) for model in turns]
    return taken[::-1] if reverse else taken


def seconds(model: nn.Module, images: torch.Tensor) -> float:
    """How long one run takes; `images`: whatever the module takes."""
    begun = time.perf_counter()
    model(images)
    if images.is_cuda:  # kernels run on after the call returns
        torch.cuda.synchronize(images.device)
    return time.perf_counter() - begun


def _timing(seconds: Sequence[float]) -> Timing:
    low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    return Timing(float(median), float(low), float(high))


def _ratio(runs: Sequence[Sequence[float]]) -> Ratio:
    ratios = [dense / pruned for dense, pruned in runs]
    bounds = quantile_test(ratios, p=0.5).confidence_interval()
    low, high = (None if np.isnan(bound) else float(bound) for bound in (bounds.low, bounds.high))
    return Ratio(float(np.median(ratios)), low, high)


def measured_saving(dense: nn.Module, make: Callable[[float], nn.Module], input_size: int) -> Callable[[float], float]:
    """For `solve_latency`: MAC share to remove -> measured time share that the model which `make` gives for it saves,
    one image a batch."""

    def saving(macs: float) -> float:
        (row,) = measure_latency(dense, make(macs), input_size, (1,))
        return row.removed

    return saving


def solve_latency(
    saving: Callable[[float], float],
    target: float,
    most: float = 0.95,
    tolerance: float = 0.02,
    limit: int = 8,
) -> Solved:
    """The MAC share to remove that saves the asked share `target` (0..1) of time.

    Brackets the target and interpolates; noise allows no more than about `tolerance`, so at most `limit` cuts are
    measured and the nearest is returned.

    Args:
        saving: MAC share to remove -> measured share of time saved.
        most: the largest MAC share that may be removed.

    Raises:
        InvalidPlan: even `most` does not save enough.
    """
    low, high = (0.0, 0.0), None  # (MAC share, time share); nothing removed saves nothing
    tried: list[tuple[float, float]] = []
    macs = min(target, most)
    while len(tried) < limit:
        found = (macs, saving(macs))
        tried.append(found)
        if abs(found[1] - target) <= tolerance:
            break
        if found[1] < target:
            if macs >= most and low[0] >= most:  # measured twice: one run may have been disturbed
                raise InvalidPlan(
                    f"A budget of {100 * target:g} % of the latency cannot be met here; removing {100 * most:.3g} % of "
                    f"the MACs saved {100 * max(found[1], low[1], 0):.3g} %."
                )
            low = found
        else:
            high = found
        macs = _between(low, high, target) if high else min(most, macs + max(2 * (target - found[1]), 0.05))
    nearest = min(tried, key=lambda point: abs(point[1] - target))
    return Solved(*nearest)


def _between(low: tuple[float, float], high: tuple[float, float], target: float) -> float:
    """Where the line through two points meets the target, a tenth of the way from either at least."""
    rise = high[1] - low[1]
    share = (target - low[1]) / rise if rise > 0 else 0.5
    return low[0] + min(max(share, 0.1), 0.9) * (high[0] - low[0])
