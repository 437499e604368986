"""The command that finds the best cut for a budget: `find`.

Next door: `commands` lists all of them, `studies.find` does the work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..models import checkpoints
from ..studies import find as finding
from ..types import InvalidPlan
from .console import Classes, Data, Images, Json, Model, Seed, Split, emit, open_judged, told_doubt


def find(
    model: Model,
    out: Annotated[Path | None, typer.Option(help="directory for the checkpoint that is found")] = None,
    budget_macs: Annotated[float | None, typer.Option(help="share of all MACs to remove")] = None,
    budget_params: Annotated[float | None, typer.Option(help="share of all params to remove")] = None,
    budget_latency: Annotated[float | None, typer.Option(help="share of this device's latency to remove")] = None,
    keep_top1: Annotated[float | None, typer.Option(help="accuracy to keep, with as few MACs as can be")] = None,
    granularity: Annotated[str, typer.Option(help="structure (default) or weight")] = "structure",
    seconds: Annotated[float, typer.Option(min=0, help="local search after the choice; default: none")] = 0.0,
    data: Data = None,
    split: Split = "",
    classes: Classes = None,
    images: Images = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Find the best cut for a budget: chosen on training images held apart, judged once on validation images."""
    budgets = {"macs": budget_macs, "params": budget_params, "latency": budget_latency}
    given = {kind: share for kind, share in budgets.items() if share is not None}
    if len(given) > 1:
        raise InvalidPlan("A search has one target; give one budget.")
    ((kind, share),) = given.items() or {"macs": None}.items()
    read = finding.Wanted.images if images is None else images
    wanted = finding.Wanted(granularity, share, kind, keep_top1, seconds, read, seed).checked()  # type: ignore[arg-type]
    if out is not None:
        checkpoints.check_writable(out)
    opened, judged = open_judged(model, data=data, split=split, classes=classes)
    result: dict[str, Any] = {}
    doing = ""
    front = finding.BUDGETS if as_json or keep_top1 is not None else ()  # what is printed doesn't show it
    for event in finding.find(opened, wanted, out, front):
        if event.get("doing", doing) != doing:
            doing = event["doing"]
            typer.echo(f"{doing} ...", err=True)
        result = event.get("result", result)
    told_doubt(opened, judged)
    emit({**result, "out": result.get("out")}, as_json, _text(result))


def _text(result: dict[str, Any]) -> str:
    rule, paired, chosen = result["best_rule"], result["paired"], result["chosen_on"]
    low, high = result["ci95"]
    what = "a fixed rule" if result["rule"] else "a cut by reconstruction"
    lines = [
        f"Found {what}: {_named(result['plan'])}; removed {result['macs_removed']:.1%} of the MACs and "
        f"{result['params_removed']:.1%} of the params; top-1 {result['top1']:.1%} ({low:.1%} to {high:.1%}, "
        f"n = {result['n']}).",
        f"Best fixed rule: {_named(rule['plan'])}; top-1 {rule['top1']:.1%}; difference "
        f"{100 * paired['value']:+.1f} points ({100 * paired['low']:+.1f} to {100 * paired['high']:+.1f} at "
        f"{paired['confidence']:.1%} for {result['looks']} looks): {_verdict(paired)}.",
        f"Chosen on {chosen['n']} training images held apart from the {chosen['read']} that scores and repair read; "
        f"{result['trials']} cuts tried in {result['seconds']:.0f} s.",
    ]
    if "latency_removed" in result:
        lines.append(f"Measured here, it removes {result['latency_removed']:.0%} of the latency.")
    if search := result.get("search"):
        won = "and it gained beyond chance" if search["gained"] else "and gained nothing beyond chance"
        lines.append(f"Local search tried {search['tries']} cuts more, {won}.")
    return "\n".join([*lines, *filter(None, [chosen["risk"], result.get("out")])])


def _named(recipe: dict[str, Any]) -> str:
    return f"{recipe['criterion']} over {recipe['scope']}, cost exponent {recipe.get('cost_exponent', 0):g}"


def _verdict(paired: dict[str, float]) -> str:
    if paired["low"] > 0:
        return "beyond chance"
    return "worse beyond chance" if paired["high"] < 0 else "no difference beyond chance"
