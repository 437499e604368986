"""Zips that people bring: their directories, and this project's own as a directory of three known files.

Next door: `torch_file` reads those of torch.save, `checkpoints` what was unpacked here.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...types import TEMPORARY, CheckpointError, is_of_disk, sentence, temporary
from ..checkpoints import CARD, LOADER, RECIPE, TENSORS
from .listing import MOST_TEXT, members, refused, starts

_MOST_RATIO = 100  # of unpacked to packed bytes; masks of zeros pack well


def is_own_zip(path: Path) -> bool:
    """Whether a file is the zip of a checkpoint directory that this project wrote."""
    if path.is_dir():
        return False
    return starts(path).startswith(b"PK") and any(Path(item.filename).name == CARD for item in members(path))


@contextmanager
def unpacked(path: Path, most: Callable[[Path], int]) -> Iterator[Path]:
    """This project's own zip as a directory, gone again afterwards; only its three known files are ever written.

    `most(directory)`: bytes that the weights may take, asked once the card lies there.
    """
    with temporary("dimap-checkpoint-") as place:
        try:
            _unpack(path, Path(place), most)
            yield Path(place)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(place, path.name[:120])) from error


def _unpack(path: Path, place: Path, most: Callable[[Path], int]) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            _unpack_known(archive, place, most)
    except (OSError, ValueError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        if is_of_disk(error):
            raise CheckpointError(sentence(place, error, TEMPORARY)) from error
        raise refused(f"is a damaged zip ({type(error).__name__})") from error


def _unpack_known(archive: zipfile.ZipFile, place: Path, most: Callable[[Path], int]) -> None:
    known = (TENSORS, CARD, RECIPE)
    items = [item for item in archive.infolist() if not item.is_dir()]
    folders = {item.filename.rpartition("/")[0] for item in items}
    around = f"{folders.pop()}/" if len(folders) == 1 and folders != {""} else ""  # a zip of the folder itself
    found = {item.filename.removeprefix(around): item for item in items}
    for name, item in found.items():
        if name not in (*known, LOADER) or stat.S_ISLNK(item.external_attr >> 16):
            raise refused(f"is a zip that holds '{name[:80]}'", f"zip {', '.join(known)} alone, as files")
    for name in known[1:]:
        if name in found:
            _extract(archive, found[name], place / name, MOST_TEXT)
    if TENSORS not in found or CARD not in found:
        raise refused(f"lacks {TENSORS} or {CARD}", "download it again")
    packed = sum(item.compress_size for item in found.values())
    _extract(archive, found[TENSORS], place / TENSORS, min(most(place), _MOST_RATIO * packed) + MOST_TEXT)


def _extract(archive: zipfile.ZipFile, item: zipfile.ZipInfo, place: Path, most: int) -> None:
    """Write one member to `place`; what it declares may be a lie, so what it gives is counted."""
    if item.file_size > most:
        raise refused(f"declares {item.file_size:,} bytes for '{item.filename}'", "prune that model again")
    free = shutil.disk_usage(place.parent).free
    if item.file_size > free // 2:
        raise refused("is larger than the space left on disk", "make room and try again")
    with archive.open(item) as packed, place.open("wb") as file:
        left = item.file_size
        while piece := packed.read(min(1024**2, left + 1)):
            left -= len(piece)
            if left < 0:
                raise refused(f"holds more of '{item.filename}' than it declares", "prune that model again")
            file.write(piece)
