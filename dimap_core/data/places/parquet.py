"""Images in parquet files, as Hugging Face's datasets store them: a column of encoded images, one of labels.

Labels are read at once; the images of a file are written beside each other into a temporary file without a name when
the first of them is asked for, since a row of a compressed column cannot be read by itself.
Next door: `grouped` makes a tree of them; `unpacked` keeps the images.
"""

from __future__ import annotations

import io
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO, Any, BinaryIO

import numpy as np

from ...types import DataError
from ..image_file import MOST_BYTES
from .grouped import Grouped
from .place import Place
from .unpacked import kept

MOST = 4 * 1024**3  # bytes of all files that are read
_MOST_IMAGES = 8 * 1024**3  # bytes of the images of one file
_ROWS = 2_000_000
_AT_ONCE = 64  # rows decoded together
_SPLIT = re.compile(r"(?:partial-)?(train|training|val|valid|validation|test)(?![a-z])", re.I)
_IMAGE, _LABEL = ("image", "img", "jpg", "png", "webp"), ("label", "labels", "fine_label", "class", "cls", "target")
_ENDING = ".parquet"


def from_parquet(place: Place, files: Sequence[str], title: str) -> Grouped:
    """The images of parquet files, their splits told by the files' names or folders; raises DataError for what holds no
    column of images or none of labels."""
    shards, beyond = _within(place, sorted(files, key=lambda file: (_split(file).startswith("train"), file)))
    groups: dict[str, dict[str, list[str]]] = {}
    names: list[str] = []
    columns = ("", "")
    for file, shard in shards.items():
        labels, named, columns = shard.labels(title)
        names = named or names
        held = groups.setdefault(_split(file), {})
        for row, label in enumerate(labels):
            if label is not None:
                held.setdefault(_class(label, named), []).append(f"{file}:{row:07d}")
    if not any(groups.values()):
        raise DataError(f"'{title}' holds no labelled rows; the column '{columns[1]}' is empty.")
    told = f"Images and labels are the columns '{columns[0]}' and '{columns[1]}' of {len(shards):,} parquet files."
    lacking = {f"parquet files beyond {MOST // 1024**3} GiB": beyond} if beyond else {}
    return Grouped(_Rows(place, shards), groups, told, names, len(files), lacking)


def _split(file: str) -> str:
    """ "data/train-00000-of-00001.parquet" and "default/train/0000.parquet" -> "train"; "" where nothing tells."""
    for part in reversed(file.split("/")):
        if found := _SPLIT.match(part):
            return found[1].lower()
    return ""


def _class(label: Any, names: Sequence[str]) -> str:
    return names[label] if isinstance(label, int) and 0 <= label < len(names) else str(label).strip()


def _within(place: Place, files: Sequence[str]) -> tuple[dict[str, _Shard], int]:
    """The files up to `MOST` bytes in all, and how many others there are."""
    total, found = 0, dict[str, _Shard]()
    for file in files:
        total += place.stamp(file)[0]
        if total <= MOST or not found:
            found[file] = _Shard(place, file)
    return found, len(files) - len(found)


class _Shard:
    """One parquet file."""

    def __init__(self, place: Place, file: str) -> None:
        self._place, self._file = place, file
        self._image = ""
        self._kept: IO[bytes] | None = None
        self._ends = np.zeros(1, np.int64)  # where each image begins, and the last one ends
        self._lock = threading.Lock()

    def labels(self, title: str) -> tuple[list[Any], list[str], tuple[str, str]]:
        """(each row's label, the labels' names where the file has them, the columns of images and labels)."""
        name = self._file[-60:]
        try:
            table = self._table()
            if table.metadata.num_rows > _ROWS:
                raise DataError(f"'{name}' holds more than {_ROWS:,} rows; give a part of it.")
            schema = table.schema_arrow
            self._image = _column(schema, _IMAGE, _holds_images)
            label = _column(schema, _LABEL, _holds_labels)
            if not self._image or not label:
                lacks = "images (image: bytes)" if not self._image else "classes (label: a whole number or a name)"
                has = ", ".join(schema.names[:8])
                raise DataError(
                    f"'{name}' has no column of {lacks}, its columns are {has[:200]}; rename the one it is."
                )
            return table.read([label]).column(0).to_pylist(), _names(schema, label), (self._image, label)
        except DataError:
            raise
        except Exception as error:  # pyarrow raises errors of very many kinds
            raise DataError(
                f"'{name}' is not a parquet file that can be read ({type(error).__name__}); write it anew."
            ) from None

    def _table(self) -> Any:
        from pyarrow.parquet import ParquetFile  # comes with streamlit; 40 MB that most never need

        return ParquetFile(self._place.open(self._file))

    def bytes_of(self, row: int) -> bytes:
        """A row's image file; OSError where there is none."""
        kept, start, end = self._place_of(row)
        return os.pread(kept.fileno(), end - start, start)

    def size(self, row: int) -> tuple[int, ...]:
        """(bytes of a row's image file, then what changes with the parquet file); OSError where there is none."""
        _, start, end = self._place_of(row)
        return (end - start, row, *self._place.stamp(self._file))

    def _place_of(self, row: int) -> tuple[IO[bytes], int, int]:
        """Where a row's image lies, all of the file's once they are written."""
        with self._lock:
            if self._kept is None:
                ends = [0]
                self._kept = kept(self._images(ends), _MOST_IMAGES, self._file[-60:])
                self._ends = np.array(ends, np.int64)
        if row + 1 >= len(self._ends):  # a damaged file has fewer images than labels
            raise OSError("not readable")
        return self._kept, int(self._ends[row]), int(self._ends[row + 1])

    def _images(self, ends: list[int]) -> Iterator[bytes]:
        """Every row's image; where each ends is added to `ends`."""
        try:
            for batch in self._table().iter_batches(_AT_ONCE, columns=[self._image]):
                for value in batch.column(0).to_pylist():
                    content = (value.get("bytes") if isinstance(value, dict) else value) or b""
                    content = content if len(content) <= MOST_BYTES else b""
                    ends.append(ends[-1] + len(content))
                    yield content
        except Exception as error:  # pyarrow raises errors of very many kinds
            raise OSError("not readable") from error


class _Rows:
    """Rows of parquet files, each as an image file."""

    def __init__(self, place: Place, shards: dict[str, _Shard]) -> None:
        self._place, self._shards = place, shards

    @property
    def left_out(self) -> Counter[str]:
        """See `place.Place`."""
        return self._place.left_out

    def stamp(self, file: str) -> tuple[int, ...]:
        """See `place.Place`."""
        name, _, row = file.rpartition(":")
        return self._shards[name].size(int(row))

    def open(self, file: str) -> BinaryIO:
        """See `place.Place`."""
        name, _, row = file.rpartition(":")
        return io.BytesIO(self._shards[name].bytes_of(int(row)))


def _column(schema: Any, wanted: Sequence[str], holds: Any) -> str:
    """The first of these names whose column holds such a thing, else the only column that does."""
    able = [field.name for field in schema if holds(field.type)]
    named = [name for name in wanted if name in able]
    return named[0] if named else able[0] if len(able) == 1 else ""


def _holds_images(kind: Any) -> bool:
    """Whether a column is of encoded images: bytes, or a struct that has them."""
    from pyarrow import types

    if types.is_struct(kind):
        return any(field.name == "bytes" and types.is_binary(field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _holds_labels(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind))


def _names(schema: Any, label: str) -> list[str]:
    """The names of a column's numbers, as `datasets` writes them into the file."""
    try:
        said = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = said["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []
