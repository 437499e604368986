"""The file of `--classes`: what a model's outputs are called, or which folder is which output.

Next door: `mapping` uses either; the app has a table for it.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from ..types import DataError

_MOST = 4 * 1024**2  # bytes
_OUTPUT = re.compile(r"-?\d{1,9}")


@dataclass(frozen=True)
class ClassFile:
    """`names`: of the model's outputs in their order; or `pairs`: (folder, output), -1 for one that is not judged."""

    names: tuple[str, ...] = ()
    pairs: tuple[tuple[str, int], ...] = ()


def read_classes(path: Path) -> ClassFile:
    """A text file with a name a line, or a CSV with rows of folder,output; raises DataError for any other."""
    shape = "write one class name a line in the order of the model's outputs, or rows of folder,output"
    try:
        if path.stat().st_size > _MOST:
            raise DataError(f"'{path.name[:80]}' is too large for a list of classes; {shape}.")
        lines = [line for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise DataError(f"'{str(path)[:80]}' cannot be read ({type(error).__name__}); {shape}.") from None
    if not lines:
        raise DataError(f"'{path.name[:80]}' is empty; {shape}.")
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
    body = rows[1:] if rows[0] == ["folder", "output"] else rows
    if body and all(len(row) == 2 and _OUTPUT.fullmatch(row[1]) for row in body):
        return ClassFile(pairs=tuple((folder, int(output)) for folder, output in body))
    if body is not rows:
        bad = next((row for row in body if len(row) != 2 or not _OUTPUT.fullmatch(row[1])), ["nothing below it"])
        raise DataError(
            f"'{path.name[:80]}' has the row '{','.join(bad)[:60]}', which is no folder and output; {shape}."
        )
    return ClassFile(names=tuple(line.strip() for line in lines))
