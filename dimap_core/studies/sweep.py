"""Sweeps: one model judged under many plans, or under two (or dense and pruned) on the same images.

Next door: `pipeline` judges one plan, `pipeline.results` names the columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data import stratified_order
from ..measure import Predictions, PrefixCache, evaluate, paired_difference, predict
from ..pipeline import (
    Opened,
    accuracy,
    apply_plan,
    batches,
    check_trained,
    counts,
    extend_dense,
    judge_fully,
    removed_share,
    runner,
    slow,
)
from ..types import (
    AccuracyEstimate,
    CostReport,
    DataError,
    InvalidPlan,
    LabelledImages,
    PruningPlan,
    Versus,
    whole_file,
)
from .grid import plans as plans


@dataclass(frozen=True)
class Measured:
    """One plan, judged to the end; `ratio` is the common ratio in force (solved for, where the plan has a budget)."""

    plan: PruningPlan
    ratio: float
    cost: CostReport
    estimate: AccuracyEstimate

    def row(self) -> dict[str, Any]:
        """Settings, accuracy and cost as one row of the CLI contract."""
        total = self.cost.total
        return {
            **settings(self.plan),
            "ratio": self.ratio,
            **accuracy(self.estimate),
            **counts(total, self.plan.granularity),
            "params_removed": removed_share(total.params, total.params_after),
            "macs_removed": removed_share(total.macs, total.macs_after),
        }

    def full_row(self) -> dict[str, Any]:
        """The row with what figures need beside it: the whole estimate, and [stage, module, Part] cells."""
        cells = [[stage, module, asdict(part)] for (stage, module), part in self.cost.cells.items()]
        return {**self.row(), "estimate": asdict(self.estimate), "cells": cells}


def measure(opened: Opened, data: LabelledImages, plan: PruningPlan, limit: int | None = None) -> Measured:
    """Apply one plan and judge it; raises InvalidPlan where it cannot be met."""
    selection, cost = apply_plan(opened, plan)
    return Measured(plan, selection.ratio, cost, judge_fully(opened, data, plan, limit))


def run(opened: Opened, data: LabelledImages, plans: Iterable[PruningPlan], limit: int | None = None) -> Iterator[dict]:
    """One row a plan, as it is measured; a plan that cannot be met yields its reason under "error"."""
    for plan in plans:
        try:
            yield measure(opened, data, plan, limit).row()
        except InvalidPlan as error:
            yield {**settings(plan), "ratio": plan.ratio, "error": str(error)}


def versus(
    opened: Opened, data: LabelledImages, first: PruningPlan, second: PruningPlan, limit: int | None = None
) -> Iterator[Versus]:
    """Yield ever better comparisons of two plans, batch by batch on the same images; raises InvalidPlan where one of
    them cannot be met."""
    check_trained(opened)
    runs = [runner(opened, data, plan, None) for plan in (first, second)]
    steps = (evaluate(opened.model, opened.info, data, run, None, limit, opened.sizes) for run in runs)
    order = stratified_order(data.labels)
    for (one, ours), (other, theirs) in zip(*steps, strict=True):
        labels = data.labels[order[: one.n]]
        difference = paired_difference(ours.classes == labels, theirs.classes == labels)
        yield Versus(one.total, one.top1, other.top1, difference)


def compare(
    opened: Opened, data: LabelledImages, plan: PruningPlan, cache: PrefixCache | None = None
) -> Iterator[tuple[np.ndarray, Predictions, Predictions]]:
    """(numbers of the images, dense predictions, pruned predictions) of one batch after another, in evaluation order.

    The dense model is judged on each batch where it is not known yet; `cache` as in `pipeline.judge`.
    """
    check_trained(opened)
    order, start = stratified_order(data.labels), 0
    sizes = batches(opened) if slow(opened, data) else opened.sizes
    for batch in predict(opened.model, opened.info, data, runner(opened, data, plan, cache), sizes=sizes):
        stop = start + len(batch.classes)
        extend_dense(opened, data, stop)
        yield order[start:stop], opened.dense[data.name].part(start, stop), batch
        start = stop


def write_csv(rows: list[dict[str, Any]], path: Path) -> None:
    """Rows as CSV; each cue gets a column of its own."""
    with whole_file(path, DataError) as part:
        pd.json_normalize(rows).to_csv(part, index=False)


def settings(plan: PruningPlan) -> dict[str, Any]:
    """What a row says of the plan itself."""
    return {
        "criterion": plan.criterion,
        "scope": plan.scope,
        "granularity": plan.granularity,
        "cost_exponent": plan.cost_exponent,
        "budget": plan.budget,
        "seed": plan.seed,
    }
