"""The answer: what was found and the best fixed rule, judged once on images that chose nothing, side by side.

Next door: `looks` counts how often that was done, `finding` asks.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...data import stratified_order
from ...measure import Predictions, evaluate, paired_difference
from ...pipeline import (
    apply_plan,
    counts,
    default_data,
    extend_dense,
    prepare,
    removed_share,
    save_pruned,
    small_runner,
)
from ...plan import to_recipe
from ...types import AccuracyEstimate, LabelledImages
from .bench import Bench, Trial
from .looks import count_look


def answer(
    tested: Bench, best: Trial, rule: Trial, out: Path | None
) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """The result object of the CLI contract; writes the winner's checkpoint to `out`. Validation images are touched
    here and nowhere before."""
    opened = tested.opened
    for trial in (rule, best):  # where other finalists pushed their repair out, it reads training images once more
        for doing, _, _ in prepare(opened, trial.plan):
            yield {"doing": doing}
    data = default_data(opened)
    found, ours = yield from _judged(tested, best, data)
    other, theirs = (found, ours) if rule.plan == best.plan else (yield from _judged(tested, rule, data))
    extend_dense(opened, data, len(ours.classes))
    looks = count_look(opened.info.fingerprint, data.name, json.dumps(to_recipe(best.plan), sort_keys=True))
    labels = data.labels[stratified_order(data.labels)[: len(ours.classes)]]
    hits, rival, dense = (kept.classes[: len(labels)] == labels for kept in (ours, theirs, opened.dense[data.name]))
    low, high = found.top1.low, found.top1.high
    result = {
        "model": opened.info.name, "plan": to_recipe(best.plan, opened.info.name), "rule": best.rule,
        **_costs(tested, best), "top1": found.top1.value, "n": found.n, "ci95": [low, high],
        "estimate": asdict(found),
        "best_rule": {
            "plan": to_recipe(rule.plan, opened.info.name), **_costs(tested, rule), "top1": other.top1.value,
            "ci95": [other.top1.low, other.top1.high],
        },
        "paired": _difference(hits, rival, looks), "against_dense": _difference(hits, dense, 1), "looks": looks,
        "family": opened.info.family, "cells": _cells(tested, best),
        "chosen_on": {"n": len(tested.data), "read": best.plan.images, "risk": tested.risk},
    }  # fmt: skip
    if out is not None:
        yield {"doing": "Writing the checkpoint"}
        save_pruned(out, opened, best.plan)
        result["out"] = str(out)
    return result


def _judged(
    tested: Bench, trial: Trial, data: LabelledImages
) -> Generator[dict[str, Any], None, tuple[AccuracyEstimate, Predictions]]:
    opened, run = tested.opened, small_runner(tested.opened, trial.plan)
    for last in evaluate(opened.model, opened.info, data, run, sizes=opened.sizes):
        yield {"doing": "Judging on validation images", "step": last[0].n, "steps": last[0].total}
    return last


def _costs(tested: Bench, trial: Trial) -> dict[str, Any]:
    total = apply_plan(tested.opened, trial.plan)[1].total
    return {
        **counts(total, trial.plan.granularity),
        "macs_removed": removed_share(total.macs, total.macs_after),
        "params_removed": removed_share(total.params, total.params_after),
    }


def _cells(tested: Bench, trial: Trial) -> list[Any]:
    """[stage, module, counts] of the cut, for figures."""
    cost = apply_plan(tested.opened, trial.plan)[1]
    return [[stage, module, asdict(part)] for (stage, module), part in cost.cells.items()]


def _difference(hits: np.ndarray, other: np.ndarray, looks: int) -> dict[str, float]:
    """Paired difference with its interval, widened for several looks (Bonferroni)."""
    found = paired_difference(hits, other, looks)
    return {"value": found.value, "low": found.low, "high": found.high, "confidence": 1 - 0.05 / looks}
