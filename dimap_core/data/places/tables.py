"""Tables that name images and their classes: CSV and its like, `metadata.jsonl`, lists of names, devkits' numbers.

Next door: `labels` looks for them and gives the images their classes.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from timm.data import ImageNetInfo

from ...types import DataError
from .place import Place

ENDINGS = (".csv", ".tsv", ".txt", ".jsonl")
MOST_BYTES = 64 * 1024**2
_ROWS = 2_000_000
_HEADER = 5  # lines by which a separator is told
_LOOKED = 200_000  # rows by which it is told which column names images
_NAMED = 0.5  # of those rows, or of the images, have to be named before it is taken for a table of labels
# What the column of classes is called, those of numbers first: a model without names of classes knows no others.
_LABEL = ("label", "labels", "class", "target", "category", "classid", "labelid", "categoryid", "classindex", "species",
          "breed", "predictionstring", "classname", "labelname", "wnid", "synset")  # fmt: skip
_PART = re.compile(r"label|class|categor|target", re.I)
_IN_MAT = re.compile(rb"n\d{8}|n\0(?:\d\0){8}")  # letters of one byte, or of two
_COMPRESSED, _CLASSES = 15, 1000
_WNID = re.compile(r"(n\d{8})\b")


@dataclass(frozen=True)
class Labels:
    """What a table says: image file -> class, and -> split where it has such a column; `columns` as it names them;
    `astray`: rows that name no image; `split`: those of files named by it."""

    classes: dict[str, str]
    columns: tuple[str, str]
    astray: int
    splits: dict[str, str] = field(default_factory=dict)


def content(place: Place, file: str) -> bytes:
    """A file beside images; raises DataError for one that is too large."""
    if place.stamp(file)[0] > MOST_BYTES:
        raise DataError(f"'{file[-60:]}' is larger than {MOST_BYTES // 1024**2} MiB; give a part of it.")
    with place.open(file) as opened:
        return opened.read(MOST_BYTES)


def read(place: Place, file: str) -> pd.DataFrame:
    """A table's cells as text, its header (if it has one) the first row; empty for what is no table."""
    text = content(place, file).decode("utf-8-sig", "replace")
    try:
        if file.lower().endswith(".jsonl"):
            return _from_json(text)
        apart = _separator([line for line in text[:65536].splitlines() if line.strip()][:_HEADER])
        return pd.read_csv(
            io.StringIO(text), sep=apart, header=None, dtype=str, keep_default_na=False, on_bad_lines="skip",
            nrows=_ROWS, engine="c", encoding_errors="replace",
        )  # fmt: skip
    except (ValueError, RecursionError, pd.errors.ParserError):
        return pd.DataFrame()


def _from_json(text: str) -> pd.DataFrame:
    rows = [row for line in text.splitlines()[:_ROWS] if (row := _object(line))]
    names = list(dict.fromkeys(name for row in rows for name in row))
    plain = [[_plain(row.get(name)) for name in names] for row in rows]
    return pd.DataFrame([names, *plain], dtype=str)


def _object(line: str) -> dict[str, object]:
    """A line's names and values; empty where it has none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _separator(lines: Sequence[str]) -> str:
    """What stands between the cells of every line."""
    for sign in ("\t", ",", ";", "|"):
        if lines and all(sign in line for line in lines):
            return sign
    return r"\s+" if lines and all(len(line.split()) == 2 for line in lines) else ","


def labels(table: pd.DataFrame, files: Mapping[str, str], name: str) -> Labels | None:
    """What a table says of images; None where it names too few of them.

    `files`: what a row may call an image (see `calls`) -> its file. Raises DataError where it names images and does
    not say which of its columns has the classes.
    """
    if table.shape[0] < 2 or table.shape[1] < 2:
        return None
    columns = [[str(cell).strip() for cell in table[place].tolist()] for place in table]
    few = [{called(cell, files) for cell in column[:_LOOKED]} - {None} for column in columns]
    which = max(range(len(columns)), key=lambda place: (len(few[place]), -place))
    if len(few[which]) < max(2, _NAMED * min(len(columns[which]), len(set(files.values())))):
        return None
    has_header = called(columns[which][0], files) is None
    header = [column[0] if has_header else "" for column in columns]
    rows = list(zip(*(column[has_header:] for column in columns), strict=True))
    label = _label_column(header, which, name)
    split = next((place for place, cell in enumerate(header) if cell.casefold() in ("split", "set", "subset")), None)
    classes: dict[str, str] = {}
    splits: dict[str, str] = {}
    astray = 0
    for row in rows:
        file, given = called(row[which], files), _class(row[label])
        if file is None:
            astray += 1
        elif given:
            classes[file] = given if classes.get(file, given) == given else ""  # of two classes it has none
            splits |= {} if split is None else {file: row[split].casefold()}
    told = header[which] or f"column {which + 1}", header[label] or f"column {label + 1}"
    return Labels({file: given for file, given in classes.items() if given}, told, astray, splits)


def _class(cell: str) -> str:
    """A cell's class; ImageNet's own tables write the place of the thing behind its wnid."""
    wnid = _WNID.match(cell)
    return wnid[1] if wnid else cell


def _label_column(header: Sequence[str], files: int, name: str) -> int:
    """Which column has the classes; raises DataError where that cannot be told."""
    others = [place for place in range(len(header)) if place != files]
    plain = {re.sub(r"[\s_\-]", "", header[place].casefold()): place for place in reversed(others)}
    known = [plain[wanted] for wanted in _LABEL if wanted in plain]
    like = [place for place in others if _PART.search(header[place])]
    if known or len(like) == 1 or len(others) == 1:
        return (known or (like if len(like) == 1 else others))[0]
    has = ", ".join(header) if any(header) else f"{len(header)} without names"
    raise DataError(f"Which column of '{name[-60:]}' has the classes is not clear ({has[:120]}); call it label.")


def calls(file: str, above: str) -> tuple[str, ...]:
    """What a table in the folder `above` may call an image: by its path, from there or from the root, or its name, with
    or without its ending."""
    last = file.rpartition("/")[2]
    ways = (file, file.removeprefix(f"{above}/"), last, last.rpartition(".")[0] or last)
    return tuple(dict.fromkeys(ways))


def called(cell: str, files: Mapping[str, str]) -> str | None:
    """The image that a cell calls, if any."""
    text = cell.replace("\\", "/").removeprefix("./")
    return files.get(text) or files.get(text.rpartition("/")[2]) or None


def numbers(table: pd.DataFrame) -> np.ndarray | None:
    """The classes of a devkit's ground truth, one whole number a line, int64 [n]; None for what is none."""
    if table.shape[1] != 1 or not table[0].str.fullmatch(r"\s*\d{1,7}\s*").all():
        return None
    return table[0].astype(np.int64).to_numpy()


def wnids(meta: bytes) -> dict[int, str]:
    """ILSVRC2012_ID -> wnid of a devkit's meta.mat; empty where it is none.

    Its list of synsets goes by that number, from 1, ImageNet's 1,000 first. Only their wnids are looked for: scipy's
    reader of such files crashes the process on damaged ones.
    """
    found = [one.replace(b"\0", b"").decode() for one in _IN_MAT.findall(_unpacked(meta))][:_CLASSES]
    return dict(enumerate(found, 1)) if {*found} == {*ImageNetInfo().label_names()} else {}


def _unpacked(meta: bytes) -> bytes:
    """The elements behind a MATLAB file's header (level 5), those that are compressed decompressed, within bounds."""
    parts, place, left = [], 128, MOST_BYTES
    while place + 8 <= len(meta) and left > 0:
        kind, size = struct.unpack_from("<II", meta, place)
        part = meta[place + 8 : place + 8 + size]
        if kind == _COMPRESSED:
            try:
                part = zlib.decompressobj().decompress(part, left)
            except zlib.error:
                return b""
        parts.append(part)
        left -= len(part)
        place += 8 + size
    return b"".join(parts)
