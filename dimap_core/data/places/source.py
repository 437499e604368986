"""What a path is, told by its content: a folder, a zip, a tar, an .npz, a parquet file; and the classes of its images.

Next door: `labels` finds classes that are not folders.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from ...types import DataError, is_file
from .archive import Zip
from .arrays import from_cifar, from_npz
from .grouped import Grouped
from .labels import gathered, has_classes, labelled, unlabelled
from .parquet import from_parquet
from .place import Place
from .tar import Tar
from .trees import Folder

_PICKLED = re.compile(r"cifar-?100?-(?:batches-py|python)", re.I)
_PICKLES = ("data_batch_1", "test_batch", "fine_label_names")  # those without an ending
_PARQUET = ".parquet"


def place_at(path: Path, title: str, packed: bool) -> Place:
    """The place at a path, its classes as folders; `packed`: it is a file whatever it looks like."""
    path = _expanded(path)
    a_file = packed or is_file(str(path))
    pickled = _PICKLED.search(title) if a_file else any(is_file(str(path / name)) for name in _PICKLES)
    if pickled:
        raise DataError(
            f"'{title}' is CIFAR's Python version, whose files could run code when they are read; give its binary "
            "version (cifar-10-batches-bin or cifar-100-binary), from the same page, or choose the set cifar10."
        )
    if not a_file:
        return with_classes(Folder(path), title)
    found = _file(path, packed)
    return found if found.told else with_classes(found, title)


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # no such user, which whoever opens it says
        return path


def _file(path: Path, packed: bool) -> Place:
    head = _head(path)
    if head.startswith(b"PAR1"):
        return from_parquet(Folder(path.parent), [path.name], path.name)
    if head.startswith((b"\x1f\x8b", b"\xfd7zXZ\x00")) or head[257:262] == b"ustar" or path.suffix.lower() == ".tar":
        return Tar(path)
    if path.suffix.lower() == ".npz" or _has_arrays(path, head):
        return from_npz(path)
    # What is none of these is no folder either, and Folder says so.
    return Zip(path) if packed or path.suffix.lower() == ".zip" or head.startswith(b"PK") else Folder(path)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError:
        return b""


def _has_arrays(path: Path, head: bytes) -> bool:
    """Whether a zip begins with one of numpy's arrays; its directory is not read for that."""
    return head.startswith(b"PK") and b".npy" in head and zipfile.is_zipfile(path)


def with_classes(place: Place, title: str) -> Place:
    """The place itself where its folders are classes, else as tables, files of many images or names say; images of one
    folder without labels where nothing does."""
    if has_classes(place):
        return place
    found = gathered(place)
    tables = [file for file in found.beside if file.lower().endswith(_PARQUET)]
    if tables and not found.images:
        return from_parquet(place, tables, title)
    for at in dict.fromkeys(file.rpartition("/")[0] for file in found.beside if file.endswith(".bin")):
        cifar = from_cifar(place, at)
        if cifar is not None:
            return cifar
    grouped: Grouped | None = labelled(place, found) or unlabelled(place, found)
    return grouped or place
