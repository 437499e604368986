"""One-shot accuracy of all bundled models: the tables of RESULTS.md, the README's, and the app's precomputed curves.

    python -m benchmarks.oneshot [MODEL ...] [--photos FOLDER [--judge N]]
                                            measure, write assets/curves/*.json and the tables to stdout
    python -m benchmarks.oneshot --tables   print the tables from what was measured before

Grid: {dimap, magnitude} x {layer, module, model} x cost exponent {0, 1}, at equal parameters (ratios) and at equal MACs
(budgets). Every row is judged on the whole validation split, or as many photographs as `--judge` says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace

import torch

from dimap_core import pipeline
from dimap_core.models import BUNDLED
from dimap_core.studies import sweep
from dimap_core.types import ASSETS, InvalidPlan

from . import maps
from .judging import Images, asked, command_line
from .measured import command, percent, share, store

CURVES = ASSETS / "curves"
RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)
TABLE_RATIOS = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95)
BUDGETS = (0.5, 0.7, 0.8, 0.85)
FAMILIES = {
    "uniform magnitude (each layer)": ("magnitude", "layer", 0.0),
    "magnitude, module": ("magnitude", "module", 0.0),
    "global magnitude (whole model)": ("magnitude", "model", 0.0),
    "**DIMAP** (module)": ("dimap", "module", 0.0),
    "DIMAP's score, whole model (LAMP)": ("dimap", "model", 0.0),
    "cost-aware DIMAP (module, exponent 1)": ("dimap", "module", 1.0),
    "cost-aware, whole model (exponent 1)": ("dimap", "model", 1.0),
}
SUMMARY = {"DIMAP": ("dimap", "module", 0.0), "uniform": ("magnitude", "layer", 0.0)}


def measure(name: str, images: Images) -> dict:
    """All rows of one model; written to assets/curves."""
    opened = images.open(name)
    data = pipeline.default_data(opened)
    dense = pipeline.judge_fully(opened, data)
    grid = sweep.plans(("dimap", "magnitude"), ("layer", "module", "model"), RATIOS, (0.0, 1.0))
    families = {(p.criterion, p.scope, p.cost_exponent): p for p in grid}.values()
    budgets = [replace(plan, ratio=None, budget=share) for plan in families for share in BUDGETS]
    rows = []
    for plan in [*grid, *budgets]:
        try:
            rows.append(sweep.measure(opened, data, plan).full_row())
        except InvalidPlan as error:
            print(f"{name}: {error}", file=sys.stderr)
        print(f"{name}: {len(rows)} of {len(grid) + len(budgets)}", file=sys.stderr, flush=True)
    return {
        "model": name,
        "fingerprint": opened.info.fingerprint,
        "command": command(),
        "dense": asdict(dense),
        "rows": rows,
    }


def summary(measured: Iterable[dict]) -> str:
    """One markdown row a model: dense, then DIMAP against uniform magnitude at three ratios and two MAC budgets."""
    columns = {"50 % of weights": ("ratio", 0.5), "70 %": ("ratio", 0.7), "90 %": ("ratio", 0.9)}
    columns |= {"50 % of MACs": ("budget", 0.5), "70 % of MACs": ("budget", 0.7)}
    lines = [
        "| DIMAP / uniform, removed: | n | dense | " + " | ".join(columns) + " |",
        "|---|---|---|" + "---|" * len(columns),
    ]
    for result in measured:
        dense = result["dense"]["cues"]["joint"]
        cells = []
        for column in columns.values():
            pair = [_find(result["rows"], key, column) for key in SUMMARY.values()]
            cells.append(" / ".join(share(row) for row in pair if row))
        first = percent(dense["correct"] / dense["n"], (dense["low"], dense["high"]))
        lines.append(f"| `{result['model']}` | {dense['n']:,} | {first} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def tables(measured: Iterable[dict]) -> str:
    """Markdown: one table a model at equal parameters, one at equal MACs; best of each column in bold."""
    parts = []
    for result in measured:
        dense, rows = result["dense"]["cues"]["joint"], result["rows"]
        first = percent(dense["correct"] / dense["n"], (dense["low"], dense["high"]))
        cues = " (digit/texture)" if len(result["dense"]["cues"]) > 1 else ""
        parts.append(f"\n**`{result['model']}`**: dense {first} %, n = {dense['n']:,}; top-1 in %{cues}\n")
        by_ratio = {f"{100 * r:g} %": ("ratio", r) for r in TABLE_RATIOS}
        by_macs = {f"{100 * b:g} %": ("budget", b) for b in BUDGETS}
        parts += [_table(rows, "prunable weights removed", by_ratio), "", _table(rows, "MACs removed", by_macs)]
    return "\n".join(parts)


def _table(rows: list[dict], title: str, columns: dict[str, tuple[str, float]]) -> str:
    found = {family: [_find(rows, key, column) for column in columns.values()] for family, key in FAMILIES.items()}
    best = [max((cells[i]["top1"] for cells in found.values() if cells[i]), default=0) for i in range(len(columns))]
    lines = [f"| {title} | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for family, cells in found.items():
        lines.append(f"| {family} | " + " | ".join(_cell(c, b) for c, b in zip(cells, best, strict=True)) + " |")
    return "\n".join(lines)


def _find(rows: list[dict], key: tuple[str, str, float], column: tuple[str, float]) -> dict | None:
    for row in rows:
        exponent = row["cost_exponent"]
        wanted = row["budget"] == column[1] if column[0] == "budget" else row["budget"] is None
        at = column[0] == "budget" or row["ratio"] == column[1]
        if (row["criterion"], row["scope"], exponent) == key and wanted and at:
            return row
    return None


def _cell(row: dict | None, best: float) -> str:
    if row is None:
        return "–"
    cues = "/".join(f"{100 * value:.0f}" for value in row["cues"].values())
    text = share(row) + (f" ({cues})" if cues else "")
    return f"**{text}**" if row["top1"] == best else text


def read(names: Iterable[str]) -> list[dict]:
    """What was measured before; models of which nothing was are left out."""
    files = [CURVES / f"{name}.json" for name in names]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]


def main() -> None:
    """Measure unless --tables, then print the tables."""
    parser = command_line(__doc__, [spec.name for spec in BUNDLED])
    parser.add_argument("--tables", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    CURVES.mkdir(exist_ok=True)
    names, images = ([], Images()) if arguments.tables else asked(arguments)
    for name in names:
        (CURVES / f"{name}.json").write_text(json.dumps(measure(name, images)) + "\n", encoding="utf-8")
        maps.write([name])
        store("oneshot", model=name, photos=images.told(name))
    measured = read(arguments.models)
    print(summary(measured))
    print(tables(measured))


if __name__ == "__main__":
    main()
