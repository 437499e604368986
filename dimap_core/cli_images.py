"""What the command line says about images: what --data names, and `fetch`.

Next door: `cli` has the commands that judge by them, `images` and `data.sets` do the work.
"""

from __future__ import annotations

from typing import Annotated

import typer

from . import images, pipeline
from .console import Json, emit
from .data import DATASETS, sets
from .sources import SETS, ImageSource
from .types import LabelledImages

_FETCHED = ", ".join(known.key for known in SETS if known.key in sets.FETCHED)


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
    as_json: Json = False,
) -> None:
    """Download a known set of images into the data folder (DIMAP_DATA)."""
    path = sets.fetch(name)
    emit({"name": name, "out": str(path)}, as_json, f"{name}: {path}")
