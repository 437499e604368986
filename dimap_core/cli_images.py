"""What the command line says about images: the --data and --limit options, and `fetch`.

Next door: `cli` has the commands that judge by them, `images` and `data.sets` do the work.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from . import images, pipeline
from .data import DATASETS, sets
from .sources import SETS, ImageSource
from .types import LabelledImages

_FETCHED = ", ".join(known.key for known in SETS if known.key in sets.FETCHED)

Data = Annotated[
    str | None,
    typer.Option(help="folder:PATH, zip:PATH or a set's name; default: the one the model was trained on"),
]
Limit = Annotated[int | None, typer.Option(min=1, help="judge only the first LIMIT images of the stratified order")]


def by_name(
    opened: pipeline.Opened, data: str | None, limit: int | None = None
) -> tuple[pipeline.Opened, LabelledImages]:
    """The model judged by what --data names, and the images; how they were chosen goes to stderr."""
    if data is None or data == opened.info.data or (opened.info.data and data in {row.key for row in DATASETS}):
        return opened, pipeline.default_data(opened, data)
    for _, found in images.judged_by(opened, ImageSource(data, count=limit or 0)):
        opened = found or opened
    judged = pipeline.default_data(opened)
    if opened.chosen is not None:
        typer.echo(" ".join(opened.chosen.facts.notes), err=True)
    return opened, judged


def fetch(
    name: Annotated[str, typer.Argument(help=_FETCHED)],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Download a known set of images into the data folder (DIMAP_DATA)."""
    path = sets.fetch(name)
    typer.echo(json.dumps({"name": name, "out": str(path)}) if as_json else f"{name}: {path}")
