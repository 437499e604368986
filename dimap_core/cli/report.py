"""The command that writes a report: `report`.

Next door: `commands` lists all of them, `studies.report` does the work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..studies import report as reports
from ..training import comparison
from ..types import StoryError, check_place
from .console import Json, emit


def report(
    named: Annotated[
        list[Path], typer.Argument(metavar="STORY|DIR...", help="a story's file, or what prune --out wrote")
    ],
    out: Annotated[Path, typer.Option(help="file to write")],
    format: Annotated[str, typer.Option(help="html (one file, default), md (pictures beside it), csv, tex")] = "html",
    as_json: Json = False,
) -> None:
    """Judge the cuts of stories and pruned directories, at most nine, and write all that is found of them."""
    if format not in reports.FORMATS:
        raise StoryError(f"'{format}' is no known format; choose one of {', '.join(reports.FORMATS)}.")
    story, cards = reports.sources(named)
    check_place(out, StoryError, "another file")  # better refused now than after everything was judged
    doing = ""
    found = None
    for step, found in reports.gather(story, reports.by_name(), comparison.read(), cards):  # noqa: B007
        if step.partition(",")[0] != doing:
            doing = step.partition(",")[0]
            typer.echo(f"{doing} ...", err=True)
    if found is None:
        return
    reports.write(found, out, format)
    rows = reports.rows(found)
    differs = {one.letter: list(one.differs) for one in found.cuts if one.differs}
    for letter, lines in differs.items():
        typer.echo(f"{letter} is not as the file says: {'; '.join(lines)}.", err=True)
    size = out.stat().st_size
    result = {"cuts": rows, "differs": differs, "format": format, "out": str(out), "bytes": size}
    emit(result, as_json, f"{out}: {len(rows)} cuts, {size / 1e6:.1f} MB, {found.made.seconds} s")
