"""The best cut found against the best fixed rule, at equal budgets, each judged once on validation images.

    python -m benchmarks.find [--structures 0.5,0.7,0.8,0.9] [--zeros 0.8,0.9,0.95] [--zeros-macs 0.85] [--seeds 0]
                              [MODEL ...] [--photos FOLDER [--judge N]]

Structures by share of MACs, zeros by ratio of the prunable weights or (by default at none) by share of MACs. `kept
out`: nothing was tuned on that model. Rows are kept as they come; those of a run before are replaced one by one.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

import torch

from dimap_core import pipeline
from dimap_core.models import BUNDLED
from dimap_core.studies import find as finding
from dimap_core.types import PruningPlan

from .judging import asked, command_line
from .measured import store, stored, table

KEPT_OUT = "swin-flatten"
COLUMNS = (
    "model", "cut", "removed", "seed", "found", "best fixed rule", "difference, points", "against dense", "off budget",
    "found by", "rule", "CPU s",
)  # fmt: skip
_ORDER = {spec.name: place for place, spec in enumerate(BUNDLED)}


def measure(opened: pipeline.Opened, removed: str, wanted: finding.Wanted) -> list[str]:
    """One row; `removed` says the budget."""
    begun = time.process_time()
    with TemporaryDirectory() as home:  # intervals of one look each: the table shows all of them
        os.environ["DIMAP_HOME"] = home
        *_, last = finding.find(opened, wanted, budgets=())
    found, spent = last["result"], time.process_time() - begun
    rule, kind = found["best_rule"], wanted.budget_kind
    off = 100 * abs(found[f"{kind}_removed"] - (wanted.budget or 0))
    name = opened.info.name + (" (kept out)" if opened.info.name == KEPT_OUT else "")
    return [
        name, wanted.granularity, removed, str(wanted.seed), _share(found),
        _share(rule), _difference(found["paired"]), _difference(found["against_dense"]), f"{off:.2f}",
        _named(found["plan"]), _named(rule["plan"]), f"{spent:.0f}",
    ]  # fmt: skip


def chosen(model: str, share: float) -> tuple[PruningPlan, PruningPlan, float]:
    """The best fixed rule and the cut found that are stored for a share of MACs as structures, seed 0, and the CPU
    seconds of choosing them.

    Raises LookupError where nothing is stored, or a cut with shares of its own for heads: its row doesn't say them.
    """
    rows = {(row[0].split()[0], *row[1:4]): dict(zip(COLUMNS, row, strict=True)) for row in stored("find").rows}
    place = model, "structure", f"{100 * share:g} % of MACs", "0"
    if place not in rows:
        raise LookupError(f"Nothing is stored for {model}; run benchmarks.find {model} --structures {share:g} before.")
    row = rows[place]
    if "heads" in row["found by"]:
        raise LookupError(f"The cut found for {model} at {share:g} removes heads.")
    rule, found = (
        PruningPlan(criterion, "structure", scope, None, budget=share, cost_exponent=float(exponent), repair=True)  # type: ignore[arg-type]
        for criterion, scope, exponent in (row[column].split(", ") for column in ("rule", "found by"))
    )
    return rule, found, float(row["CPU s"])


def _share(found: dict[str, Any]) -> str:
    low, high = found["ci95"]
    return f"{100 * found['top1']:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _difference(found: dict[str, float]) -> str:
    """In points, with its 95 % interval."""
    return f"{100 * found['value']:+.1f} [{100 * found['low']:+.1f}, {100 * found['high']:+.1f}]"


def _named(recipe: dict[str, Any]) -> str:
    heads = any("head" in cell for cell in recipe.get("stages", {}))
    return f"{recipe['criterion']}, {recipe['scope']}, {recipe.get('cost_exponent', 0):g}" + (
        ", heads" if heads else ""
    )


def wanted(opened: pipeline.Opened, given: Namespace) -> Iterator[tuple[str, finding.Wanted]]:
    """What is asked of a model, in words too."""
    total = sum(layer.params for layer in opened.anatomy.layers)
    prunable = sum(layer.size for layer in opened.anatomy.prunable)
    for seed in map(int, given.seeds.split(",")):
        for granularity, shares in (("structure", given.structures), ("weight", given.zeros_macs)):
            for share in map(float, filter(None, shares.split(","))):
                yield f"{100 * share:g} % of MACs", finding.Wanted(granularity, share, "macs", seed=seed)  # type: ignore[arg-type]
        for ratio in map(float, filter(None, given.zeros.split(","))):
            share = ratio * prunable / total
            yield f"{100 * ratio:g} % of weights", finding.Wanted("weight", share, "params", seed=seed)


def main() -> None:
    """Measure and print a table."""
    parser = command_line(__doc__, [spec.name for spec in BUNDLED])
    parser.add_argument("--structures", default="0.5,0.7,0.8,0.9")
    parser.add_argument("--zeros", default="0.8,0.9,0.95")
    parser.add_argument("--zeros-macs", default="")
    parser.add_argument("--seeds", default="0")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = [list(row) for row in stored("find").rows]
    names, images = asked(given)
    for name in names:
        opened, photos = images.open(name), images.told(name)
        for told, what in wanted(opened, given):
            row = measure(opened, told, what)
            print(" | ".join(row), file=sys.stderr, flush=True)
            known = {tuple(row[:4]): row for row in [*rows, row]}
            rows = sorted(known.values(), key=lambda row: (_ORDER[row[0].split(" ")[0]], row[1], row[2], row[3]))
            store("find", COLUMNS, rows, name, photos)
    print(table(COLUMNS, rows))


if __name__ == "__main__":
    main()
