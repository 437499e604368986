"""Image sets by name: `DATASETS` is the list that pickers, commands, training and tests read. No torch: a set's file is
read when its images are asked for.

To add one that comes with the project: a file with `load(split) -> LabelledImages` and a row here; one that lies on
disk as folders is a row alone. CONTRIBUTING.md has a whole one.
Next door: `sets` reads and fetches those on disk, `sources` says which images somebody chose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from ..types import DataError, LabelledImages, data_folder


@dataclass(frozen=True)
class ImageSet:
    """A row of the registry.

    Either `load(split)` makes the images ("train" or "val"), or they may lie in `data_folder()` under one of `places`:
    as folders, or as torchvision's class `reader` reads them; `archive`: address and MD5 of what can be fetched, of
    `size` bytes.
    `augment`: what suits training on it; `cues`: what its cues are, in a sentence, if it has any.
    """

    key: str
    label: str
    load: Callable[[str], LabelledImages] | None = None
    places: tuple[str, ...] = ()
    reader: str = ""
    archive: tuple[str, str] | None = None
    size: int = 0
    augment: str = "flips"
    cues: str = ""

    @property
    def path(self) -> Path | None:
        """Where it lies; None: nowhere."""
        return next((data_folder() / place for place in self.places if (data_folder() / place).is_dir()), None)


def _file(name: str) -> Callable[[str], LabelledImages]:
    """`load` of a file beside this one; torch comes with the images, not with the list."""
    return lambda split: import_module(f".{name}", __package__).load(split)


DATASETS = (
    ImageSet("digits", "Digits", _file("digits"), augment="affine"),
    ImageSet(
        "textured-digits",
        "Textured digits",
        _file("textured"),
        augment="shifts",
        cues="Each image shows a digit (global cue) on a texture (local cue). Joint means both must be right.",
    ),
    ImageSet(
        "cifar10",
        "CIFAR-10",
        places=("cifar-10-batches-py",),
        reader="CIFAR10",
        archive=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),
        size=170_498_071,
    ),
    ImageSet(
        "cifar100",
        "CIFAR-100",
        places=("cifar-100-python",),
        reader="CIFAR100",
        archive=("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"),
        size=169_001_437,
    ),
    ImageSet(
        "imagenette",
        "Imagenette",
        places=("imagenette2", "imagenette2-320", "imagenette2-160"),
        archive=("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz", "3df6f0d01a2c9592104656642f5e78a3"),
        size=341_663_724,
    ),
    ImageSet("imagenet", "ImageNet (validation)", places=("imagenet", "ILSVRC2012", "imagenet-val")),
)


def image_set(key: str | None) -> ImageSet | None:
    """The row of that key, or None."""
    return next((row for row in DATASETS if row.key == key), None)


def is_drawn(key: str | None) -> bool:
    """Whether a set was drawn pixel by pixel, so that its images are enlarged in blocks; photographs are smooth."""
    found = image_set(key)
    return found is not None and found.load is not None


@lru_cache(maxsize=4)
def load_data(name: str, split: str = "val") -> LabelledImages:
    """A split of a set that comes with the project; raises DataError for a name that is none."""
    found = image_set(name)
    if found is None or found.load is None:
        known = ", ".join(row.key for row in DATASETS if row.load)
        raise DataError(f"There is no data set '{name}'; choose one of {known}.")
    return found.load(split)
