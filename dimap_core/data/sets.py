"""Known sets as trees of images: CIFAR as torchvision reads it, Imagenette and ImageNet as the folders they are, and
the bundled sets for models that were not trained on them.

Nothing is fetched unless someone asks for it by name (`fetch`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from ..errors import DataError, Offline
from ..sources import SETS, ImageSet, data_folder
from ..writing import is_of_disk, whole_folder
from .places import Arrays, Folder, Place

_BUNDLED = ("digits", "textured-digits")
FETCHED = ("cifar10", "cifar100", "imagenette")


def place(known: ImageSet) -> Place:
    """The set on this machine's disk; raises DataError where it is not there."""
    path = known.path
    if path is None:
        ways = f"fetch it with 'python -m dimap_core fetch {known.key}'" if known.key in FETCHED else "put it there"
        raise DataError(f"{known.label} is not in '{data_folder()}' ({' or '.join(known.places)}); {ways}.")
    return _cifar(known, path.parent) if known.reader else Folder(path)


def _cifar(known: ImageSet, root: Path) -> Arrays:
    """Both splits; torchvision compares the files' checksums with CIFAR's own before it reads them."""
    splits, names = {}, ()
    for split in ("val", "train"):
        try:
            found: Any = getattr(datasets, known.reader)(root, train=split == "train", download=False)
        except (RuntimeError, OSError) as error:
            raise DataError(
                f"{known.label} in '{root}' is incomplete or damaged; delete it and fetch it anew with 'python -m "
                f"dimap_core fetch {known.key}'."
            ) from error
        images = np.ascontiguousarray(found.data.transpose(0, 3, 1, 2))
        splits[split], names = (images, np.asarray(found.targets)), tuple(found.classes)
    return Arrays(splits, names)


def bundled(name: str) -> Arrays:
    """A bundled set by name, for another model than its own; raises DataError for a name that is none."""
    from . import load_data  # the registry lists the bundled sets beside this module

    known = (*_BUNDLED, *(known.key for known in SETS))
    if name not in _BUNDLED:
        raise DataError(
            f"There is no data set '{name[:80]}'; choose one of {', '.join(known)}, or write folder:PATH or zip:PATH."
        )
    found = {split: load_data(name, split) for split in ("val", "train")}
    return Arrays({split: (data.images, data.labels) for split, data in found.items()}, found["val"].class_names)


def fetch(name: str) -> Path:
    """Download a known set into `data_folder()`, whole or not at all; returns where it lies. Raises DataError for a set
    that cannot be fetched or kept, Offline where its server is not reached."""
    known = next((known for known in SETS if known.key == name and name in FETCHED), None)
    if known is None:
        raise DataError(f"'{name[:80]}' cannot be fetched; those that can are {', '.join(FETCHED)}.")
    root = data_folder()
    if known.path is not None:
        place(known)  # whole, as far as that can be told
        return known.path
    with whole_folder(root, DataError, "another folder by DIMAP_DATA") as part:
        try:
            if known.reader:
                getattr(datasets, known.reader)(part, download=True)
            else:
                datasets.Imagenette(part, size="320px", download=True)
        except Exception as error:  # downloads fail with the errors of several libraries
            if is_of_disk(error):
                raise
            raise Offline(
                f"{known.label} could not be fetched ({type(error).__name__}); connect to the internet, or put it "
                f"into '{root}' yourself."
            ) from error
    return known.path or root
