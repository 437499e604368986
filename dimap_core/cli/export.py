"""The command that takes a model out of this project: `export`.

Next door: `commands` lists all of them, `models` writes each format.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .. import pipeline
from ..models import write_onnx, write_source
from ..types import InvalidPlan
from .console import Json, Model, emit


def export(
    model: Model,
    out: Annotated[Path, typer.Option(help="file to write (a folder, if it came as one)")],
    format: Annotated[str, typer.Option(help="onnx, or source: the layout it came in")] = "onnx",
    as_json: Json = False,
) -> None:
    """Write a model as one ONNX file that takes batches of any size, or go back to the layout of the file it was made
    from."""
    if format not in ("onnx", "source"):
        raise InvalidPlan(f"'{format}' is no known format; those there are: onnx, source.")
    opened = pipeline.open_model(model)
    result = {"model": opened.info.name, "format": format, "input_size": opened.info.input_size, "out": str(out)}
    if format == "onnx":
        write_onnx(opened.model, opened.info, out)
    else:
        returned = write_source(opened.model, opened.info, out)
        typer.echo(returned.sentence, err=True)
        result |= asdict(returned)
    size = sum(file.stat().st_size for file in ([*out.iterdir()] if out.is_dir() else [out]))
    emit({**result, "bytes": size}, as_json, f"{out}: {size / 1024**2:.1f} MiB")
