"""Every criterion on all bundled models: which of those that read training images earn them? The tables of RESULTS.md.

    python -m benchmarks.criteria [MODEL ...] [--photos FOLDER [--judge N]]
                                                measure, write assets/criteria.json, print the tables
    python -m benchmarks.criteria --tables      print the tables from what was measured before

Structures: 35, 50 and 70 % of the MACs removed, plain and repaired, once with all kinds in one ranking per MAC (scope
model, cost exponent 1) and once within each kind (scope module, exponent 0), the same for every criterion. Single
weights: 70, 80 and 90 % of them removed, each layer alone and within modules, 90 % repaired, too. 256 training images
for whatever reads any; no fine-tuning. Rows of the same weights, judged by as many images, are not measured again.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from typing import Any

from scipy.stats import spearmanr

from dimap_core import pipeline
from dimap_core.criteria import CRITERIA
from dimap_core.types import ASSETS, InvalidPlan, PruningPlan

from . import judging, measured
from .judging import Images
from .measured import share

FILE = ASSETS / "criteria.json"
BUDGETS, RATIOS, REPAIRED = (0.35, 0.5, 0.7), (0.7, 0.8, 0.9), (0.9,)
"""Shares of MACs and of single weights; those of single weights that are repaired, too."""
GROUPS = {"model": 1.0, "module": 0.0}  # scope -> cost exponent
WEIGHTS = {"layer": "each layer alone", "module": "within modules"}
FIRST = 4
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
            for repair in ways(ratio):
                yield PruningPlan(key, "weight", scope, ratio, repair=repair)  # type: ignore[arg-type]


def ways(ratio: float) -> tuple[bool, ...]:
    """Repaired or not, as zeros are tried at that ratio."""
    return (False, True) if ratio in REPAIRED else (False,)


def measure(name: str, images: Images) -> Iterator[dict[str, Any]]:
    """After each criterion all rows of one model, and the CPU seconds that reading images took."""
    opened = images.open(name)
    data = pipeline.default_data(opened)
    same = opened.info.fingerprint, len(data)
    old = next((found for found in read() if (found["fingerprint"], found["dense"]["n"]) == same), {})
    rows, spent = list(old.get("rows", [])), dict(old.get("read_cpu_s", {}))
    known = {(row["criterion"], *(row[key] for key in CELL)) for row in rows}
    dense = judged(opened, data, None)
    for info in CRITERIA:
        for plan in plans(info.key, info.scores):
            place = dict(zip(CELL, (plan.granularity, plan.scope, plan.budget or plan.ratio, plan.repair), strict=True))
            if (info.key, *place.values()) in known:
                continue
            begun = time.process_time()
            if list(pipeline.prepare_scores(opened, plan)):
                spent[info.evidence] = round(time.process_time() - begun, 1)
            try:
                found = judged(opened, data, plan)
            except InvalidPlan as error:
                print(f"{name}, {info.key}, {plan.scope}: {error}", file=sys.stderr)
                continue
            rows.append({"criterion": info.key, **place, **found})
        print(f"{name}: {info.key} done", file=sys.stderr, flush=True)
        told = {"model": name, "fingerprint": opened.info.fingerprint, "dense": dense}
        yield {**told, "read_cpu_s": spent, "rows": rows}


def judged(opened: pipeline.Opened, data: Any, plan: PruningPlan | None) -> dict[str, Any]:
    """Top-1 with its 95 % interval on all images that judge."""
    *_, estimate = pipeline.judge(opened, data, plan)
    return measured.top1(estimate)


def tables(results: list[dict[str, Any]]) -> str:
    """Markdown: the orders, then four tables a model: criteria in rows, what is removed in columns; the best of each
    column in bold."""
    return "\n\n".join([orders(results), *("\n\n".join(_of_model(found)) for found in results)])


def orders(results: list[dict[str, Any]]) -> str:
    """Which criteria come first at the deepest cuts, as published and with repair, and how far both orders agree."""
    header = ["model", "removed", "as published (no repair)", "with repair", "Spearman's ρ of all, n"]
    groups = [("structure", scope, BUDGETS[-1], f"of MACs, {title}") for scope, title in TITLES.items()]
    groups += [("weight", scope, RATIOS[-1], f"of weights, {title}") for scope, title in WEIGHTS.items()]
    rows = [
        [f"`{found['model']}`", f"{100 * group[2]:g} % {group[3]}", *_order(found, group[:3])]
        for found, group in itertools.product(results, groups)
        if any(row["repaired"] for row in found["rows"] if tuple(row[key] for key in CELL[:3]) == group[:3])
    ]
    return measured.table(header, rows)


def _order(found: dict[str, Any], group: tuple[str, str, float]) -> tuple[str, ...]:
    """The first `FIRST` criteria in both orders, with their top-1 in %; ρ over all that were measured both ways."""
    at = {(row["criterion"], *(row[key] for key in CELL)): row["top1"] for row in found["rows"]}
    both = [info for info in CRITERIA if all((info.key, *group, way) in at for way in (False, True))]
    plain, mended = ({info.label: at[info.key, *group, way] for info in both} for way in (False, True))
    first = (
        "; ".join(f"{label} {100 * of[label]:.1f}" for label in sorted(of, key=lambda key: -of[key])[:FIRST])
        for of in (plain, mended)
    )
    return *first, f"{spearmanr(list(plain.values()), list(mended.values())).statistic:.2f}, {len(both)}"


def _of_model(found: dict[str, Any]) -> Iterator[str]:
    dense = found["dense"]
    told = f"dense {share(dense)} %, n = {dense['n']:,}; top-1 in %"
    yield f"<details><summary><b>{found['model']}</b>, {told}</summary>"
    for scope, title in TITLES.items():
        pairs = [[("structure", scope, budget, repaired) for repaired in (False, True)] for budget in BUDGETS]
        yield _table(f"MACs removed as structures, {title}: as published > repaired", found, BUDGETS, pairs)
    for scope, title in WEIGHTS.items():
        pairs = [[("weight", scope, ratio, repaired) for repaired in ways(ratio)] for ratio in RATIOS]
        yield _table(f"single weights removed, {title}: as published > repaired", found, RATIOS, pairs)
    yield "</details>"


def _table(head: str, found: dict[str, Any], columns: tuple[float, ...], cells: list[list[tuple]]) -> str:
    """`cells`: a column's (granularity, scope, removed, repaired); those that nobody measured are left out."""
    at = {(row["criterion"], *(row[key] for key in CELL)): row for row in found["rows"]}
    cells = [[cell for cell in column if any(key[1:] == cell for key in at)] for column in cells]
    lines = [f"| {head} | " + " | ".join(f"{100 * removed:g} %" for removed in columns) + " |"]
    lines.append("|---|" + "---|" * len(columns))
    shown = itertools.chain.from_iterable(cells)
    best = {cell: max((row["top1"] for key, row in at.items() if key[1:] == cell), default=0) for cell in shown}
    for info in CRITERIA:
        texts = [" > ".join(_text(at.get((info.key, *cell)), best[cell]) for cell in column) for column in cells]
        if any(key[0] == info.key and key[1] == cells[0][0][0] for key in at):
            lines.append(f"| {info.label}{' (reads images)' * info.reads_images} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def _text(row: dict[str, Any] | None, best: float) -> str:
    if row is None:
        return "–"  # it would empty a layer
    return f"**{share(row)}**" if row["top1"] == best else share(row)


def main() -> None:
    """Measure unless --tables, then print the tables. What a criterion brought is kept at once."""
    judging.run(__doc__, FILE, measure)
    print(tables(read()))


if __name__ == "__main__":
    main()
