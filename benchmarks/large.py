"""Refit, reconstruction and allocation on models of ImageNet size: time and memory of every step.

    python -m benchmarks.large [--moments 16] [--felt 8] [--walked 8] [MODEL ...]

Random weights and images of noise: no accuracy is shown, and time and memory hardly depend on them (conjugate gradients
stop early where they may). One thread, one measurement. Memory: the most that the process held in RAM during a step.
Each model runs in a process of its own; rows are kept as they come.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch

from dimap_core import pipeline
from dimap_core.criteria import criterion, feel, measured_images, observe
from dimap_core.cut import LogitMoments, Moments, Seen, refit_at_once, refit_zeros, repair
from dimap_core.plan import select
from dimap_core.types import LabelledImages, PruningPlan

from .live import forget_peak, resident
from .measured import command_line, store, stored, table

MODELS = ("swin_base_patch4_window7_224", "deit_base_patch16_224")
IMAGES = 256  # that times are extrapolated to
COLUMNS = ("model", "step", "CPU s", "wall s", "peak", "on top, x weights", f"{IMAGES} images, extrapolated")
_CUT, _ZEROS = "structures, 80 % of MACs", "zeros, 90 %"
_SOLVES = ((Seen, "refitted"), (Moments, "update"), (LogitMoments, "mixing"))
T = TypeVar("T")


class Steps:
    """Measures one step after another, and keeps their rows."""

    def __init__(self, name: str) -> None:
        self.name, self.weights = name, 0
        self.known = {tuple(row[:2]): list(row) for row in stored("refit_large").rows}

    def take(self, step: str, work: Callable[[], T], all_images: Callable[[float], float] | None = None) -> T:
        """What `work` gives; `all_images`: CPU seconds of the step -> those for all images."""
        before, wall, spent = forget_peak(), time.perf_counter(), time.process_time()
        found = work()
        spent, wall, peak = time.process_time() - spent, time.perf_counter() - wall, resident("VmHWM")
        on_top = f"{(peak - before) / self.weights:.1f}" if self.weights else ""
        extrapolated = f"{all_images(spent):.0f} CPU s" if all_images else ""
        row = [f"`{self.name}`", step, f"{spent:.1f}", f"{wall:.1f}", f"{peak / 2**30:.2f} GiB", on_top, extrapolated]
        print(" | ".join(row), file=sys.stderr, flush=True)
        self.known[tuple(row[:2])] = row
        store("refit_large", COLUMNS, self.known.values())
        return found


@contextmanager
def solving() -> Iterator[list[float]]:
    """CPU seconds of the solves inside, which do not depend on how many images there are."""
    spent, before = [], {(owner, name): getattr(owner, name) for owner, name in _SOLVES}

    def timed(solve: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            begun = time.process_time()
            try:
                return solve(*args, **options)
            finally:
                spent.append(time.process_time() - begun)

        return run

    try:
        for (owner, name), solve in before.items():
            setattr(owner, name, timed(solve))
        yield spent
    finally:
        for (owner, name), solve in before.items():
            setattr(owner, name, solve)


def noise(images: int, side: int) -> LabelledImages:
    """Images that are noise, of a thousand classes."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, 3, side, side), dtype=np.uint8)
    return LabelledImages("noise", pixels, np.arange(images) % 1000, tuple(map(str, range(1000))))


def last(steps: Iterator[tuple[int, int, T]]) -> T:
    """What a pass gives in the end."""
    *_, (_, _, found) = steps
    return found


def measure(name: str, moments: int, felt: int, walked: int) -> None:
    """All rows of a model."""
    torch.set_num_threads(1)
    steps = Steps(name)
    opened = steps.take("open", lambda: pipeline.open_model(name, "random"))
    steps.weights = sum(4 * layer.size for layer in opened.anatomy.prunable)
    opened.info = replace(opened.info, data="noise")
    data = noise(max(moments, felt, walked), opened.info.input_size)
    seen: Any = steps.take(
        f"moments of {moments} images",
        lambda: last(observe(opened.model, opened.info, data, opened.anatomy, images=moments)),
        lambda spent: spent * IMAGES / moments,
    )
    groups, cut = _structures(steps, opened, data, felt, seen)
    weights = steps.take("index of magnitude", lambda: _scored(opened, "magnitude", "weight", None))
    zeros = select(weights, opened.anatomy, PruningPlan("magnitude", "weight", "model", 0.9))
    for step, scores, selection in ((_CUT, groups, cut), (_ZEROS, weights, zeros)):
        steps.take(
            f"at once, {step}", partial(refit_at_once, opened.model, opened.anatomy, scores, selection, seen.inputs,
                                        seen.logits),
        )  # fmt: skip
    for step, walk, scores, selection in ((_CUT, repair, groups, cut), (_ZEROS, refit_zeros, weights, zeros)):
        walking = walk(opened.model, opened.info, opened.anatomy, scores, selection, data.images[:walked])
        with solving() as spent:
            steps.take(f"in order, {step}, {walked} images", partial(last, walking), partial(_in_order, spent, walked))


def _structures(steps: Steps, opened: pipeline.Opened, data: LabelledImages, felt: int, seen: Any) -> tuple[Any, Any]:
    """Scores of structures in nats, and what they say should go."""
    passing = feel(opened.model, opened.info, data, opened.anatomy, images=felt)
    fisher = _felt(steps, passing, felt, measured_images(opened.anatomy))
    steps.take("orders and curves, `reconstruction`", lambda: _scored(opened, "reconstruction", "structure", seen))
    groups = steps.take("orders and curves, `fisher`", lambda: _scored(opened, "fisher", "structure", fisher))
    steps.take("curves of zeros, `fisher`", lambda: _scored(opened, "fisher", "weight", fisher))
    plan = PruningPlan("fisher", "structure", "model", None, budget=0.8, cost_exponent=1.0)
    return groups, steps.take("allocation for 80 % of MACs", lambda: select(groups, opened.anatomy, plan))


def _scored(opened: pipeline.Opened, key: str, granularity: str, found: Any) -> Any:
    return criterion(key).fn(opened.model, opened.anatomy, granularity, found, 0)


def _in_order(solves: list[float], walked: int, spent: float) -> float:
    """CPU seconds for all images: solves do not grow with them."""
    return sum(solves) + (spent - sum(solves)) * IMAGES / walked


def _felt(steps: Steps, passing: Iterator[tuple[int, int, Any]], felt: int, measured: int) -> Any:
    """The two parts of the pass that feels: gradients of all images, then each block's Q/K cut on some of them."""
    gradients = steps.take(
        f"gradients of {felt} images", lambda: next(event for event in passing if event[0] >= felt),
        lambda spent: spent * IMAGES / felt,
    )  # fmt: skip
    assert gradients[2] is None
    return steps.take(f"Q/K scales on {felt} images", lambda: last(passing), lambda spent: spent * measured / felt)


def main() -> None:
    """Measure each model in a process of its own, and print the table."""
    parser = command_line(__doc__, MODELS)
    for option, images in (("--moments", 16), ("--felt", 8), ("--walked", 8)):
        parser.add_argument(option, type=int, default=images)
    given = parser.parse_args()
    if len(given.models) == 1:
        measure(given.models[0], given.moments, given.felt, given.walked)
    else:
        options = [f"--{name}={getattr(given, name)}" for name in ("moments", "felt", "walked")]
        for name in given.models:
            subprocess.run([sys.executable, "-m", "benchmarks.large", *options, name], check=True)
    print(table(COLUMNS, stored("refit_large").rows))


if __name__ == "__main__":
    main()
