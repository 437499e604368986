"""`python -m dimap_core reproduce ...`: what papers print beside what is counted and measured here.

Next door: `models.published` holds the figures, `studies.published_counts` and `studies.dimap_table3` do the work,
`cli` mounts these commands.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ..models import PUBLICATIONS, publication
from ..studies import dimap_table3 as table3, published_counts
from ..types import DataError, user_home, whole_file
from .console import bring, emit, table

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Published counts and accuracies, beside our own.",
)  # fmt: skip

_MEANINGLESS = "random weights: accuracy means nothing, this run only shows that the mechanics work"
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]


@app.command()
def counts(as_json: Json = False) -> None:
    """Every published count of params and MACs that is known here; exits 0 only if all are met or differ as noted."""
    rows = [_count(key, figure, value) for key in PUBLICATIONS for figure, value in published_counts.rows(key)]
    unchecked = [
        {"paper": key, "model": model, "printed": printed, "why": publication(key).content["unchecked"]["why"]}
        for key in PUBLICATIONS
        for model, printed in publication(key).content.get("unchecked", {}).get("models", {}).items()
    ]
    wrong = [row for row in rows if not row["ok"]]
    noted = sum(row["ok"] and not row["as_printed"] for row in rows)
    result = {"ok": not wrong, "checked": len(rows), "noted": noted, "rows": rows, "unchecked": unchecked}
    emit(result, as_json, _counts_text(result))
    if wrong:
        raise typer.Exit(2)


def _count(key: str, figure: Any, value: float) -> dict[str, Any]:
    """One figure and our count of it, in the same unit."""
    ours = figure.rounded(value)
    return {
        "paper": f"arXiv {publication(key).arxiv}", "where": figure.where, "by": figure.by, "model": figure.model,
        "what": figure.what, "published": float(figure.printed), "ours": float(ours), "exact": value,
        "difference": round(float(ours) - float(figure.printed), 6), "as_printed": ours == figure.printed,
        "ok": figure.agrees(value), "remark": figure.remark,
    }  # fmt: skip


def _counts_text(result: dict[str, Any]) -> str:
    """One line a figure, with what the notes say of those that differ."""
    shown, remarks = [], list[str]()
    for row in result["rows"]:
        sign = "ok" if row["as_printed"] else "noted" if row["ok"] else "WRONG"
        if row["remark"] and row["remark"] not in remarks:
            remarks.append(row["remark"])
        mark = f"[{remarks.index(row['remark']) + 1}]" if row["remark"] else ""
        shown.append(
            {"model": row["model"], "what": row["what"], "by": row["by"], "published": f"{row['published']:,.10g}",
             "ours": f"{row['ours']:,.10g}", "difference": f"{row['difference']:+,.10g}" if row["difference"] else "0",
             "": f"{sign}{mark}"}
        )  # fmt: skip
    lines = [table(shown), "", *(f"[{number}] {remark}" for number, remark in enumerate(remarks, 1))]
    lines += [f"not checked: {row['model']} ({row['why']})" for row in result["unchecked"]]
    wrong = sum(not row["ok"] for row in result["rows"])
    verdict = f"{wrong} are not met." if wrong else "All others are met."
    return "\n".join([*lines, f"{result['checked']} figures, {result['noted']} differ as noted. {verdict}"])


@app.command("dimap-table3")
def dimap_table3(
    imagenet: Annotated[Path, typer.Option(help="folder of ImageNet's validation images, a sub-folder a class")],
    models: Annotated[str, typer.Option(help="comma-separated")] = ",".join(table3.MODELS),
    limit: Annotated[
        int | None, typer.Option(min=1, help="judge only the first LIMIT images of the stratified order")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="also write the result to this JSON file; its .jsonl keeps steps")
    ] = None,
    weights: Annotated[str, typer.Option(help="pretrained, or random to test the mechanics")] = "pretrained",
    as_json: Json = False,
) -> None:
    """DIMAP's one-shot table beside what is measured; a second run continues where the first one stopped."""
    if not imagenet.is_dir():
        raise DataError(f"'{imagenet}' is not a folder; give the one that holds a sub-folder for each class.")
    columns = [table3.points(name.strip()) for name in models.split(",") if name.strip()]
    journal = table3.Journal(out.with_suffix(".jsonl") if out else _cache(imagenet))
    typer.echo(f"steps are kept in {journal.path}", err=True)
    if weights == "random":
        typer.echo(_MEANINGLESS, err=True)
    for column in columns:
        bring(table3.MODELS[column[0].model], weights)
    rows = []
    for doing, row in table3.run(columns, f"folder:{imagenet}", journal, weights, limit):
        typer.echo(doing, err=True)
        rows += [row] if row else []
    paper = publication("dimap")
    result = {
        "paper": paper.paper, "table": paper.content["table3"]["where"], "weights": weights,
        "note": _MEANINGLESS if weights == "random" else "", "rows": rows,
    }  # fmt: skip
    if out is not None:
        _write(out, result)
    emit(result, as_json, _table3_text(result))


def _table3_text(result: dict[str, Any]) -> str:
    shown = [
        {"model": row["model"], "method": row["method"], "params removed": f"{row['params_removed']:.1%}",
         "MACs removed": f"{row['macs_removed']:.1%}", "paper": f"{row['published']:.2f}", "here": f"{row['top1']:.2f}",
         "95 % interval": "{:.2f} to {:.2f}".format(*row["ci95"]), "n": row["n"]}
        for row in result["rows"]
    ]  # fmt: skip
    note = f"\n{result['note']}" if result["note"] else ""
    return f"{table(shown)}\ntop-1 in %, one shot, no fine-tuning; paper: {result['table']}, 50,000 images{note}"


def _cache(imagenet: Path) -> Path:
    """Where the steps lie without --out: in the user's cache, by folder of images."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or user_home() / ".cache")
    name = hashlib.sha256(str(imagenet.resolve()).encode()).hexdigest()[:16]
    return base / "dimap-explorer" / f"table3-{name}.jsonl"


def _write(path: Path, result: dict[str, Any]) -> None:
    with whole_file(path, DataError) as part:
        part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
