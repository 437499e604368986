"""The commands that search a smaller model by a whole paper's method: `search KEY`, made from the rows of `METHODS`.

They run under `accelerate launch -m dimap_core ...` too; the first process prints.
Next door: `commands` lists all of them, `training` does the work.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from ..pipeline import training_data
from ..training import AWARE, METHODS, PAID, Method, Option
from ..types import InvalidPlan
from .console import Data, Json, Model, Seed, open_judged
from .train import follow, progress_line

app = typer.Typer(help="Search a smaller model by a paper's whole method.", no_args_is_help=True)
_OUT = Annotated[Path, typer.Option(help="directory for the checkpoint that is found")]
_STATE = Annotated[Path | None, typer.Option(help="folder to go on from after a stop")]
_BUDGETS = {"macs": "share of all MACs to remove", "latency": "share of this device's latency to remove"}


@app.callback()
def _searches() -> None:
    """A sub-command is needed, however few there are."""


def command(method: Method) -> Callable[..., None]:
    """A method's command: typer reads its signature."""

    def search(
        model: str, out: Path, data: str | None, seconds: float | None, state: Path | None, seed: int, as_json: bool,
        **given: Any,
    ) -> None:  # fmt: skip
        budgets = {cost: given.pop(f"budget_{cost}") for cost in method.costs}
        aware, target = _budget(budgets)
        opened, _ = open_judged(model, data=data)
        if len(method.costs) > 1:
            given["aware"] = aware
        if method.counts_steps:
            given["images"] = len(training_data(opened))
        asked = method.suited(opened.info.data, target, seconds=seconds, seed=seed, **given)

        def line(event: dict[str, Any]) -> str:
            return progress_line(event) + (f", {event['cut']:.0%} of the {PAID[aware]} left" if "cut" in event else "")

        follow(method.search(opened, asked, out, state), as_json, line, _told)

    rows = _parameters(method)
    search.__signature__ = Signature(rows)  # type: ignore[attr-defined]
    search.__annotations__ = {row.name: row.annotation for row in rows}
    return search


def _parameters(method: Method) -> list[Parameter]:
    """What typer reads: names, types, defaults and help."""
    length = typer.Option(help=f"search and fine-tuning together; default: {method.usual_length}")
    rows: dict[str, tuple[Any, Any]] = {"model": (Model, Parameter.empty), "out": (_OUT, Parameter.empty)}
    rows["data"] = Data, None
    several = len(method.costs) > 1
    for cost in method.costs:
        share = Annotated[float | None, typer.Option(help=_BUDGETS[cost])]
        rows[f"budget_{cost}"] = share, None if several else method.share
    rows["seconds"] = Annotated[float | None, length], None
    rows |= {option.key: (_typed(option), option.default) for option in method.options}
    rows |= {"state": (_STATE, None), "seed": (Seed, 0), "as_json": (Json, False)}
    kind = Parameter.KEYWORD_ONLY
    return [Parameter(name, kind, default=default, annotation=hint) for name, (hint, default) in rows.items()]


def _typed(option: Option) -> Any:
    """A number, a switch that is off at first (--key), or one that is on (--key, --no-key)."""
    off = (f"--{option.key.replace('_', '-')}",) if option.default is False else ()
    return Annotated[type(option.default), typer.Option(*off, min=option.least, help=option.help)]


def _budget(budgets: dict[str, float | None]) -> tuple[str, float]:
    """What a target counts, and the share to remove."""
    given = [(cost, share) for cost, share in budgets.items() if share is not None]
    if len(given) != 1:
        names = " or ".join(f"--budget-{cost}" for cost in budgets)
        raise InvalidPlan(f"A search has one target; give either {names}.")
    return given[0]


def _told(result: dict[str, Any]) -> str:
    low, high = result["top1_after_ci95"]
    change, least, most = (100 * value for value in result["against_dense"])
    met = "" if result.get("met", True) else "The budget was not met within the steps given; allow more. "
    line = (
        f"{met}{_saved(result)}top-1 {result['top1_after']:.1%} ({low:.1%} to {high:.1%}, n = {result['n']}), against "
        f"the dense model {change:+.1f} points ({least:+.1f} to {most:+.1f}); {_slots(result)}{result['out']}"
    )
    return "\n".join(filter(None, [line, result.get("comparison", {}).get("verdict")]))


def _saved(result: dict[str, Any]) -> str:
    """What the search says that it saved."""
    if "latency" not in result:
        return ""
    way = f"{AWARE[result['aware']]}: removed" if "aware" in result else "Removed"
    return (
        f"{way} {result['macs_removed']:.1%} of the MACs and, measured with batches of "
        f"{result['latency']['batch_size']}, {result['latency_removed']:.0%} of the latency; "
    )


def _slots(result: dict[str, Any]) -> str:
    """What mixes tokens where attention went, of a search that asks."""
    if "mixers" not in result:
        return ""
    return (", ".join(f"{name}: {mixer}" for name, mixer in result["mixers"].items()) or "attention everywhere") + "; "


for _row in METHODS:
    app.command(_row.key, help=_row.summary)(command(_row))
