"""Writes benchmarks/RESULTS.md, and the measured lines of the README, from what is stored.

    python -m benchmarks.results

Nothing is measured here and no figure is typed here: tables come from `results/*.json` or, where the app reads the same
rows, from assets. A test fails when one of the two documents is out of date.
Next door: `measured` keeps what the benchmarks find.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from dimap_core.models import BUNDLED, PUBLICATIONS, bundled_card, publication
from dimap_core.training import comparison
from dimap_core.types import ASSETS

from . import apma, bars, criteria, methods, nvit, oneshot, spvit, structured
from .measured import Result, stored, table

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
DOCUMENT = ROOT / "benchmarks" / "RESULTS.md"
CHAPTERS = {
    "The models": ("models",),
    "Accuracy after a cut": (
        "oneshot",
        "refit",
        "find",
        "structured",
        "peers_accuracy",
        "criteria",
        "foretold",
        "allocated",
    ),
    "Whole papers": ("methods", "nvit", "latency_table", "spvit", "apma", "reproduce"),
    "Speed": ("live", "peers", "peers_structured", "streaming", "screen", "speed", "evidence", "threads"),
    "Many visitors, large models": (
        "load",
        "load_lesson",
        "load_cold",
        "load_memory",
        "images",
        "imagenet_path",
        "large",
        "refit_large",
        "shared_studies",
        "sessions",
    ),
    "Out of one machine": ("cluster", "cluster_learners"),
}
INTRODUCTION = """# Results

Written by `python -m benchmarks.results` from what is stored in `benchmarks/results/` and `assets/`; do not edit.
[What each benchmark does](README.md). Top-1 is in % on images that no training saw; "not recorded" is what nobody wrote
down. Days of 2026-11-21 are those on which the rows were committed.
"""
_BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def document() -> str:
    """RESULTS.md."""
    contents, parts = [], []
    for chapter, names in CHAPTERS.items():
        found = {name: stored(name) for name in names}
        contents.append(f"- {chapter}: " + " · ".join(f"[{r.title}](#{_anchor(r.title)})" for r in found.values()))
        parts += [f"## {chapter}", *(_section(name, result) for name, result in found.items())]
    return "\n\n".join([INTRODUCTION + "\n" + "\n".join(contents), *parts]) + "\n"


def readme(text: str) -> str:
    """The README with its measured lines, between "<!-- measured: NAME -->" and "<!-- end -->", as they should be."""
    return _BLOCK.sub(lambda block: block[1] + BLOCKS[block[2]]() + "\n" + block[3], text)


def _section(name: str, result: Result) -> str:
    """A heading, how it was measured, the tables, what they say."""
    command = result.command if result.command.startswith("not") else f"`{result.command}`"
    how = f"Load: {result.load}. n: {result.n}. Interval: {result.interval}."
    runs = [f"*{command}; {result.date}; {result.machine}. {how}*"]
    runs += [
        f"*`{name}`: `{run['command']}`; {run['date']}; {run['machine']}. Load: {run['load']}. n: {run['n']}.*"
        for name, run in result.photos.items()
    ]
    readings = [result.reading, *(run["reading"] for run in result.photos.values())]
    tables = table(result.columns, result.rows) if result.rows else FROM_ASSETS[name]()
    goals = bars.told(result) if name == "find" else ""
    parts = (f"### {result.title}", result.note, *runs, goals, tables, *readings)
    return "\n\n".join(part for part in parts if part)


def _anchor(title: str) -> str:
    """The fragment that a heading gets."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


# --- tables whose rows lie under assets -------------------------------------------------------------------------------


def _models() -> str:
    """The bundled models by their cards, as far as they are trained."""
    rows, judged = [], []
    for spec in (spec for spec in BUNDLED if (ASSETS / f"{spec.name}.safetensors").exists()):
        card = bundled_card(spec)
        low, high = (100 * end for end in card["ci95"])
        cues = "".join(f", {cue} {100 * value:.1f}" for cue, value in card["cues"].items() if cue != "joint")
        size = (ASSETS / f"{spec.name}.safetensors").stat().st_size
        top1 = f"{100 * card['top1']:.1f} % ({low:.1f} to {high:.1f}, n = {card['n']:,}){cues}"
        rows.append([
            f"`{spec.name}`", spec.data, top1,
            f"{card['params'] / 1e6:.2f} M", f"{card['macs'] / 1e6:.1f} M", f"{size / 1e6:.1f} MB",
            f"{card['seconds'] / 60:.0f} min",
        ])  # fmt: skip
        if "judged" in card:
            judged.append(f"`{spec.name}` was judged on {card['judged']}; `{card['command']}` on {card['device']}.")
    found = table(["model", "data", "top-1 (95 % interval, n)", "params", "MACs", "file", "trained in"], rows)
    return "\n\n".join([found, *judged])


def _oneshot() -> list[dict]:
    return oneshot.read(spec.name for spec in BUNDLED)


def _kept(name: str) -> list[dict]:
    return json.loads((ASSETS / f"{name}.json").read_text("utf-8"))


FROM_ASSETS: Mapping[str, Callable[[], str]] = {
    "models": _models,
    "oneshot": lambda: f"{oneshot.summary(_oneshot())}\n{oneshot.tables(_oneshot())}",
    "structured": lambda: f"{structured.summary(structured.read())}\n{structured.tables(structured.read())}".rstrip(),
    "criteria": lambda: criteria.tables(criteria.read()),
    "methods": lambda: methods.tables(comparison.read()),
    "nvit": lambda: nvit.table(_kept("nvit")),
    "spvit": lambda: spvit.table(_kept("spvit")),
    "apma": lambda: apma.table(_kept("apma")),
}


# --- the README's measured lines --------------------------------------------------------------------------------------


def _cell(name: str, row: str, column: str) -> str:
    """One stored cell, by the first cell of its row and its column's title."""
    result = stored(name)
    rows = {cells[0]: dict(zip(result.columns, cells, strict=True)) for cells in result.rows}
    return rows[row][column]


def _days(name: str) -> str:
    """When its rows were measured."""
    result = stored(name)
    return " and ".join(sorted({result.date, *(run["date"] for run in result.photos.values())}))


def _fast() -> str:
    """How fast, each figure a stored cell."""
    swin = [_cell("screen", row, "`swin-textured`") for row in ("counts", "first accuracy", "all images")]
    many = [_cell("load", "counts", column) for column in ("p50", "p95")]
    large = ("`swin_base_patch4_window7_224`", "`deit_base_patch16_224`")
    cut = [_cell("speed", name, "16 images") for name in large]
    days = " and ".join(sorted({stored(name).date for name in ("screen", "load", "speed")}))
    return "\n".join([
        f"- On screen, `swin-textured`: from a key to new counts {swin[0]}, to the first accuracy {swin[1]}, to all",
        f"  images {swin[2]}; medians (largest).",
        f"- Sessions at once (`{stored('load').command}`): counts after {many[0]} (p50), {many[1]} (p95).",
        f"- {stored('speed').columns[0]}, 16 images, dense / sliced: Swin-B {cut[0]},",
        f"  DeiT-B {cut[1]}.",
        f"- Measured on {days}: {stored('speed').machine.partition(';')[0]}; load and the rest in RESULTS.md.",
    ])  # fmt: skip


def _faithful() -> str:
    """How many published figures are recounted, and how many differ."""
    figures = [figure for key in PUBLICATIONS for figure in publication(key).figures]
    differ = sum(bool(figure.ours) for figure in figures)
    told = f"{len(figures)} published figures of params and MACs; {differ} differ, each with a note on why."
    return f"`reproduce counts` recounts {told}"


BLOCKS: Mapping[str, Callable[[], str]] = {
    "summary": lambda: f"{oneshot.summary(_oneshot())}\n\nMeasured on {_days('oneshot')}.",
    "fast": _fast,
    "faithful": _faithful,
}


def main() -> None:
    """Write both documents."""
    DOCUMENT.write_text(document(), encoding="utf-8")
    README.write_text(readme(README.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
