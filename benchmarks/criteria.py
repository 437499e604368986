"""Every criterion on all bundled models: which of those that read training images earn them? The README's tables.

    python -m benchmarks.criteria [MODEL ...]   measure, write assets/criteria.json, print the tables
    python -m benchmarks.criteria --tables      print the tables from what was measured before

Structures: half of the MACs removed, plain and repaired, once with all kinds in one ranking per MAC (scope model, cost
exponent 1) and once within each kind (scope module, exponent 0), the same for every criterion. Single weights: 90 % of
them removed, each layer alone and within modules. 256 training images for whatever reads any; no fine-tuning.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from dimap_core import pipeline
from dimap_core.bundled import ASSETS
from dimap_core.criteria import CRITERIA
from dimap_core.errors import InvalidPlan
from dimap_core.types import PruningPlan

from . import measured
from .measured import share

FILE = ASSETS / "criteria.json"
BUDGET, RATIO = 0.5, 0.9
GROUPS = {"model": 1.0, "module": 0.0}  # scope -> cost exponent
WEIGHTS = ("layer", "module")
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
        for scope, exponent in GROUPS.items():
            for repair in (False, True):
                yield PruningPlan(key, "structure", scope, None, budget=BUDGET, cost_exponent=exponent, repair=repair)  # type: ignore[arg-type]
    if "weight" in scores:
        for scope in WEIGHTS:
            yield PruningPlan(key, "weight", scope, RATIO)  # type: ignore[arg-type]


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
                         "repaired": plan.repair, **found})  # fmt: skip
        print(f"{name}: {info.key} done", file=sys.stderr, flush=True)
    return {"model": name, "fingerprint": opened.info.fingerprint, "dense": judged(opened, data, None),
            "read_cpu_s": spent, "rows": rows}  # fmt: skip


def judged(opened: pipeline.Opened, data: Any, plan: PruningPlan | None) -> dict[str, Any]:
    """Top-1 with its 95 % interval on the whole validation split."""
    *_, estimate = pipeline.judge(opened, data, plan)
    return measured.top1(estimate)


def tables(results: list[dict[str, Any]]) -> str:
    """Markdown: criteria in rows, models in columns; the best of each column in bold."""
    parts = []
    for scope, title in TITLES.items():
        head = f"structures, {100 * BUDGET:g} % of MACs, {title}: plain > repaired"
        parts.append(_table(head, results, "structure", [(scope, False), (scope, True)], " > "))
    head = f"single weights, {100 * RATIO:g} % removed: each layer alone / within modules"
    parts.append(_table(head, results, "weight", [(scope, False) for scope in WEIGHTS], " / "))
    return "\n\n".join(parts)


def _table(head: str, results: list[dict[str, Any]], granularity: str, cells: list[tuple], between: str) -> str:
    names = [f"`{found['model']}`, dense {share(found['dense'])}, n = {found['dense']['n']:,}" for found in results]
    lines = [f"| {head} | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    best = [{cell: max(_at(found, granularity, cell).values(), default=None) for cell in cells} for found in results]
    for info in CRITERIA:
        if granularity not in info.scores:
            continue
        texts = [
            between.join(_text(found, granularity, cell, info.key, top[cell]) for cell in cells)
            for found, top in zip(results, best, strict=True)
        ]
        mark = " (reads images)" if info.reads_images else ""
        lines.append(f"| {info.label}{mark} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def _at(found: dict[str, Any], granularity: str, cell: tuple) -> dict[str, float]:
    """Criterion -> top-1 of one scope, plain or repaired."""
    return {
        row["criterion"]: row["top1"]
        for row in found["rows"]
        if (row["granularity"], row["scope"], row["repaired"]) == (granularity, *cell)
    }


def _text(found: dict[str, Any], granularity: str, cell: tuple, key: str, best: float | None) -> str:
    for row in found["rows"]:
        if (row["criterion"], row["granularity"], row["scope"], row["repaired"]) == (key, granularity, *cell):
            return f"**{share(row)}**" if row["top1"] == best else share(row)
    return "–"  # it would empty a layer


def main() -> None:
    """Measure unless --tables, then print the tables."""
    measured.run(__doc__, FILE, measure)
    print(tables(read()))


if __name__ == "__main__":
    main()
