"""Known sets as trees of images: CIFAR as torchvision reads it, Imagenette and ImageNet as the folders they are, and
the bundled sets for models that were not trained on them.

Nothing is fetched unless someone asks for it by name (`fetch`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets
from torchvision.datasets.utils import check_md5, extract_archive

from ..types import DataError, Offline, data_folder, is_of_disk, told as disk_told, whole_folder
from .download import Download, download
from .places import Arrays, Folder, Place
from .registry import DATASETS, ImageSet, image_set, load_data

_ELSEWHERE = "another folder by DIMAP_DATA"
_LOOK = 0.2  # seconds between two looks at a download


def place(known: ImageSet) -> Place:
    """The set with its splits; raises DataError where it is on disk and not there."""
    if known.load:
        return _bundled(known)
    path = known.path
    if path is None:
        ways = f"fetch it with 'python -m dimap_core fetch {known.key}'" if known.archive else "put it there"
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


def _bundled(known: ImageSet) -> Arrays:
    """Both splits of a set that comes with the project, for another model than its own."""
    found = {split: load_data(known.key, split) for split in ("val", "train")}
    return Arrays({split: (data.images, data.labels) for split, data in found.items()}, found["val"].class_names)


def fetching(name: str) -> Iterator[Download]:
    """`fetch` in a thread of its own; yields how far it is, five times a second. What has come stays where the
    process ends. Raises what `fetch` does."""
    known = image_set(name)
    download = Download(f"Fetching {known.label if known else name[:80]}")

    def work() -> None:
        try:
            fetch(name, download)
        except Exception as error:  # whatever ends the thread is raised by whoever follows it
            download.error = error
        finally:
            download.ended.set()

    threading.Thread(target=work, daemon=True).start()
    while not download.ended.wait(_LOOK):
        yield download
    if download.error is not None:
        raise download.error
    yield download


def fetch(name: str, told: Download | None = None) -> Path:
    """Download a known set into `data_folder()`, unless it is there, whole or not at all; returns where it lies. `told`
    hears how far it is.

    Raises DataError for a set that cannot be fetched or kept, or is not what was published, Offline where its server is
    not reached; what came of it by then is not fetched again.
    """
    known = image_set(name)
    if known is None or known.archive is None:
        able = ", ".join(row.key for row in DATASETS if row.archive)
        raise DataError(f"'{name[:80]}' cannot be fetched; those that can are {able}.")
    root = data_folder()
    with disk_told(root, DataError, _ELSEWHERE):
        try:
            root.mkdir(parents=True, exist_ok=True)
            _bring(known, known.archive, root, told)
        except DataError:
            raise
        except Exception as error:  # downloads fail with the errors of several libraries
            if is_of_disk(error):
                raise
            raise Offline(
                f"{known.label} could not be fetched ({type(error).__name__}); connect to the internet, or put it into "
                f"'{root}' yourself."
            ) from error
    return known.path or root


def _bring(known: ImageSet, archive: tuple[str, str], root: Path, told: Download | None) -> None:
    """Fetch a set's archive and unpack it beside its place, moved there whole."""
    with suppress(DataError):
        place(known)  # CIFAR's files are checked one by one
        return
    url, md5 = archive
    packed = root / url.rpartition("/")[2]
    heard = {"tqdm_class": told.bar()} if told else {}  # else the client shows its own bar on the terminal
    download(url, packed, lambda path: check_md5(path, md5), headers={"Accept-Encoding": "identity"}, **heard)
    if told:
        told.doing = f"Unpacking {known.label}"
    with whole_folder(root, DataError, _ELSEWHERE) as unpacked:
        extract_archive(packed, unpacked)
