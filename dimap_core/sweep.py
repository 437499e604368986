"""Sweeps: one model judged under many plans. Next door: `pipeline` judges one plan, `results` names the columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import DataError, InvalidPlan
from .pipeline import Opened, apply_plan, judge_fully
from .results import accuracy, removed_share
from .types import LabelledImages, PruningPlan


def plans(
    criteria: Iterable[str], scopes: Iterable[str], ratios: Iterable[float], exponents: Iterable[float], seed: int = 0
) -> list[PruningPlan]:
    """The grid of plans, criteria outermost; with scope "layer" a cost exponent changes nothing and is tried once."""
    grid = product(criteria, scopes, exponents, ratios)
    made = [PruningPlan(criterion=c, scope=s, ratio=r, cost_exponent=a, seed=seed) for c, s, a, r in grid]  # type: ignore[arg-type]
    first: dict[tuple, PruningPlan] = {}
    for plan in made:
        key = (plan.criterion, plan.scope, plan.ratio, 0.0 if plan.scope == "layer" else plan.cost_exponent)
        first.setdefault(key, plan)
    return list(first.values())


def run(opened: Opened, data: LabelledImages, grid: Iterable[PruningPlan], limit: int | None = None) -> Iterator[dict]:
    """One row a plan, as it is measured; a plan that cannot be met yields its reason under "error"."""
    for plan in grid:
        try:
            yield measure(opened, data, plan, limit)
        except InvalidPlan as error:
            yield {**_settings(plan), "error": str(error)}


def measure(opened: Opened, data: LabelledImages, plan: PruningPlan, limit: int | None = None) -> dict[str, Any]:
    """Settings, cost and accuracy of one plan, judged to the end."""
    selection, cost = apply_plan(opened, plan)
    estimate = judge_fully(opened, data, plan, limit)
    total = cost.total
    return {
        **_settings(plan),
        "ratio": selection.ratio,
        **accuracy(estimate),
        "params": total.params_after,
        "macs": total.macs_after,
        "params_removed": removed_share(total.params, total.params_after),
        "macs_removed": removed_share(total.macs, total.macs_after),
    }


def write_csv(rows: list[dict[str, Any]], path: Path) -> None:
    """Rows as CSV; each cue gets a column of its own."""
    try:
        pd.json_normalize(rows).to_csv(path, index=False)
    except OSError as error:
        raise DataError(f"'{path}' cannot be written ({error.strerror}); choose another file.") from error


def _settings(plan: PruningPlan) -> dict[str, Any]:
    return {
        "criterion": plan.criterion,
        "scope": plan.scope,
        "granularity": plan.granularity,
        "ratio": plan.ratio,
        "cost_exponent": plan.cost_exponent,
        "seed": plan.seed,
    }
