"""A report as files: HTML, Markdown with pictures, CSV, LaTeX; whole or not at all.

Next door: `page`, `paper`, `latex` and `tables` say what is in them.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd

from ...types import StoryError, whole_file, whole_folder
from . import latex, tables
from .contents import Report
from .page import page
from .paper import paper

FORMATS = ("html", "md", "csv", "tex")
_OTHER = "another file"


def write(report: Report, path: Path, form: str) -> None:
    """Write the report to the file `path` as one of `FORMATS`; the pictures of "md" lie in a folder beside it, called
    as the file is. Raises StoryError where it cannot be written."""
    if form == "md":
        pictures = path.with_name(f"{path.stem}-pictures")
        text, files = paper(report, pictures.name)
        with whole_folder(pictures, StoryError, _OTHER) as part:
            for name, content in files.items():
                (part / name).write_bytes(content)
    else:
        text = {"html": page, "csv": _csv, "tex": latex.table}[form](report)
    with whole_file(path, StoryError, _OTHER) as place:
        place.write_text(text, encoding="utf-8")


def write_zipped(report: Report, path: Path) -> None:
    """The Markdown with its pictures as one zip."""
    text, files = paper(report, "pictures")
    with whole_file(path, StoryError, _OTHER) as place, zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("report.md", text)
        for name, picture in files.items():
            packed.writestr(f"pictures/{name}", picture)


def _csv(report: Report) -> str:
    found = pd.DataFrame(tables.rows(report))
    whole = [name for name in ("params_nonzero", "macs_nonzero", "n", "correct") if name in found]
    return str(found.astype(dict.fromkeys(whole, "Int64")).to_csv(index=False))
