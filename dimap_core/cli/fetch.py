"""`fetch`: known sets of images, into the data folder.

Next door: `data` does the work.
"""

from __future__ import annotations

from typing import Annotated

import typer

from ..data import DATASETS, sets
from .console import Json, emit

_FETCHED = ", ".join(known.key for known in DATASETS if known.archive)


def fetch(
    name: Annotated[str, typer.Argument(help=_FETCHED)],
    as_json: Json = False,
) -> None:
    """Download a known set of images into the data folder (DIMAP_DATA)."""
    path = sets.fetch(name)
    emit({"name": name, "out": str(path)}, as_json, f"{name}: {path}")
