"""What a path is, told by its content: a folder, a zip, a tar, an .npz, a parquet file; and the classes of its images.

Next door: `labels` finds classes that are not folders.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from ...types import DataError
from .archive import Zip
from .arrays import from_cifar, from_npz
from .grouped import Grouped
from .labels import gathered, has_classes, labelled, unlabelled
from .parquet import from_parquet
from .place import Place
from .tar import Tar
from .trees import Folder

_PICKLED = re.compile(r"cifar-?100?-(?:batches-py|python)", re.I)
_PARQUET = ".parquet"


def place_at(path: Path, title: str, packed: bool) -> Place:
    """The place at a path, its classes as folders; `packed`: it is a file whatever it looks like."""
    if _PICKLED.search(title) or (path / "data_batch_1").exists() or (path / "fine_label_names").exists():
        raise DataError(
            f"'{title}' is CIFAR's Python version, whose files could run code when they are read; give its binary "
            "version (cifar-10-batches-bin or cifar-100-binary), from the same page, or choose the set cifar10."
        )
    if not packed and not path.is_file():
        return with_classes(Folder(path), title)
    found = _file(path)
    return found if found.told else with_classes(found, title)


def _file(path: Path) -> Place:
    head = _head(path)
    if head.startswith(b"PAR1"):
        single = Folder(path.parent)
        return from_parquet(single, [path.name], path.name)
    if head.startswith((b"\x1f\x8b", b"\xfd7zXZ\x00")) or head[257:262] == b"ustar" or path.suffix.lower() == ".tar":
        return Tar(path)
    if not head and path.suffix.lower() != ".zip":
        return Folder(path)  # which says what is wrong
    return from_npz(path) if path.suffix.lower() == ".npz" or _has_arrays(path) else Zip(path)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError:
        return b""


def _has_arrays(path: Path) -> bool:
    """Whether a zip holds numpy's arrays, looked at without its whole directory being read into memory."""
    try:
        if path.stat().st_size == 0:
            return False
        with path.open("rb") as file:
            first = file.read(256)
        return first.startswith(b"PK") and b".npy" in first and zipfile.is_zipfile(path)
    except OSError:
        return False


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
