"""The command that judges a grid of cuts: `sweep`.

Next door: `commands` lists all of them, `studies.sweep` does the work.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ..pipeline import precision
from ..plan import validate
from ..studies import sweep
from ..types import DataError, check_place, duration
from . import console
from .console import Classes, Data, Images, Json, Limit, Model, Precision, Seed, Split, emit, open_judged, table


def sweep_command(
    model: Model,
    data: Data = None,
    split: Split = "",
    classes: Classes = None,
    criteria: Annotated[str, typer.Option(help="comma-separated")] = "dimap,magnitude",
    scopes: Annotated[str, typer.Option(help="comma-separated")] = "layer,module,model",
    ratios: Annotated[str, typer.Option(help="comma-separated shares")] = "0.5,0.7,0.8,0.85,0.9,0.95",
    cost_exponents: Annotated[str, typer.Option(help="comma-separated, 0 to 2")] = "0",
    granularity: Annotated[str, typer.Option(help="weight or structure")] = "weight",
    repair: Annotated[bool, typer.Option("--repair", help="refit what is left by least squares")] = False,
    images: Images = None,
    limit: Limit = None,
    seed: Seed = 0,
    given: Precision = "auto",
    out: Annotated[Path | None, typer.Option(help="also write the rows to this CSV file, as they come")] = None,
    as_json: Json = False,
) -> None:
    """Judge a grid of criteria, scopes and ratios."""
    grid = console.words(criteria), console.words(scopes), console.numbers(ratios), console.numbers(cost_exponents)
    fields: dict[str, Any] = {"granularity": granularity, "repair": repair, "seed": seed}
    fields |= {} if images is None else {"images": images}
    plans = [validate(plan) for plan in sweep.plans(*grid, **fields)]
    opened, judged = open_judged(model, data=data, limit=limit, split=split, classes=classes)
    rows: list[dict[str, Any]] = []
    if out is not None:
        check_place(out, DataError, "another file")  # better refused now than after the sweep
    for line in precision.prepare(opened, judged, given, limit, runs=1 + len(plans)):
        typer.echo(line, err=True)
    begun = time.monotonic()
    for row in sweep.run(opened, judged, plans, limit):
        rows.append(row)
        left = (time.monotonic() - begun) / len(rows) * (len(plans) - len(rows))
        typer.echo(f"{len(rows)}/{len(plans)}, about {duration(left)} left", err=True)
        if out is not None:
            sweep.write_csv(rows, out)
    console.told_doubt(opened, judged, limit)
    columns = ("criterion", "scope", "cost_exponent", "ratio", "n", "top1", "params_removed", "macs_removed", "error")
    emit({"rows": rows}, as_json, table([{key: row.get(key, "") for key in columns} for row in rows]))
