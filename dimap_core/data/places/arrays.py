"""Images that lie as arrays: in memory, in an .npz of MedMNIST's form, in CIFAR's binary files.

Next door: `place` says what a place is, `parquet` has images in a table.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from ...types import DataError
from .place import Place

MOST = 1024**3  # bytes of arrays in memory
_SPLITS = ("train", "val", "test")
_SIDE = 32  # pixels of CIFAR
# CIFAR's binary versions: label bytes before an image, which of them is the class, the file of names (cs.toronto.edu).
_CIFAR: dict[str, tuple[int, int, str, dict[str, tuple[str, ...]]]] = {
    "CIFAR-10": (
        1, 0, "batches.meta.txt",
        {"test": ("test_batch.bin",), "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6))},
    ),
    "CIFAR-100": (2, 1, "fine_label_names.txt", {"test": ("test.bin",), "train": ("train.bin",)}),
}  # fmt: skip


class Arrays:
    """Images in memory as a tree: splits, a folder a class in each; `splits`: name -> (uint8 [N, 3, H, W], labels)."""

    labelled: bool = True

    def __init__(
        self, splits: Mapping[str, tuple[np.ndarray, np.ndarray]], class_names: tuple[str, ...], told: str = "",
        order: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.left_out: Counter[str] = Counter()
        self.told, self.order = told, order
        self._splits, self._names = splits, class_names

    def folders(self, at: str) -> list[str]:
        """See `place.Place`."""
        return sorted(self._names) if at in self._splits else [] if at else sorted(self._splits)

    def files(self, at: str) -> list[str]:
        """See `place.Place`."""
        split, _, name = at.partition("/")
        if split not in self._splits or name not in self._names:
            return []
        numbers = np.flatnonzero(self._splits[split][1] == self._names.index(name))
        return [f"{split}/{number:08d}.bmp" for number in numbers]

    def beside(self) -> list[str]:
        """See `place.Place`."""
        return []

    def stamp(self, file: str) -> tuple[int, ...]:
        """See `place.Place`."""
        return (self._image(file).nbytes,)

    def open(self, file: str) -> BinaryIO:
        """The image as a BMP, which loses nothing."""
        content = io.BytesIO()
        Image.fromarray(self._image(file).transpose(1, 2, 0)).save(content, "BMP")
        content.seek(0)
        return content

    def _image(self, file: str) -> np.ndarray:
        split, _, name = file.partition("/")
        return self._splits[split][0][int(name.removesuffix(".bmp"))]


def from_npz(path: Path) -> Arrays:
    """An .npz with `test_images`, `test_labels` (MedMNIST, medmnist.com), `val_...` and `train_...`; raises DataError
    for any other. Images are uint8 [N, H, W] or [N, H, W, 1 or 3], labels [N] or [N, 1]."""
    try:
        with zipfile.ZipFile(path) as packed:
            members = {row.filename.removesuffix(".npy"): row for row in packed.infolist()}
            wanted = {f"{split}_{what}" for split in _SPLITS for what in ("images", "labels")} & members.keys()
            if sum(members[name].file_size for name in wanted) > MOST:
                raise DataError(
                    f"'{path.name[:80]}' holds arrays of more than {MOST // 1024**3} GiB; give a smaller size of the "
                    "images, or a folder with a sub-folder for every class."
                )
            found = {name: _array(packed, members[name]) for name in sorted(wanted)}
    except (zipfile.BadZipFile, OSError, ValueError, MemoryError, EOFError, NotImplementedError, RuntimeError) as error:
        raise _no_npz(path, f"cannot be read ({type(error).__name__})") from None
    splits = {split: _split(path, split, found) for split in _SPLITS if f"{split}_images" in found}
    if not splits:
        raise _no_npz(path, "holds no images under these names")
    highest = max((int(labels.max()) for _, labels in splits.values() if len(labels)), default=0)
    names = tuple(map(str, range(highest + 1)))
    return Arrays(splits, names, "Images and labels are the arrays of an .npz file.", names)


def _array(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """One array, never a pickled one."""
    with packed.open(member) as file:
        return np.load(io.BytesIO(file.read(member.file_size)), allow_pickle=False)


def _split(path: Path, split: str, found: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [N, 3, H, W] and int64 [N], without a copy."""
    images, labels = found[f"{split}_images"], found.get(f"{split}_labels", np.empty(0))
    images = images[..., None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise _no_npz(path, f"holds {split}_images of {images.dtype} {list(images.shape)}")
    if labels.size != len(images) or labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise _no_npz(path, f"holds {split}_labels of {labels.dtype} {list(labels.shape)}, not one class an image")
    planes = images.transpose(0, 3, 1, 2)
    return np.broadcast_to(planes, (len(planes), 3, *planes.shape[2:])), labels.reshape(-1).astype(np.int64)


def _no_npz(path: Path, why: str) -> DataError:
    return DataError(
        f"'{path.name[:80]}' {why}; an .npz is read that has test_images (uint8, N x height x width, grey or RGB) and "
        "test_labels (one whole number an image), or the same of val and train."
    )


def from_cifar(place: Place, at: str) -> Arrays | None:
    """CIFAR's binary version, where its files lie in that folder of a place; raises DataError where one is damaged."""
    files = {file.rpartition("/")[2]: file for file in place.beside() if file.rpartition("/")[0] == at}
    for title, (before, which, names_file, batches) in _CIFAR.items():
        if names_file not in files or not any(name in files for names in batches.values() for name in names):
            continue
        with place.open(files[names_file]) as file:
            names = tuple(file.read(2**16).decode("utf-8", "replace").split())
        splits = {
            split: _records([(place, files[name]) for name in wanted if name in files], before, which, len(names))
            for split, wanted in batches.items()
        }
        held = {split: found for split, found in splits.items() if len(found[1])}
        return Arrays(held, names, f"Images and labels are those of {title}'s binary version.", names)
    return None


def _records(files: list[tuple[Place, str]], before: int, which: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of `before` bytes and a picture by planes, one record after another."""
    size, parts = before + 3 * _SIDE**2, []
    for place, file in files:
        whole = place.stamp(file)[0] <= MOST // 4
        with place.open(file) as content:
            found = np.frombuffer(content.read() if whole else b"", np.uint8)
        if not len(found) or len(found) % size or (found.reshape(-1, size)[:, which] >= classes).any():
            raise DataError(f"'{file[-60:]}' is not whole; fetch CIFAR's binary version anew.")
        parts.append(found.reshape(-1, size))
    rows = np.concatenate(parts) if parts else np.empty((0, size), np.uint8)
    return rows[:, before:].reshape(-1, 3, _SIDE, _SIDE), rows[:, which].astype(np.int64)
