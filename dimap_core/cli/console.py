"""What the commands share: their common options, opening a model with images, and how results are printed.

With --json one JSON object goes to stdout and everything else to stderr. Next door: `commands` and `train`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import pipeline
from ..data import LEFT_OUT, read_classes
from ..models import fetch_weights
from ..pipeline import judged_by_name
from ..types import (
    AccuracyEstimate,
    DataError,
    LabelledImages,
    UnsupportedModel,
    duration,
    is_agreement,
    is_file,
    is_folder,
)  # fmt: skip

Model = Annotated[str, typer.Argument(help="bundled or timm name, FILE[@ARCHITECTURE], or directory of prune --out")]
Weights = Annotated[str, typer.Option(help="pretrained or random (for counts only)")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Data = Annotated[
    str | None,
    typer.Option(help="folder:PATH, zip:PATH or a set's name; default: the one the model was trained on"),
]
Split = Annotated[str, typer.Option(help="which of several splits of --data is judged: val, test ...")]
Classes = Annotated[
    Path | None, typer.Option(help="names of the model's outputs, one a line, or rows of folder,output for --data")
]
Limit = Annotated[int | None, typer.Option(min=1, help="judge only the first LIMIT images of the stratified order")]
Seed = Annotated[int, typer.Option(min=0, help="seed of random weights and random scores")]
Images = Annotated[int | None, typer.Option(help="training images for criteria that read images, and repair (256)")]

Precision = Annotated[str, typer.Option("--precision", help="auto (bf16 where it proves equal), fp32, bf16")]

_NAMED = 20  # folders
_TELL = 3.0  # seconds between two lines on a download


def open_judged(
    model: str,
    weights: str = "pretrained",
    seed: int = 0,
    *,
    data: str | None,
    limit: int | None = None,
    split: str = "",
    classes: Path | None = None,
) -> tuple[pipeline.Opened, LabelledImages]:
    """The model judged by what --data names, and the images; what of the model was guessed and how they were chosen
    goes to stderr."""
    named = None if classes is None else read_classes(classes)
    bring(model, weights)
    opened, judged = judged_by_name(pipeline.open_model(model, weights, seed), data, limit, split, named)
    notify(" ".join((*opened.info.notes, opened.notice)).strip())
    return opened, judged


def bring(model: str, weights: str = "pretrained") -> None:
    """Fetch what is to be opened from the hub, if anything, and tell how far it is every few seconds."""
    if is_file(model.partition("@")[0]) or is_folder(model):
        return
    told = -math.inf
    with suppress(UnsupportedModel):  # whoever opens it says why
        for event in fetch_weights(model, weights):
            if event.get("total") and time.monotonic() - told > _TELL:
                told = time.monotonic()
                left = "" if event["left"] is None else f", about {duration(event['left'])} left"
                notify(f"{event['doing']}, {event['done'] / 1e6:.0f} of {event['total'] / 1e6:.0f} MB{left}")


def open_asked(
    model: str, weights: str, seed: int, **images: Any
) -> tuple[pipeline.Opened, LabelledImages | None]:  # fmt: skip
    """`open_judged` where anything is asked of images, else the model alone."""
    if any(images[name] for name in ("data", "split", "classes")):
        return open_judged(model, weights, seed, **images)
    bring(model, weights)
    return pipeline.open_model(model, weights, seed), None


def notify(notice: str) -> None:
    """What the reader should know beside the result, if anything."""
    if notice:
        typer.echo(notice, err=True)


def told_doubt(opened: pipeline.Opened, judged: LabelledImages, limit: int | None = None) -> None:
    """What the model's own answers say against the images, if anything, to stderr."""
    found = pipeline.doubt(opened, judged, limit)
    if found is None:
        return
    rows = (
        [row for row in opened.chosen.facts.rows if row.output != LEFT_OUT] if opened.chosen and found.classes else []
    )
    named = "\n".join(f"{row.folder[:40]},{found.classes.get(row.folder, row.output)}" for row in rows[:_NAMED])
    more = "\n..." if len(rows) > _NAMED else ""
    typer.echo(
        found.told + (f" To use it, give a file with these rows by --classes:\n{named}{more}" if rows else ""), err=True
    )


def told_top1(estimate: AccuracyEstimate, judged: LabelledImages) -> dict[str, Any]:
    """`results.accuracy`, and what it `measures`: "accuracy", or "agreement" with the dense model where the images have
    no labels."""
    return {"measures": "agreement" if is_agreement(judged.name) else "accuracy", **pipeline.results.accuracy(estimate)}


def top1_text(result: dict[str, Any]) -> str:
    """What `told_top1` found, in a line."""
    what = "same answer as the dense model" if result["measures"] == "agreement" else "top-1"
    low, high = result["ci95"]
    return f"{what} {result['top1']:.1%} (95 % interval {low:.1%} to {high:.1%}, n = {result['n']})"


def emit(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print the result object, or the same as text."""
    typer.echo(json.dumps(result) if as_json else text)


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as aligned text columns."""
    cells = [{key: _cell(value) for key, value in row.items()} for row in rows]
    if not cells:
        return ""
    widths = {key: max(len(key), *(len(row[key]) for row in cells)) for key in cells[0]}
    lines = [{key: key for key in widths}, *cells]
    return "\n".join("  ".join(line[key].rjust(width) for key, width in widths.items()) for line in lines)


def words(text: str) -> list[str]:
    """Words between commas; a formula's own commas stand in parentheses."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth <= 0:
            found.append("")
        else:
            found[-1] += letter
    return [word.strip() for word in found if word.strip()]


def numbers(text: str) -> list[float]:
    """Numbers between commas; raises DataError for anything else."""
    try:
        found = [float(word) for word in words(text)]
    except ValueError:
        found = []
    if not found:
        raise DataError(f"'{text}' is not a list of numbers; write them like 0.5,0.7.")
    return found


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
