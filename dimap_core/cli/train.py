"""The commands that train: `train` makes a bundled model anew, `recover` brings a pruned one back.

Both run under `accelerate launch -m dimap_core ...` on several GPUs or machines too; the first process prints.
Next door: `commands` lists all of them, `training.recipes` and `training.recovery` do the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..models import checkpoints
from ..training import preset_settings, processes, recipes, recovery
from ..types import ASSETS, InvalidPlan
from .console import Data, Json, Seed, emit, notify


def train(
    name: Annotated[str, typer.Argument(help="bundled model to train")],
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="directory; default: the project's assets")] = None,
    data: Annotated[str | None, typer.Option(help="photographs (folder:PATH with train/ and val/); *-photos")] = None,
    state: Annotated[Path | None, typer.Option(help="folder to go on from after a stop")] = None,
    as_json: Json = False,
) -> None:
    """Train a bundled model from scratch (minutes; those of photographs hours) and save checkpoint and card."""
    folder = {} if out is None else {"out": out}
    tell = partial(typer.echo, err=True)
    card = recipes.train_bundled(name, seed=seed, progress=tell, data=data, state=state, **folder)
    emit({**card, "out": str(out or ASSETS)}, as_json, f"{name}: top-1 {card['top1']:.1%} (n = {card['n']})")


def recover(
    model: Annotated[Path, typer.Argument(help="directory that prune wrote")],
    out: Annotated[Path, typer.Option(help="directory for the recovered checkpoint")],
    data: Data = None,
    epochs: Annotated[float | None, typer.Option(help="passes over the training images")] = None,
    seconds: Annotated[float | None, typer.Option(help="as many steps as fit into this, instead of epochs")] = None,
    distill: Annotated[bool, typer.Option("--distill", help="learn from the dense model's answers too")] = False,
    dense: Annotated[str | None, typer.Option(help="the dense model, where the directory does not tell it")] = None,
    preset: Annotated[str, typer.Option(help="suited (default) or dimap: the paper's 30 epochs at lr 2e-5")] = "suited",
    lr: Annotated[float | None, typer.Option(help="peak learning rate of AdamW")] = None,
    batch_size: Annotated[int | None, typer.Option(help="images a step, of all processes together")] = None,
    bf16: Annotated[bool, typer.Option(help="train under bf16 autocast")] = True,
    state: Annotated[Path | None, typer.Option(help="folder to go on from after a stop")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a pruned model back: masked weights stay zero, a smaller model stays as small."""
    if epochs is not None and seconds is not None:
        raise InvalidPlan("Give either --epochs or --seconds, not both.")
    checkpoints.check_writable(out)
    pruned = recovery.from_directory(model, data, dense, distill)
    notify(pruned.notice)
    given = {"epochs": epochs, "seconds": seconds, "lr": lr, "batch_size": batch_size}
    settings = preset_settings(preset, pruned.info.data, {k: v for k, v in given.items() if v is not None})
    settings = replace(settings, distill="soft" if distill else "none", precision="bf16" if bf16 else "no", seed=seed)
    follow(recovery.recover(pruned, settings, out, state), as_json, progress_line, _told)


Told = Callable[[dict[str, Any]], str]


def follow(events: Iterable[dict[str, Any]], as_json: bool, line: Told, told: Told) -> None:
    """Tell judged accuracies on the way to stderr by `line`, and the result in the end; the first process speaks."""
    first = processes().is_main_process
    result: dict[str, Any] = {}
    for event in events:
        if "top1" in event and first:
            typer.echo(line(event), err=True)
        result = event.get("result", result)
    if first:
        emit(result, as_json, told(result))


def progress_line(event: dict[str, Any]) -> str:
    """An event with a judged accuracy."""
    done, left = f"step {event['step']}/{event['steps']}", f"{event['seconds_left']:.0f} s left"
    return f"{done}, loss {event['loss']:.3f}, top-1 {event['top1']:.1%} (first {event['n']}), {left}"


def _told(result: dict[str, Any]) -> str:
    low, high = result["top1_after_ci95"]
    gain, least, most = (100 * value for value in result["gain"])
    return (
        f"top-1 {result['top1_before']:.1%} before, {result['top1_after']:.1%} after ({low:.1%} to {high:.1%}, "
        f"n = {result['n']}); gained {gain:+.1f} points ({least:+.1f} to {most:+.1f}); {result['out']}"
    )
