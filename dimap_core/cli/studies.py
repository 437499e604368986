"""Studies that many processes share: `study` begins, tells and does them, `work` joins one from anywhere.

Next door: `commands` lists all commands, `studies.shared` does the work.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from ..studies import shared, sweep
from ..types import DataError, check_place, duration
from .console import Data, Json, Limit, Split, emit, numbers, table, words

_COLUMNS = ("model", "criterion", "scope", "repair", "budget", "ratio", "n", "top1", "params_removed", "macs_removed")
_NAME = re.compile(r"[\w.-]{1,60}")
Name = Annotated[
    str, typer.Argument(help="the study's name; dimap-table3, nvit-table and criteria-curves come with it")
]


def study(
    name: Name,
    file: Annotated[Path | None, typer.Option(help="TOML or JSON that says what is run, as in assets/studies")] = None,
    models: Annotated[str | None, typer.Option(help="comma-separated")] = None,
    data: Data = None,
    split: Split = "",
    criteria: Annotated[str | None, typer.Option(help="comma-separated")] = None,
    scopes: Annotated[str | None, typer.Option(help="comma-separated")] = None,
    ratios: Annotated[str | None, typer.Option(help="comma-separated shares")] = None,
    budgets_macs: Annotated[str | None, typer.Option(help="shares of all MACs to remove")] = None,
    budgets_params: Annotated[str | None, typer.Option(help="shares of all params to remove")] = None,
    cost_exponents: Annotated[str | None, typer.Option(help="comma-separated, 0 to 2")] = None,
    granularity: Annotated[str | None, typer.Option(help="weight (default) or structure")] = None,
    repair: Annotated[str | None, typer.Option(help="no (default), yes, or both: no,yes")] = None,
    seeds: Annotated[str | None, typer.Option(help="comma-separated")] = None,
    images: Annotated[int | None, typer.Option(help="training images for criteria that read images (256)")] = None,
    limit: Limit = None,
    heartbeat: Annotated[int | None, typer.Option(help="seconds between a worker's signs of life (15)")] = None,
    imagenet: Annotated[Path | None, typer.Option(help="ImageNet's validation images, for [imagenet] models")] = None,
    queue: Annotated[bool, typer.Option("--queue", help="only begin it; 'work NAME' does it")] = False,
    status: Annotated[bool, typer.Option("--status", help="only say how far it is")] = False,
    csv: Annotated[Path | None, typer.Option(help="write the rows that are there to this file")] = None,
    as_json: Json = False,
) -> None:
    """Begin a study, or go on with it: a grid of plans on some models that any number of processes do together."""
    texts = {"criteria": criteria, "scopes": scopes, "seeds": seeds, "ratios": ratios, "cost_exponents": cost_exponents}
    budgets = {"macs": budgets_macs, "params": budgets_params}
    grid = _grid(texts, budgets, repair) | {"granularity": granularity, "images": images}
    said = {"models": words(models or ""), "data": data, "split": split, "limit": limit, "heartbeat": heartbeat}
    if csv is not None:
        check_place(csv, DataError, "another file")
    name = _checked(f"{name}-imagenet" if imagenet else name)
    looks = status or csv is not None
    ledger = shared.named(name) if looks else _begun(name, file, _given(said), _given(grid), imagenet)
    if not looks and not queue:
        _work(ledger, None)
    standing, found = ledger.report()
    rows = [shared.columns(row) for row in found]
    if csv is not None:
        sweep.write_csv(rows, csv)
    _tell(name, standing, {} if status or queue else {"rows": rows}, as_json)


def work(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Join a study: do its trials until all are done, beside any other processes on any machines (DIMAP_STUDIES)."""
    ledger = shared.named(name)
    own = _work(ledger, data)
    _tell(name, ledger.report()[0], {"own": own}, as_json)


def _begun(
    name: str, file: Path | None, said: dict[str, Any], grid: dict[str, Any], imagenet: Path | None
) -> shared.Ledger:
    """The study of that name, begun unless it is there and nothing else is asked of it."""
    known = None if said or grid or file else shared.found(name)
    if known is not None:
        return known
    if grid and file is not None:
        raise DataError("A file already says what is run; leave out either --file or the grid.")
    if grid:
        asked = shared.checked({**said, "models": said.get("models", []), "grids": [grid]})
    elif (read := shared.read(name.removesuffix("-imagenet"), file, **said)) is not None:
        asked = read
    else:
        return shared.named(name)
    told = shared.Asked.by(asked.on_imagenet(imagenet) if imagenet else asked)
    typer.echo(f"{name}: looking at {len(told.models)} models and their images ...", err=True)
    return shared.begin(name, told, shared.look(told))


def _work(ledger: shared.Ledger, data: str | None) -> int:
    """Do trials to the end; progress to stderr. A SIGTERM, as schedulers send it, gives the trial back."""
    own, before = 0, signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for step in shared.work(ledger, data, lambda told: typer.echo(told, err=True)):
            standing, own = step.standing, step.own
            left = f", about {duration(step.seconds)} left" if step.seconds and standing.left else ""
            gone = f", {standing.given_up} given up" if standing.given_up else ""
            typer.echo(f"{standing.done}/{standing.total} done, {own} of them here{gone}{left}", err=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    return own


def _tell(name: str, standing: shared.Standing, more: dict[str, Any], as_json: bool) -> None:
    counts = {key: getattr(standing, key) for key in ("total", "done", "running", "waiting", "given_up")}
    text = ", ".join(f"{count:,} {key.replace('_', ' ')}" for key, count in counts.items())
    rows = table([{key: row.get(key, "") for key in (*_COLUMNS, "error")} for row in more.get("rows", [])])
    own = f", {more['own']} of them here" if "own" in more else ""
    emit({"study": name, **counts, **more}, as_json, f"{name}: {text}{own}\n{rows}".strip())


def _given(said: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if value not in (None, "", [], {})}


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise DataError("A study's name has up to 60 letters, digits and .-_; choose such a one.")
    return name


def _grid(texts: dict[str, str | None], budgets: dict[str, str | None], repair: str | None) -> dict[str, Any]:
    """What the options list, each text between commas."""
    found: dict[str, Any] = {key: _listed(key, text) for key, text in texts.items() if text}
    found["budgets"] = {kind: numbers(text) for kind, text in budgets.items() if text}
    return found | {"repair": _yes_or_no(repair)}


def _listed(key: str, text: str) -> list[Any]:
    return numbers(text) if key in ("ratios", "cost_exponents") else [*words(text)]


def _yes_or_no(text: str | None) -> list[bool]:
    known = {"no": False, "yes": True}
    found = words(text or "")
    if not known.keys() >= {*found}:
        raise DataError(f"Repair is no, yes or both, not '{text}'; write --repair no,yes.")
    return [known[word] for word in found]
