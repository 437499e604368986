"""Every criterion on all bundled models: which of those that read training images earn them? The tables of RESULTS.md.

    python -m benchmarks.criteria [MODEL ...]   measure, write assets/criteria.json, print the tables
    python -m benchmarks.criteria --tables      print the tables from what was measured before

Structures: 35, 50 and 70 % of the MACs removed, plain and repaired, once with all kinds in one ranking per MAC (scope
model, cost exponent 1) and once within each kind (scope module, exponent 0), the same for every criterion. Single
weights: 70, 80 and 90 % of them removed, each layer alone and within modules. 256 training images for whatever reads
any; no fine-tuning.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any

from dimap_core import pipeline
from dimap_core.criteria import CRITERIA
from dimap_core.types import ASSETS, InvalidPlan, PruningPlan

from . import measured
from .measured import share

FILE = ASSETS / "criteria.json"
BUDGETS, RATIOS = (0.35, 0.5, 0.7), (0.7, 0.8, 0.9)
GROUPS = {"model": 1.0, "module": 0.0}  # scope -> cost exponent
WEIGHTS = ("layer", "module")
CELL = ("granularity", "scope", "removed", "repaired")
TITLES = {
    "model": "one ranking of all kinds, per MAC",
    "module": "within each kind",
}


def read() -> list[dict[str, Any]]:
    """What was measured before."""
    return measured.read(FILE)


def plans(key: str, scores: frozenset[str]) -> Iterator[PruningPlan]:
    """What is tried with a criterion."""
    if "structure" in scores:
        for scope, budget, repair in itertools.product(GROUPS, BUDGETS, (False, True)):
            exponent = GROUPS[scope]
            yield PruningPlan(key, "structure", scope, None, budget=budget, cost_exponent=exponent, repair=repair)  # type: ignore[arg-type]
    if "weight" in scores:
        for scope, ratio in itertools.product(WEIGHTS, RATIOS):
            yield PruningPlan(key, "weight", scope, ratio)  # type: ignore[arg-type]


def measure(name: str) -> dict[str, Any]:
    """All rows of one model, and the CPU seconds that reading images took."""
    opened = pipeline.open_model(name)
    data = pipeline.default_data(opened)
    rows, spent = [], {}
    for info in CRITERIA:
        for plan in plans(info.key, info.scores):
            begun = time.process_time()
            if list(pipeline.prepare_scores(opened, plan)):
                spent[info.evidence] = round(time.process_time() - begun, 1)
            try:
                found = judged(opened, data, plan)
            except InvalidPlan as error:
                print(f"{name}, {info.key}, {plan.scope}: {error}", file=sys.stderr)
                continue
            rows.append({"criterion": info.key, "granularity": plan.granularity, "scope": plan.scope,
                         "removed": plan.budget or plan.ratio, "repaired": plan.repair, **found})  # fmt: skip
        print(f"{name}: {info.key} done", file=sys.stderr, flush=True)
    return {"model": name, "fingerprint": opened.info.fingerprint, "dense": judged(opened, data, None),
            "read_cpu_s": spent, "rows": rows}  # fmt: skip


def judged(opened: pipeline.Opened, data: Any, plan: PruningPlan | None) -> dict[str, Any]:
    """Top-1 with its 95 % interval on the whole validation split."""
    *_, estimate = pipeline.judge(opened, data, plan)
    return measured.top1(estimate)


def tables(results: list[dict[str, Any]]) -> str:
    """Markdown, three tables a model: criteria in rows, what is removed in columns; the best of each column in bold."""
    return "\n\n".join("\n\n".join(_of_model(found)) for found in results)


def _of_model(found: dict[str, Any]) -> Iterator[str]:
    dense = found["dense"]
    told = f"dense {share(dense)} %, n = {dense['n']:,}; top-1 in %"
    yield f"<details><summary><b>{found['model']}</b>, {told}</summary>"
    for scope, title in TITLES.items():
        pairs = [[("structure", scope, budget, repaired) for repaired in (False, True)] for budget in BUDGETS]
        yield _table(f"MACs removed as structures, {title}: plain > repaired", found, BUDGETS, pairs, " > ")
    pairs = [[("weight", scope, ratio, False) for scope in WEIGHTS] for ratio in RATIOS]
    yield _table("single weights removed: each layer alone / within modules", found, RATIOS, pairs, " / ")
    yield "</details>"


def _table(head: str, found: dict[str, Any], columns: tuple[float, ...], cells: list[list[tuple]], between: str) -> str:
    """`cells`: a column's (granularity, scope, removed, repaired), which `between` parts."""
    at = {(row["criterion"], *(row[key] for key in CELL)): row for row in found["rows"]}
    lines = [f"| {head} | " + " | ".join(f"{100 * removed:g} %" for removed in columns) + " |"]
    lines.append("|---|" + "---|" * len(columns))
    shown = itertools.chain.from_iterable(cells)
    best = {cell: max((row["top1"] for key, row in at.items() if key[1:] == cell), default=0) for cell in shown}
    for info in CRITERIA:
        texts = [between.join(_text(at.get((info.key, *cell)), best[cell]) for cell in column) for column in cells]
        if any(key[0] == info.key and key[1] == cells[0][0][0] for key in at):
            lines.append(f"| {info.label}{' (reads images)' * info.reads_images} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def _text(row: dict[str, Any] | None, best: float) -> str:
    if row is None:
        return "–"  # it would empty a layer
    return f"**{share(row)}**" if row["top1"] == best else share(row)


def main() -> None:
    """Measure unless --tables, then print the tables."""
    measured.run(__doc__, FILE, measure)
    print(tables(read()))


if __name__ == "__main__":
    main()
