"""Real speed of structured cuts: measured latency beside the MACs that were removed.

    python -m benchmarks.speed [--budget 0.72] [--threads 1] [--repeats 15] [MODEL ...]

Dense and sliced model run by turns; "rounded" keeps sizes in multiples of 8. Timm models get random weights: time does
not depend on them.
"""

from __future__ import annotations

import os

from dimap_core import pipeline
from dimap_core.measure import LatencyRow, measure_latency
from dimap_core.models import BUNDLED, bundled
from dimap_core.types import InvalidPlan, PruningPlan

from .measured import command_line, store, table

FULL_SIZE = (
    "swin_tiny_patch4_window7_224",
    "swin_base_patch4_window7_224",
    "deit_tiny_patch16_224",
    "deit_base_patch16_224",
)
BATCHES = (1, 16)


def rows(name: str, budget: float, threads: int, repeats: int, step: int) -> tuple[float, list[LatencyRow]]:
    """(times fewer MACs, one row a batch size) of one model, uniform magnitude over all kinds but heads."""
    opened = pipeline.open_model(name, "pretrained" if bundled(name) else "random")
    plan = PruningPlan("magnitude", "structure", "layer", ratio=None, budget=budget, round_to=step)
    try:
        pruned, _, cost = pipeline.prune(opened, plan)
    except InvalidPlan:  # small heads in multiples of 8 keep more than that
        return 0.0, []
    promised = cost.total.macs / cost.total.macs_after
    return promised, list(measure_latency(opened.model, pruned, opened.info.input_size, BATCHES, threads, repeats))


def cell(row: LatencyRow | None) -> str:
    """Speed-up, then both medians in ms."""
    if row is None:
        return "–"
    dense, pruned = (f"{1e3 * s:.3g}" if s < 1 else f"{1e3 * s:,.0f}" for s in (row.dense.median, row.pruned.median))
    return f"**{row.speedup:.2f}×** ({dense} / {pruned} ms)"


def main() -> None:
    """Print one table."""
    parser = command_line(__doc__, [*(spec.name for spec in BUNDLED), *FULL_SIZE])
    parser.add_argument("--budget", type=float, default=0.72)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{given.threads} thread(s), {given.repeats} runs each by turns, load average {load:.1f} at the start\n")
    title = f"{100 * given.budget:g} % of MACs removed"
    columns = [title, "MACs promise", "1 image", "16 images", "rounded, 1", "rounded, 16"]
    found = []
    for name in given.models:
        promised, plain = rows(name, given.budget, given.threads, given.repeats, 1)
        _, rounded = rows(name, given.budget, given.threads, given.repeats, 8)
        found.append([f"`{name}`", f"{promised:.2f}×", *map(cell, [*plain, *(rounded or [None] * len(BATCHES))])])
    print(table(columns, found))
    store("speed", columns, found)


if __name__ == "__main__":
    main()
