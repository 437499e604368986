"""Latency, measured, never derived from MACs: dense and pruned model run by turns on this device.

What a cut saves in time depends on the device, the batch size and the number of threads, so all three are stated beside
every figure. Next door: `cost` counts MACs; the ratio of the two says how much of a saving arrives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from .errors import InvalidPlan

WARM_UP = 2  # runs of each model before the first that counts
LEAST = 5  # runs of each model at least
_TRIES = 7  # measurements that a latency budget may take
_CLOSE = 0.02  # of the dense latency


@dataclass(frozen=True)
class Spread:
    """Seconds a batch: median and quartiles of `runs` runs."""

    median: float
    low: float
    high: float
    runs: int


@dataclass(frozen=True)
class Latency:
    """Both models on batches of one size; `device` is "cpu" or the accelerator's name."""

    batch: int
    threads: int
    device: str
    dense: Spread
    pruned: Spread

    @property
    def speed_up(self) -> float:
        """Median dense / median pruned."""
        return self.dense.median / self.pruned.median


def measure(
    dense: nn.Module,
    pruned: nn.Module,
    input_size: int,
    batches: Iterable[int] = (1, 16),
    threads: int = 1,
    seconds: float = 2.0,
) -> Iterator[Latency]:
    """Yield one row a batch size; each takes about `seconds`. Runs of the two models alternate, so that whatever else
    the machine does hits both."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    homes = [(model, next(model.parameters()).device) for model in (dense, pruned)]
    try:
        for batch in batches:
            images = torch.randn(batch, 3, input_size, input_size, device=device)
            with _threads(threads), torch.inference_mode():
                times = _alternate([model.to(device) for model, _ in homes], images, seconds)
            yield Latency(batch, threads, name, *(_spread(found) for found in times))
    finally:
        for model, home in homes:
            model.to(home)


def _alternate(models: list[nn.Module], images: torch.Tensor, seconds: float) -> list[list[float]]:
    """Seconds of each run of each model, run by turns."""
    times: list[list[float]] = [[] for _ in models]
    for _ in range(WARM_UP):
        for model in models:
            _run(model, images)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[-1]) < LEAST:
        for model, found in zip(models, times, strict=True):
            found.append(_run(model, images))
    return times


def _run(model: nn.Module, images: torch.Tensor) -> float:
    start = time.perf_counter()
    model(images)
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _spread(times: list[float]) -> Spread:
    low, median, high = np.quantile(times, (0.25, 0.5, 0.75))
    return Spread(float(median), float(low), float(high), len(times))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def meet_budget(share: float, removed: Callable[[float], float]) -> float:
    """The share of MACs to remove so that `share` of the latency goes; `removed(macs)` measures what goes.

    Secant steps from a first guess of equal shares; the best of a few measurements counts. Raises InvalidPlan where
    even the smallest model tried is not fast enough.
    """
    tried = [(0.0, 0.0)]
    guess = share
    for _ in range(_TRIES):
        tried.append((guess, removed(guess)))
        macs, gone = tried[-1]
        if abs(gone - share) <= _CLOSE:
            return macs
        below = max((point for point in tried if point[1] < share), default=(0.0, 0.0))
        above = min((point for point in tried if point[1] > share), default=None)
        if above is None:
            guess = min(0.97, macs + (1 - macs) * max(0.3, (share - gone)))
        else:
            part = (share - below[1]) / (above[1] - below[1])
            guess = below[0] + (above[0] - below[0]) * min(max(part, 0.1), 0.9)
    macs, gone = min(tried[1:], key=lambda point: abs(point[1] - share))
    if gone < share - 5 * _CLOSE:
        raise InvalidPlan(
            f"A latency budget of {100 * share:g} % was not reached on this device; the most measured is "
            f"{100 * gone:.0f} %."
        )
    return macs
