"""Sensitivity: accuracy against ratio for each stage x module (or stage x kind) cut alone, everything else dense.

The classic analysis (Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, arXiv 1608.08710, section 3.2)
with real cuts of the plan's criterion, granularity and scope. What a ratio leaves as it was is not measured: a cell
that cannot be cut has no rows, and never looks robust. Ratios are made from the curves, so they are measured on
training images: those that judge the ratios afterwards must have had no part in them.
Next door: `types.findings` says what a row holds, `allocation` turns the curves into ratios.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from ..measure import Predictions, PrefixCache, evaluate, mean_difference
from ..pipeline import Opened, apply_plan, check_trained, removed_share, runner
from ..types import (
    AccuracyEstimate,
    Anatomy,
    CellCut,
    CostReport,
    InvalidPlan,
    LabelledImages,
    PruningPlan,
    Selection,
    last,
)
from .effort import IMAGES, RATIOS, TimeLeft, cell_effort, cells, dense_plan
from .summaries import units


def sensitivity(
    opened: Opened, data: LabelledImages, plan: PruningPlan, ratios: Sequence[float] = RATIOS, limit: int = IMAGES
) -> Iterator[CellCut | None]:
    """Yield a row for each cell and ascending ratio, last stage first, and None after every batch; close it to cancel.

    `data`: training images (`pipeline.training_data`), of which the first `limit` of the stratified order are used;
    without repair. A curve ends where a layer would be
    emptied, and where a higher ratio removes no more.
    """
    check_trained(opened)
    base, cache, shares = dense_plan(plan), PrefixCache(), cell_effort(opened.anatomy)
    wanted = cells(opened.anatomy, plan.granularity)
    clock = TimeLeft(1 + len(ratios) * sum(shares[stage] for stage, _ in wanted))
    _, dense = yield from _judged(opened, data, base, limit, cache, None)
    clock.after(1.0)
    untouched, _ = apply_plan(opened, base)
    for stage, module in wanted:
        before = untouched.removed
        for ratio in ratios:
            cut = replace(base, overrides=(((stage, module), ratio),))
            selection, cost = _tried(opened, cut)
            if selection is None or cost is None or selection.removed == before:
                clock.skip(shares[stage])
                continue
            before = selection.removed
            estimate, found = yield from _judged(opened, data, cut, limit, cache, dense)
            yield CellCut(
                stage, module, ratio, _removed(opened.anatomy, selection, stage, module),
                removed_share(cost.total.params, cost.total.params_after),
                removed_share(cost.total.macs, cost.total.macs_after),
                estimate, mean_difference(found.loss, dense.loss), clock.after(shares[stage]),
            )  # fmt: skip


def _tried(opened: Opened, plan: PruningPlan) -> tuple[Selection | None, CostReport | None]:
    try:
        return apply_plan(opened, plan)
    except InvalidPlan:
        return None, None


def _judged(
    opened: Opened, data: LabelledImages, plan: PruningPlan, limit: int, cache: PrefixCache, dense: Predictions | None
) -> Generator[None, None, tuple[AccuracyEstimate, Predictions]]:
    """The last estimate of a plan with its predictions; all are run with a cache of their own, last stage first."""
    run = runner(opened, data, plan, cache)
    return (yield from last(evaluate(opened.model, opened.info, data, run, dense, limit, opened.sizes), None))


def _removed(anatomy: Anatomy, selection: Selection, stage: int, module: str) -> float:
    """Removed / all units of one cell."""
    own = [unit for unit in units(anatomy, selection.granularity) if (unit.stage, unit.module) == (stage, module)]
    return sum(selection.removed[unit.name] for unit in own) / sum(unit.size for unit in own)
