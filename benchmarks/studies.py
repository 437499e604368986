"""What criteria foretell and what happens: leave-one-out, sensitivity, and ratios made from it, on the bundled models.

    python -m benchmarks.studies [MODEL ...]      prints markdown tables; about 2 minutes a model on one free core

Rank correlations are of each criterion's scores of structures with the measured rise in loss; brackets are 95 %
intervals. Ratios made from sensitivity curves (of training images) are set against the plain scope at equal cost,
without repair, on all validation images.
"""

from __future__ import annotations

import sys
import time

import torch

from dimap_core.criteria import CRITERIA
from dimap_core.models import BUNDLED
from dimap_core.pipeline import Opened, default_data, open_model, score, training_data
from dimap_core.studies import (
    allocate,
    foretold,
    leave_one_out,
    plain_plan,
    real_share,
    sensitivity,
    versus,
    with_truth,
)
from dimap_core.types import LabelledImages, PruningPlan

from .measured import store, table

CUTS = (
    (PruningPlan("dimap", "structure", "module", ratio=None, budget=0.5), "macs"),
    (PruningPlan("taylor", "structure", "module", ratio=None, budget=0.5), "macs"),
    (PruningPlan("dimap", ratio=0.8), "params"),
)
TRUTH = ["criterion", "all", "heads", "tenths of hidden units"]
RATIOS = ["cut", "curves, s", "removed", "from the curves, %", "plain, %", "difference, points", "n"]


def truth(name: str, opened: Opened, data: LabelledImages) -> list[list[str]]:
    """One row a criterion: how well it foretells what a piece is worth."""
    begun = time.perf_counter()
    effects = [effect for effect in leave_one_out(opened, data) if effect]
    seconds = time.perf_counter() - begun
    clear = sum(effect.rise.low > 0 for effect in effects)
    print(f"\n{name}: {len(effects)} pieces in {seconds:.0f} s, {clear} of them clear of zero\n")
    rows = []
    for info in CRITERIA:
        if "structure" in info.scores:
            scores = score(opened, PruningPlan(info.key, "structure"))
            found = with_truth(foretold(scores, opened.anatomy, [effect.piece for effect in effects]), effects)
            cells = (f"{c.value:+.2f} ({c.low:+.2f} to {c.high:+.2f})" if c else "–" for c in found.values())
            rows.append([f"`{name}`, {info.label}", *cells])
    print(table(TRUTH, rows), flush=True)
    return rows


def ratios(name: str, opened: Opened, data: LabelledImages) -> list[list[str]]:
    """One row a way of cutting: ratios from the curves against the plain scope."""
    cells = []
    for plan, kind in CUTS:
        begun = time.perf_counter()
        rows = [row for row in sensitivity(opened, training_data(opened), plan) if row]
        seconds, scores = time.perf_counter() - begun, score(opened, plan)
        made = allocate(opened.anatomy, scores, plan, rows, real_share(opened.anatomy, scores, plan, kind), kind)
        *_, found = versus(opened, data, made.plan, plain_plan(plan, made.saved, kind))
        d = found.difference
        cells.append([
            f"`{name}`, {plan.criterion}, {plan.granularity}, {plan.scope}", f"{seconds:.0f}",
            f"{made.saved:.1%} of {kind}", f"{100 * found.first.value:.1f}", f"{100 * found.second.value:.1f}",
            f"{100 * d.value:+.1f} ({100 * d.low:+.1f} to {100 * d.high:+.1f})", f"{d.n:,}",
        ])  # fmt: skip
    print(f"\n{table(RATIOS, cells)}", flush=True)
    return cells


def main() -> None:
    """Every model asked for."""
    torch.set_num_threads(1)
    found: list[list[str]] = []
    made: list[list[str]] = []
    for name in sys.argv[1:] or [spec.name for spec in BUNDLED]:
        opened = open_model(name)
        data = default_data(opened)
        found += truth(name, opened, data)
        made += ratios(name, opened, data)
    store("foretold", TRUTH, found)
    store("allocated", RATIOS, made)


if __name__ == "__main__":
    main()
