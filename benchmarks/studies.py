"""What criteria foretell and what happens: leave-one-out, sensitivity, and ratios made from it, on the bundled models.

    python -m benchmarks.studies [MODEL ...] [--photos FOLDER [--judge N]]

Rank correlations are of each criterion's scores of structures with the measured rise in loss (printed for all, for
heads and for tenths of hidden units; kept for all pieces and three criteria); brackets are 95 % intervals. Ratios made
from sensitivity curves (of training images) are set against the plain scope at equal cost, without repair, on all
validation images, or on N photographs. About 2 minutes a model of digits on one free core. Rows of a run before are
replaced one by one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from dimap_core.criteria import CRITERIA
from dimap_core.models import BUNDLED
from dimap_core.pipeline import Opened, default_data, score, training_data
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

from .judging import asked, command_line
from .measured import store, stored, table

CUTS = (
    (PruningPlan("dimap", "structure", "module", ratio=None, budget=0.5), "macs"),
    (PruningPlan("taylor", "structure", "module", ratio=None, budget=0.5), "macs"),
    (PruningPlan("dimap", ratio=0.8), "params"),
)
IMAGES = 360  # that judge what leaving a piece out costs
KEPT = ("dimap", "magnitude", "taylor")
PARTS = ("criterion", "all", "heads", "tenths of hidden units")
TRUTH = ("model", "pieces", "DIMAP", "magnitude", "Taylor", "rises clear of zero")
RATIOS = ("model", "n", "DIMAP, 50 % of MACs, structures", "Taylor, the same", "DIMAP, 80 % of weights")


def truth(name: str, opened: Opened, data: LabelledImages) -> list[str]:
    """How well criteria foretell what a piece is worth: the kept row; all of them are printed."""
    begun = time.perf_counter()
    effects = [effect for effect in leave_one_out(opened, data, IMAGES) if effect]
    seconds = time.perf_counter() - begun
    clear = sum(effect.rise.low > 0 for effect in effects)
    print(f"\n{name}: {len(effects)} pieces in {seconds:.0f} s, {clear} of them clear of zero\n")
    kept, rows = {}, []
    for info in CRITERIA:
        if "structure" in info.scores:
            scores = score(opened, PruningPlan(info.key, "structure"))
            found = with_truth(foretold(scores, opened.anatomy, [effect.piece for effect in effects]), effects)
            cells = [_interval(one) if one else "–" for one in found.values()]
            rows.append([info.label, *cells])
            kept[info.key] = cells[0]
    print(table(PARTS, rows), flush=True)
    return [f"`{name}`", str(len(effects)), *(kept[key] for key in KEPT), str(clear)]


def ratios(name: str, opened: Opened, data: LabelledImages) -> list[str]:
    """Ratios from the curves minus the plain scope, in points, for each way of cutting."""
    cells = []
    for plan, kind in CUTS:
        rows = [row for row in sensitivity(opened, training_data(opened), plan) if row]
        scores = score(opened, plan)
        made = allocate(opened.anatomy, scores, plan, rows, real_share(opened.anatomy, scores, plan, kind), kind)
        *_, found = versus(opened, data, made.plan, plain_plan(plan, made.saved, kind))
        cells.append(_points(found.difference))
        shares = f"{100 * found.first.value:.1f} against {100 * found.second.value:.1f}"
        print(f"{name}, {plan.criterion}, {plan.granularity}, {made.saved:.1%} of {kind}: {shares}, {cells[-1]}")
    return [f"`{name}`", f"{len(data):,}", *cells]


def _interval(found: Any) -> str:
    """A rank correlation with its interval; bold where that lies above zero."""
    value = f"**{found.value:.2f}**" if found.low > 0 else f"{found.value:.2f}"
    return f"{value} ({found.low:.2f} to {found.high:.2f})".replace("-", "−")


def _points(found: Any) -> str:
    """A difference in points with its interval; bold where that excludes zero."""
    value = f"**{100 * found.value:+.1f}**" if found.low > 0 or found.high < 0 else f"{100 * found.value:+.1f}"
    return f"{value} ({100 * found.low:.1f} to {100 * found.high:.1f})".replace("-", "−")


def _with(name: str, row: Sequence[str]) -> Iterable[Sequence[str]]:
    """The rows that are kept under that name, with this one in the place of its model's."""
    order = [f"`{spec.name}`" for spec in BUNDLED]
    known = {one[0]: one for one in [*stored(name).rows, row]}
    return sorted(known.values(), key=lambda one: order.index(one[0]))


def main() -> None:
    """Every model asked for."""
    given = command_line(__doc__, [spec.name for spec in BUNDLED]).parse_args()
    torch.set_num_threads(1)
    names, images = asked(given)
    for name in names:
        opened, photos = images.open(name), images.told(name)
        data = default_data(opened)
        few = f"{min(IMAGES, len(data))} of {photos}" if photos else ""
        store("foretold", TRUTH, _with("foretold", truth(name, opened, data)), name, few)
        store("allocated", RATIOS, _with("allocated", ratios(name, opened, data)), name, photos)


if __name__ == "__main__":
    main()
