"""The commands that search a smaller model by a whole paper's method: `search nvit`, `search spvit`, `search apma`.

They run under `accelerate launch -m dimap_core ...` too; the first process prints.
Next door: `commands` lists all of them, `training` does the work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..pipeline import training_data
from ..training import apma as apma_method, nvit as nvit_method, spvit as spvit_method
from ..types import InvalidPlan
from .console import Data, Json, Model, Seed, open_judged
from .train import follow, progress_line

app = typer.Typer(help="Search a smaller model by a paper's whole method.", no_args_is_help=True)


@app.callback()
def _searches() -> None:
    """A sub-command is needed, however few there are."""


@app.command()
def nvit(
    model: Model,
    out: Annotated[Path, typer.Option(help="directory for the checkpoint that is found")],
    data: Data = None,
    budget_macs: Annotated[float | None, typer.Option(help="share of all MACs to remove")] = None,
    budget_latency: Annotated[float | None, typer.Option(help="share of this device's latency to remove")] = None,
    seconds: Annotated[float | None, typer.Option(help="search and fine-tuning together; default: 20 epochs")] = None,
    cuts: Annotated[int, typer.Option(min=1, help="how often groups go")] = 30,
    strength: Annotated[float, typer.Option(min=0, help="weight of the cost in the ranking, per median score")] = 0.1,
    state: Annotated[Path | None, typer.Option(help="folder to go on from after a stop")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """NViT: prune gradually while training, all kinds of structure in one ranking, then fine-tune what is left."""
    budgets = {"macs": budget_macs, "latency": budget_latency}
    given = {aware: share for aware, share in budgets.items() if share is not None}
    if len(given) != 1:
        raise InvalidPlan("A search has one target; give either --budget-macs or --budget-latency.")
    ((aware, target),) = given.items()
    opened, _ = open_judged(model, data=data)
    asked = nvit_method.suited_search(opened.info.data, target, aware, seconds, seed, cuts=cuts, strength=strength)

    def line(event: dict[str, Any]) -> str:
        return progress_line(event) + f", {event['cut']:.0%} of the {aware} left"

    follow(nvit_method.search(opened, asked, out, state), as_json, line, _told)


@app.command()
def apma(
    model: Model,
    out: Annotated[Path, typer.Option(help="directory for the checkpoint that is found")],
    budget_macs: Annotated[float, typer.Option(help="share of all MACs to remove")],
    data: Data = None,
    seconds: Annotated[float | None, typer.Option(help="search and fine-tuning together; default: 240")] = None,
    similarity: Annotated[bool, typer.Option(help=apma_method.PARTS["similarity"])] = True,
    equal_heads: Annotated[bool, typer.Option(help=apma_method.PARTS["equal_heads"])] = True,
    reweight: Annotated[bool, typer.Option(help=apma_method.PARTS["reweight"])] = True,
    difference_init: Annotated[bool, typer.Option(help=apma_method.PARTS["difference_init"])] = True,
    anneal: Annotated[bool, typer.Option(help=apma_method.PARTS["anneal"])] = True,
    state: Annotated[Path | None, typer.Option(help="folder to go on from after a stop")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """APMA-style (after Lee & Hwang): learn which channels of heads and MLPs go, then fine-tune what is left."""
    opened, _ = open_judged(model, data=data)
    asked = apma_method.suited_search(
        opened.info.data, budget_macs, seconds, seed,
        similarity=similarity, equal_heads=equal_heads, reweight=reweight, difference_init=difference_init,
        anneal=anneal,
    )  # fmt: skip
    follow(apma_method.search(opened, asked, out, state), as_json, _line, _told)


def _line(event: dict[str, Any]) -> str:
    return progress_line(event) + f", {event['cut']:.0%} of the MACs left"


def _told(result: dict[str, Any]) -> str:
    low, high = result["top1_after_ci95"]
    change, least, most = (100 * value for value in result["against_dense"])
    return (
        f"{nvit_method.AWARE[result['aware']]}: removed {result['macs_removed']:.1%} of the MACs and, measured with "
        f"batches of {result['latency']['batch_size']}, {result['latency_removed']:.0%} of the latency; top-1 "
        f"{result['top1_after']:.1%} ({low:.1%} to {high:.1%}, n = {result['n']}), against the dense model "
        f"{change:+.1f} points ({least:+.1f} to {most:+.1f}); {result['out']}"
    )


@app.command()
def spvit(
    model: Model,
    out: Annotated[Path, typer.Option(help="directory for the checkpoint that is found")],
    data: Data = None,
    budget_macs: Annotated[float, typer.Option(help="share of all MACs to remove")] = 0.4,
    seconds: Annotated[float | None, typer.Option(help="search and fine-tuning together; default: 800 steps")] = None,
    distill: Annotated[bool, typer.Option("--distill", help="fine-tune on the dense model's answers too")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="then train two one-shot cuts as long")] = False,
    state: Annotated[Path | None, typer.Option(help="folder to go on from after a stop")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """SPViT: learn by gates which attentions become convolutions and which hidden units stay, then fine-tune."""
    opened, _ = open_judged(model, data=data)
    images = len(training_data(opened))
    asked = spvit_method.suited_search(
        opened.info.data, budget_macs, seconds, seed, distill, images, compare=compare
    )  # fmt: skip

    def line(event: dict[str, Any]) -> str:
        return progress_line(event) + f", {event['cut']:.0%} of the macs left"

    follow(spvit_method.search(opened, asked, out, state), as_json, line, _spvit_told)


def _spvit_told(result: dict[str, Any]) -> str:
    low, high = result["top1_after_ci95"]
    change, least, most = (100 * value for value in result["against_dense"])
    met = "" if result["met"] else "The budget was not met within the steps given; allow more. "
    slots = ", ".join(f"{name}: {mixer}" for name, mixer in result["mixers"].items()) or "attention everywhere"
    lines = [
        f"{met}Removed {result['macs_removed']:.1%} of the MACs and, measured with batches of "
        f"{result['latency']['batch_size']}, {result['latency_removed']:.0%} of the latency; top-1 "
        f"{result['top1_after']:.1%} ({low:.1%} to {high:.1%}, n = {result['n']}), against the dense model "
        f"{change:+.1f} points ({least:+.1f} to {most:+.1f}); {slots}; {result['out']}"
    ]
    return "\n".join([*lines, *filter(None, [result.get("comparison", {}).get("verdict")])])
