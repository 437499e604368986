"""The app's own answer to the game of lesson 9: one ratio a stage, half of the MACs gone, whole units.

    python -m benchmarks.budget_game   search, then judge the cut that was chosen once; prints its link

Cuts are tried on 1,200 training images that nothing has read and that judge nothing in the lesson, on the Find page's
bench. What the game asks for orders them, top-1; between equals the divergence from the dense model's answers. From a
few plain starts, shares of some stages vary at random around the best so far (seed 0), scaled so that the budget is
just met; the variation shrinks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from dimap_core.pipeline import Opened, apply_plan, default_data, judge_fully, open_model, removed_share
from dimap_core.plan import sort_overrides, to_link
from dimap_core.studies import find
from dimap_core.types import Cell, PruningPlan, drain

MODEL, BUDGET, SEED, CUTS, IMAGES = "swin-textured", 0.5, 0, 60, 1200
STARTS = ((1, 1, 1, 1), (1, 2, 3, 2), (2, 4, 6, 5), (1, 1, 3, 2), (3, 4, 6, 3))
"""Shares of the four stages to remove, as proportions."""
_MOST, _SPREAD, _SHRINK, _LEAST = 0.95, 0.35, 0.985, 0.08
_STEP = 0.01  # the sliders'


def plan_of(ratios: Sequence[float]) -> PruningPlan:
    """Units of each stage compete alone, at its ratio."""
    cells: dict[Cell, float] = {(stage, None): round(float(ratio), 2) for stage, ratio in enumerate(ratios)}
    return PruningPlan(granularity="structure", ratio=0.0, overrides=sort_overrides(cells))


def saved(opened: Opened, ratios: Sequence[float]) -> float:
    """Share of the MACs that goes."""
    total = apply_plan(opened, plan_of(ratios))[1].total
    return removed_share(total.macs, total.macs_after)


def scaled(opened: Opened, shares: Sequence[float]) -> np.ndarray:
    """The shares as ratios in the sliders' steps that just meet the budget."""
    low, high = 0.0, 1 / min(shares)
    while high - low > _STEP / 4:
        middle = (low + high) / 2
        enough = saved(opened, _stepped(shares, middle)) >= BUDGET
        low, high = (low, middle) if enough else (middle, high)
    return _stepped(shares, high)


def _stepped(shares: Sequence[float], factor: float) -> np.ndarray:
    return np.round(np.clip(np.asarray(shares) * factor, 0, _MOST), 2)


def search(opened: Opened, tested: find.bench.Bench) -> np.ndarray:
    """The ratios of the cut that does best among `CUTS`."""
    rng, spread = np.random.default_rng(SEED), _SPREAD
    tried: dict[tuple[float, ...], tuple[float, float]] = {}
    while len(tried) < CUTS:
        best = min(tried, key=lambda ratios: tried[ratios]) if tried else ()
        moved = rng.random(4) < 0.6
        shares = STARTS[len(tried)] if len(tried) < len(STARTS) else best * np.exp(rng.normal(0, spread, 4) * moved)
        ratios = tuple(scaled(opened, shares).tolist())
        spread = max(_LEAST, spread * _SHRINK)
        if ratios not in tried:
            found = _trial(tested, plan_of(ratios))
            tried[ratios] = -found.top1, found.mean
    return np.array(min(tried, key=lambda ratios: tried[ratios]))


def _trial(tested: find.bench.Bench, plan: PruningPlan) -> find.bench.Trial:
    steps = tested.tried(plan, rule=False, final=True)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def main() -> None:
    """Search, judge once, print."""
    torch.set_num_threads(1)
    opened = open_model(MODEL)
    tested = find.bench.bench(opened, PruningPlan.images, SEED, IMAGES)
    drain(tested.look())
    plan = plan_of(search(opened, tested))
    share = judge_fully(opened, default_data(opened), plan).top1
    print("&".join(f"{key}={value}" for key, value in {"model": MODEL, **to_link(plan)}.items()))
    print(f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%}, n = {share.n})")


if __name__ == "__main__":
    main()
