"""What several test files use and the product does not.

How near two right answers must lie follows from the format and from the sums in it, never from one processor: kernels
add in other orders, with fused or plain multiply-adds. Whatever computes the same in two ways is compared in float64
(`double`, `EXACT`); what has to run in float32 by `SINGLE`, always relative to the largest value (`same`).
"""

import contextlib
import copy
import os
import resource
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from dimap_core.cut.masks import masked_weights, with_weights
from dimap_core.pipeline.opened import Opened
from dimap_core.service.worker import Worker
from dimap_core.types.errors import PruningError
from dimap_core.types.model import Anatomy
from dimap_core.types.plan import Selection
from dimap_core.types.scores import Scores

EXACT = 1e-9
"""Of the largest value, float64: 2.2e-16 for each of the roundings of a whole network, with a hundredfold margin."""

SINGLE = 1.2e-7 * 1024**0.5 * 32
"""Of the largest value, float32: its rounding, times the root of the longest sum, times the layers in a row: 1.2e-4."""


def double(opened: Opened) -> Opened:
    """The same model in float64, with caches of its own."""
    return replace(
        opened, model=copy.deepcopy(opened.model).double(), statistics=OrderedDict(), repaired=OrderedDict(), dense={}
    )


def same(found, wanted, within: float | None = None) -> bool:
    """Whether two arrays or tensors differ by no more than `within` (default: `EXACT` if both are float64, else
    `SINGLE`) of the largest wanted value; of equal shape, and finite."""
    exact = {str(array.dtype).removeprefix("torch.") for array in (found, wanted)} == {"float64"}
    found, wanted = (np.asarray(torch.as_tensor(array).detach(), np.float64) for array in (found, wanted))
    assert found.shape == wanted.shape and np.isfinite(found).all()
    error, scale = np.abs(found - wanted).max(initial=0), np.abs(wanted).max(initial=0)
    return bool(error <= (within or (EXACT if exact else SINGLE)) * scale)


def assert_refused(kind: type[PruningError], call: Callable[[], object], *parts: str) -> None:
    """`call` raises `kind`: one line, one sentence (or a sentence and a question), and every one of `parts` in it."""
    with pytest.raises(kind) as error:
        call()
    message = str(error.value)
    assert len(message.splitlines()) == 1 and message[-1] in ".?", message
    for part in parts:
        assert part in message, message


def mask_model(model: nn.Module, anatomy: Anatomy, scores: Scores, selection: Selection) -> nn.Module:
    """A copy of `model` with everything selected set to zero."""
    return with_weights(model, masked_weights(model, anatomy, scores, selection))


FLIPS = 2.5
"""Images whose answer may turn between processors, or between two runs whose weights agree to rounding."""

STUCK = 900
"""Seconds for what nobody can look into while it goes on: only what hangs for good takes longer."""


def same_result(found: object, known: object, n: int, leave: tuple[str, ...] = ()) -> bool:
    """Whether two runs over `n` images ended alike: names and counts equal; other numbers to `FLIPS` images, or 1 %.

    `leave`: keys that are not looked at, times and places.
    """
    if isinstance(known, dict) and isinstance(found, dict):
        keys = known.keys() - set(leave)
        return keys == found.keys() - set(leave) and all(same_result(found[k], known[k], n, leave) for k in keys)
    if isinstance(known, list | tuple) and isinstance(found, list | tuple):
        return len(found) == len(known) and all(same_result(*pair, n, leave) for pair in zip(found, known, strict=True))
    if isinstance(known, float) and isinstance(found, float | int):
        return abs(found - known) <= max(FLIPS / n, 0.01 * abs(known))
    return found == known


class Patience:
    """Waits for progress, not for seconds: gives up once this process and those it started have computed `MOST` seconds
    since the wait began, or have computed nothing for `IDLE` seconds; how fast or busy the machine is does not matter.
    A page that polls for what never comes computes a little for ever: that ends after `STUCK` seconds.
    """

    MOST = 300.0  # seconds of processor time; a worker needs ten to start
    IDLE = 90.0  # seconds; a process that others keep waiting still gets some

    def __init__(self) -> None:
        self.began = self.seen = _computed()
        self.moved = self.first = time.monotonic()

    def check(self, what: object = "") -> None:
        """Raise AssertionError when there is nothing more to wait for."""
        spent, now = _computed(), time.monotonic()
        if abs(spent - self.seen) > 0.5:  # less, when a process has ended
            self.seen, self.moved = spent, now
        assert spent - self.began < self.MOST, f"computed {self.MOST:.0f} s without {what}"
        assert now - self.moved < self.IDLE, f"nothing was computed for {self.IDLE:.0f} s, without {what}"
        assert now - self.first < STUCK, f"waited {STUCK} s without {what}"


def _computed() -> float:
    """Seconds of processor time of this process, of all it started, and of those of them that have ended."""
    total = 0.0
    for process in (me := psutil.Process(), *me.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # user, system, and both of ended children
    return total


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file can grow beyond `most` bytes: what a process meets on a full disk, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def wait(condition, what="what was waited for"):
    """Look again until it holds."""
    patience, pause = Patience(), 0.01
    while not condition():
        patience.check(what)
        time.sleep(pause)
        pause = min(1.5 * pause, 0.25)  # to look costs, too


def finish(*tickets):
    """Wait until no more events can come."""
    wait(lambda: not any(ticket.running for ticket in tickets))


def drained(steps: Generator[object, None, Any]) -> Any:
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def serve(worker: Worker) -> list[dict[str, Any]]:
    """All events of a worker in this process until nothing is under way."""
    events = []
    while worker.busy:
        events.append(worker.step())
    return events


def photographs() -> str | None:
    """Where CIFAR-10's photographs lie, as --data names them: beside the checkout or by DIMAP_PHOTOS; None: nowhere."""
    place = Path(os.environ.get("DIMAP_PHOTOS", Path(__file__).resolve().parents[2] / "shared" / "data" / "cifar10"))
    if (place / "val").is_dir():
        return f"folder:{place}"
    return f"zip:{place / 'val.zip'}" if (place / "val.zip").is_file() else None
