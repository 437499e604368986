"""One-shot structured cuts of all bundled models, with and without least-squares repair: the tables of RESULTS.md.

    python -m benchmarks.structured [MODEL ...] [--photos FOLDER [--judge N]]
                                                  measure, write assets/structured.json, print the tables
    python -m benchmarks.structured --tables      print the tables from what was measured before

Every criterion at 35, 50 and 70 % of all MACs removed, from hidden units with Q/K and V dimensions, and from hidden
units alone as far as they go. Judged on the whole validation split (`--judge N`: N photographs of it); calibration: 256
training images, whose labels only Taylor looks at.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from dimap_core import pipeline
from dimap_core.criteria import collect, criterion
from dimap_core.cut import masked_weights, repair
from dimap_core.data import balanced_subset
from dimap_core.measure import cost_report, evaluate, masked
from dimap_core.plan import select
from dimap_core.types import ASSETS, InvalidPlan, PruningPlan, Scores

from . import judging, measured
from .judging import Images
from .measured import share

FILE = ASSETS / "structured.json"
BUDGETS = (0.35, 0.5, 0.7)
IMAGES = 256
FAMILIES = {
    "random": ("random", "layer", 0.0),
    "magnitude (L2), uniform": ("magnitude", "layer", 0.0),
    "magnitude (L2)": ("magnitude", "module", 0.0),
    "DIMAP, structured": ("dimap", "module", 0.0),
    "Taylor": ("taylor", "module", 0.0),
    "Taylor per MAC, all kinds": ("taylor", "model", 1.0),
}
CUTS = {"units and dimensions": (), "units alone": (((None, "qk_dim"), 0.0), ((None, "v_dim"), 0.0))}
"""What goes: name -> ratios that are fixed."""
SUMMARY = {"DIMAP": "DIMAP, structured", "Taylor": "Taylor per MAC, all kinds"}


def read() -> list[dict[str, Any]]:
    """What was measured before."""
    return measured.read(FILE)


def measure(name: str, source: Images) -> Iterator[dict[str, Any]]:
    """All rows of one model."""
    opened = source.open(name)
    train, data = pipeline.training_data(opened), pipeline.default_data(opened)
    begun = time.perf_counter()
    *_, (_, _, statistics) = collect(opened.model, opened.info, train, opened.anatomy, IMAGES)
    spent = time.perf_counter() - begun
    images = train.images[balanced_subset(train.labels, IMAGES, 0)]
    rows: list[dict[str, Any]] = []
    for key, scope, exponent in FAMILIES.values():
        row = criterion(key)
        needed = statistics if row.needs > {"weights"} else None
        scores = row.fn(opened.model, opened.anatomy, "structure", needed, 0)
        for cut, fixed in CUTS.items():
            for budget in BUDGETS:
                plan = PruningPlan(key, "structure", scope, None, fixed, budget, cost_exponent=exponent)
                try:
                    rows += [{"cut": cut, **found} for found in both(opened, plan, scores, data, images)]
                except InvalidPlan as error:
                    print(f"{name}, {key}, {cut}: {error}", file=sys.stderr)
        print(f"{name}: {key} {scope} done", file=sys.stderr, flush=True)
    dense = accuracy(opened, data, {})
    yield {"model": name, "fingerprint": opened.info.fingerprint, "dense": dense, "statistics_s": round(spent, 2),
           "rows": rows}  # fmt: skip


def both(opened: Any, plan: PruningPlan, scores: Scores, data: Any, images: Any) -> Iterator[dict[str, Any]]:
    """The row of a plan without and with repair."""
    begun = time.perf_counter()
    selection = select(scores, opened.anatomy, plan)
    plain = masked_weights(opened.model, opened.anatomy, scores, selection)
    cut_s = time.perf_counter() - begun
    *_, (_, _, mended) = repair(opened.model, opened.info, opened.anatomy, scores, selection, images)
    spent = (cut_s, time.perf_counter() - begun)
    total = cost_report(opened.anatomy, selection).total
    for weights, repaired, seconds in zip((plain, mended), (False, True), spent, strict=True):
        yield {
            "criterion": plan.criterion, "scope": plan.scope, "cost_exponent": plan.cost_exponent,
            "budget": plan.budget, "macs_removed": round(1 - total.macs_after / total.macs, 4), "repaired": repaired,
            **accuracy(opened, data, weights), "surgery_s": round(seconds, 3),
        }  # fmt: skip


def accuracy(opened: Any, data: Any, weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Top-1 with its 95 % interval."""
    *_, (estimate, _) = evaluate(opened.model, opened.info, data, masked(opened.model, weights))
    return measured.top1(estimate)


def tables(results: Iterable[dict[str, Any]]) -> str:
    """Markdown: for each model criterion x budget, plain > repaired; the best repaired of each column in bold."""
    parts = []
    for result in results:
        dense, rows = result["dense"], result["rows"]
        slowest = max(row["surgery_s"] for row in rows if row["repaired"])
        parts.append(
            f"\n**`{result['model']}`**: dense {share(dense)} %, n = {dense['n']:,}; top-1 in %, plain > repaired; "
            f"statistics {result['statistics_s']:.1f} s, cut and repair at most {slowest:.1f} s\n"
        )
        parts += [table(rows, cut) + "\n" for cut in CUTS]
    return "\n".join(parts)


def summary(results: Iterable[dict[str, Any]]) -> str:
    """Markdown: one line a model, units and dimensions, of the families in SUMMARY."""
    columns = [(name, budget) for budget in BUDGETS for name in SUMMARY]
    lines = ["| plain > repaired | " + " | ".join(f"{name}, {100 * b:g} % of MACs" for name, b in columns) + " |"]
    lines.append("|---|" + "---|" * len(columns))
    for found in results:
        rows = [row for row in found["rows"] if row["cut"] == "units and dimensions"]
        cells = []
        for name, budget in columns:
            key = FAMILIES[SUMMARY[name]]
            cells.append(cell([r for r in rows if r["budget"] == budget], key).replace("**", ""))
        n, dense = found["dense"]["n"], share(found["dense"])
        lines.append(f"| `{found['model']}`, dense {dense}, n = {n:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table(rows: list[dict[str, Any]], cut: str) -> str:
    """One table; a cell is empty where hidden units alone cannot save that much."""
    lines = [f"| MACs removed, {cut} | scope | " + " | ".join(f"{100 * budget:g} %" for budget in BUDGETS) + " |"]
    lines.append("|---|---|" + "---|" * len(BUDGETS))
    for family, key in FAMILIES.items():
        cells = [cell([r for r in rows if r["cut"] == cut and r["budget"] == budget], key) for budget in BUDGETS]
        lines.append(f"| {family} | {key[1]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(rows: list[dict[str, Any]], key: tuple[str, str, float]) -> str:
    """Plain > repaired of one family among the rows of one column."""
    own = [row for row in rows if (row["criterion"], row["scope"], row["cost_exponent"]) == key]
    if not own:
        return "–"
    best = max(row["top1"] for row in rows if row["repaired"])
    plain, mended = sorted(own, key=lambda row: row["repaired"])
    text = f"**{share(mended)}**" if mended["top1"] == best else share(mended)
    return f"{share(plain)} > {text}"


def main() -> None:
    """Measure unless --tables, then print the tables."""
    names = judging.run(__doc__, FILE, measure)
    print(summary(read()))
    print(tables(found for found in read() if found["model"] in names))


if __name__ == "__main__":
    main()
