"""The command line: `python -m dimap_core COMMAND ... [--json]`.

With --json one JSON object goes to stdout and everything else to stderr. Exit 0, or 2 with one sentence on stderr.
Next door: `pipeline` does the work, `pipeline.results` builds the objects printed here.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from .. import pipeline
from ..criteria import CRITERIA
from ..models import BUNDLED, NOTE, bundled_card, in_a_line, presets, read_as
from ..pipeline import precision, results
from ..plan import BUDGETS, VERSION, from_recipe, reading
from ..types import InvalidPlan, PruningError, PruningPlan, sentence
from . import console, export, find, report, reproduce, search, studies, sweep, train
from .console import (
    Classes,
    Data,
    Images,
    Json,
    Limit,
    Model,
    Precision,
    Seed,
    Split,
    Weights,
    emit,
    open_judged,
    table,
)  # fmt: skip
from .fetch import fetch

_CRITERIA = "dimap (default), " + ", ".join(info.key for info in CRITERIA if info.key != "dimap")
_CRITERIA += ", or a formula as 'formula:w / layer_mean'"
_BY_CELL = {"stage-ratio": "stages", "kind-ratio": "kinds"}  # options of CELL=RATIO, by their key in a recipe

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True)
app.add_typer(reproduce.app, name="reproduce")
app.command()(fetch)
app.command()(export.export)
app.command()(find.find)
app.command("sweep")(sweep.sweep_command)
app.command()(report.report)
app.command()(studies.study)
app.command()(studies.work)
app.command()(train.train)
app.command()(train.recover)
app.add_typer(search.app, name="search")


def main() -> None:
    """Run the command line; user errors become one sentence on stderr and exit code 2."""
    try:
        with pipeline.cluster.judging():
            code = app(standalone_mode=False) or 0
        sys.exit(code)
    except typer.TyperException as error:
        message = error.format_message()
    except PruningError as error:
        message = str(error)
    except typer.Abort:
        message = "Interrupted."
    except OSError as error:
        # The process ends here: what no command foresaw of the disk (or of where stdout goes) is no reason for a trace.
        message = sentence(error.filename or "output", error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left unwritten would fail once more
    typer.echo(message, err=True)
    sys.exit(2)


@app.command()
def models(as_json: Json = False) -> None:
    """List the bundled models with their size and accuracy."""
    keys = ("name", "family", "data", "params", "macs", "top1", "n")
    rows = [{key: card[key] for key in keys} for card in map(bundled_card, BUNDLED)]
    emit({"bundled": rows}, as_json, table(rows))


@app.command()
def describe(model: Model, weights: Weights = "pretrained", seed: Seed = 0, as_json: Json = False) -> None:
    """Params and MACs by stage and module."""
    console.bring(model, weights)
    opened = pipeline.open_model(model, weights, seed)
    result = results.describe(opened.info, opened.anatomy, pipeline.dense_cost(opened))
    result |= results.counted(opened.model, opened.anatomy, opened.info.zeroed)
    rows = [{"stage": _stage(row["stage"]), "params": row["params"], "macs": row["macs"]} for row in result["stages"]]
    note = f"{NOTE}\n" if model in presets() else f"{in_a_line(opened.info, opened.anatomy)}\n"
    size = f"{result['params']:,} params, {result['macs']:,} MACs"
    if "params_nonzero" in result:
        size += f"; not zero: {result['params_nonzero']:,} params, {result['macs_nonzero']:,} MACs"
    note += "".join(f"{line}\n" for line in opened.info.notes)
    emit(result, as_json, f"{model}: {size}\n{note}" + table(rows))


@app.command()
def prune(
    model: Model,
    criterion: Annotated[str | None, typer.Option(help=_CRITERIA)] = None,
    granularity: Annotated[str | None, typer.Option(help="weight (default), structure, nm")] = None,
    scope: Annotated[str | None, typer.Option(help="layer, stage-module, module (default), model")] = None,
    ratio: Annotated[float | None, typer.Option(help="share of prunable weights to remove, 0 to below 1")] = None,
    stage_ratio: Annotated[list[str] | None, typer.Option(help="0=0.2, or 0:MLP-M=0.2; repeatable")] = None,
    budget_macs: Annotated[float | None, typer.Option(help="share of all MACs to remove")] = None,
    budget_params: Annotated[float | None, typer.Option(help="share of all params to remove")] = None,
    budget_latency: Annotated[float | None, typer.Option(help="share of this device's latency to remove")] = None,
    kind_ratio: Annotated[list[str] | None, typer.Option(help="mlp_neuron=0.5 or head, qk_dim, v_dim")] = None,
    cost_exponent: Annotated[float | None, typer.Option(help="0 = as published .. 1 = pay per MAC")] = None,
    nm: Annotated[str | None, typer.Option(help="2:4 or 4:8; sets the granularity")] = None,
    round_to: Annotated[int | None, typer.Option(help="keep structures in multiples of this")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="refit what is left by least squares")] = False,
    images: Images = None,
    recipe: Annotated[Path | None, typer.Option(help="recipe JSON; excludes the options above")] = None,
    data: Data = None,
    split: Split = "",
    classes: Classes = None,
    limit: Limit = None,
    weights: Weights = "pretrained",
    seed: Annotated[int | None, typer.Option(min=0, help="seed of random weights and random scores (0)")] = None,
    out: Annotated[Path | None, typer.Option(help="directory for the pruned checkpoint")] = None,
    as_json: Json = False,
) -> None:
    """Plan a cut, print what it removes, and with --out save the pruned model; with --data also judge it."""
    given = {key: value for key, value in {
        "criterion": criterion, "granularity": granularity, "scope": scope, "ratio": ratio,
        "stage-ratio": stage_ratio or None, "budget-macs": budget_macs, "budget-params": budget_params,
        "budget-latency": budget_latency, "kind-ratio": kind_ratio or None, "cost-exponent": cost_exponent, "nm": nm,
        "round-to": round_to, "repair": repair or None, "images": images,
    }.items() if value is not None}  # fmt: skip
    plan, model = _plan_from_file(recipe, given, model) if recipe else (_plan_from_options(given), model)
    plan = plan if seed is None else replace(plan, seed=seed)
    opened, judged = console.open_asked(model, weights, plan.seed, data=data, limit=limit, split=split, classes=classes)
    plan, result = _pruned(opened, plan, out)
    if judged is not None:
        result["accuracy"] = console.told_top1(pipeline.judge_fully(opened, judged, plan, limit), judged)
        console.told_doubt(opened, judged, limit)
    emit(result, as_json, _pruned_text(result))


def _pruned(opened: pipeline.Opened, plan: PruningPlan, out: Path | None) -> tuple[PruningPlan, dict[str, Any]]:
    """The plan, in which a latency budget has become one of MACs, and its result object; with `out` the pruned
    checkpoint is written there."""
    latency = {}
    if plan.budget is not None and plan.budget_kind == "latency":
        plan, solved = pipeline.meet_latency(opened, plan)
        latency = {"latency_removed": solved.removed, "threads": torch.get_num_threads()}
    if out is not None:
        return plan, {**pipeline.save_pruned(out, opened, plan), **latency, "out": str(out)}
    selection, cost = pipeline.apply_plan(opened, plan)
    return plan, {**results.pruned(plan, opened.info, opened.anatomy, selection, cost), **latency, "out": None}


@app.command()
def evaluate(
    model: Model,
    data: Data = None,
    split: Split = "",
    classes: Classes = None,
    limit: Limit = None,
    weights: Weights = "pretrained",
    given: Precision = "auto",
    as_json: Json = False,
) -> None:
    """Top-1 and top-5 with n and a 95 % interval."""
    opened, judged = open_judged(model, weights, data=data, limit=limit, split=split, classes=classes)
    for line in precision.prepare(opened, judged, given, limit):
        typer.echo(line, err=True)
    estimate = pipeline.judge_fully(opened, judged, limit=limit)
    console.told_doubt(opened, judged, limit)
    counted = results.counted(opened.model, opened.anatomy, opened.info.zeroed)
    result = {**console.told_top1(estimate, judged), **counted, "seconds": estimate.seconds}
    result["precision"] = "bf16" if opened.bf16 else "fp32"
    emit(result, as_json, console.top1_text(result))


def _plan_from_file(path: Path, given: dict[str, Any], model: str) -> tuple[PruningPlan, str]:
    """The recipe's plan, and the model as the recipe says to read it where that is a file and nothing else is said."""
    if given:
        raise InvalidPlan(f"--recipe already says everything; drop {', '.join(f'--{key}' for key in given)}.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidPlan(f"The recipe '{path}' cannot be read ({type(error).__name__}); check the path.") from error
    return from_recipe(text, model), read_as(model, reading(text))


def _plan_from_options(given: dict[str, Any]) -> PruningPlan:
    shares = [key for key in ("ratio", *(f"budget-{kind}" for kind in BUDGETS)) if key in given]
    if len(shares) > 1:
        raise InvalidPlan(f"A plan has one target; give only one of {', '.join(f'--{key}' for key in shares)}.")
    recipe: dict[str, Any] = {"version": VERSION}
    for key, value in given.items():
        if key.startswith("budget-"):
            recipe["budget"] = {key.removeprefix("budget-"): value}
        elif key in _BY_CELL:
            recipe[_BY_CELL[key]] = dict(map(_pair, value))
        else:
            recipe[key.replace("-", "_")] = value
    if "nm" in given:
        recipe.setdefault("granularity", "nm")
    return from_recipe(recipe)


def _pair(text: str) -> tuple[str, float]:
    cell, _, ratio = text.partition("=")
    try:
        return cell, float(ratio)
    except ValueError:
        raise InvalidPlan(f"'{text}' is not a ratio; write 0=0.2, 0:MLP-M=0.2 or mlp_neuron=0.5.") from None


def _pruned_text(result: dict[str, Any]) -> str:
    structured = result["plan"]["granularity"] == "structure"
    suffix = "" if structured else "_nonzero"
    rows = [
        {
            "stage": _stage(row["stage"]), "ratio": row["ratio"],
            f"params{suffix}": row["params_after"], f"macs{suffix}": row["macs_after"],
        }
        for row in result["stages"]
    ]  # fmt: skip
    text = (
        f"removed {result['params_removed']:.1%} of params and {result['macs_removed']:.1%} of MACs "
        f"({'really smaller' if structured else 'zeros: smaller on paper, not faster'})\n{table(rows)}"
    )
    if "latency_removed" in result:
        text += f"\nmeasured latency, batch 1: {result['latency_removed']:.0%} less"
    if "accuracy" in result:
        text += f"\n{console.top1_text(result['accuracy'])}"
    return text


def _stage(stage: int | None) -> str:
    return "outside" if stage is None else str(stage)
