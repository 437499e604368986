"""Which images a model is judged by, as plain data: where they lie, how many, drawn how. No torch: the app writes it,
the worker reads it.

Next door: `from_source` makes images of it, `permitted` says which paths a browser may name, `service.uploads` keeps
zips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..types import DataError, data_folder

FOLDER, ZIP = "folder:", "zip:"
COUNT = 1000  # images judged unless someone chooses another number
MOST = 10_000  # images that a browser may ask for; their pixels lie on disk for the gallery
LEFT_OUT = -1


@dataclass(frozen=True)
class ImageSet:
    """A known set that may lie in `data_folder()` under one of `places`; `reader`: torchvision's class for one that is
    no tree of folders."""

    key: str
    label: str
    places: tuple[str, ...]
    reader: str = ""

    @property
    def path(self) -> Path | None:
        """Where it lies; None: nowhere."""
        return next((data_folder() / place for place in self.places if (data_folder() / place).is_dir()), None)


SETS = (
    ImageSet("cifar10", "CIFAR-10", ("cifar-10-batches-py",), "CIFAR10"),
    ImageSet("cifar100", "CIFAR-100", ("cifar-100-python",), "CIFAR100"),
    ImageSet("imagenette", "Imagenette", ("imagenette2", "imagenette2-320", "imagenette2-160")),
    ImageSet("imagenet", "ImageNet (validation)", ("imagenet", "ILSVRC2012", "imagenet-val")),
)


@dataclass(frozen=True)
class ImageSource:
    """Images to judge by.

    `source`: "folder:PATH", "zip:PATH" or the name of a set; `count`: at most so many, of every class nearly as many
    (0: all), drawn with `seed`; `classes`: (folder, model output) pairs set by hand, `LEFT_OUT` for a folder that is
    not judged; `title`: what its owner calls it, by default the path's last part.
    """

    source: str
    count: int = COUNT
    seed: int = 0
    classes: tuple[tuple[str, int], ...] = ()
    title: str = ""

    def request(self) -> dict[str, Any]:
        """As JSON, for the worker."""
        classes = [list(pair) for pair in self.classes]
        return {**vars(self), "classes": classes}


def from_request(request: Mapping[str, Any]) -> ImageSource:
    """What `ImageSource.request` wrote."""
    classes = tuple((str(folder), int(output)) for folder, output in request["classes"])
    return ImageSource(request["source"], request["count"], request["seed"], classes, request["title"])


def image_set(key: str) -> ImageSet | None:
    """The known set of that name, or None."""
    return next((known for known in SETS if known.key == key), None)


def check_count(count: int, seed: int) -> None:
    """Raise DataError for a number of images or a seed that cannot be."""
    if not (isinstance(count, int) and 2 <= count <= MOST):
        raise DataError(f"The number of images must be from 2 to {MOST:,}, not {str(count)[:20]}.")
    if not (isinstance(seed, int) and 0 <= seed < 2**32):
        raise DataError(f"The seed of the images must be from 0 to {2**32 - 1:,}, not {str(seed)[:20]}.")
