"""Data sets by name. One file a data set; `DATASETS` is the list that pickers, CLI and tests read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from ..types import DataError, LabelledImages
from . import digits, textured


@dataclass(frozen=True)
class DatasetInfo:
    """A row of the data registry; `load(split)` takes "train" or "val"."""

    key: str
    label: str
    load: Callable[[str], LabelledImages]
    summary: str


DATASETS = (
    DatasetInfo("digits", "Digits", digits.load, "Real handwritten digits, 32x32, 540 validation images."),
    DatasetInfo(
        "textured-digits",
        "Textured digits",
        textured.load,
        "The same handwriting filled and surrounded by one of four textures, 64x64, 1,080 validation images.",
    ),
)


@lru_cache(maxsize=4)
def load_data(name: str, split: str = "val") -> LabelledImages:
    """Load a data set split; raises DataError for a name that is not in `DATASETS`."""
    for info in DATASETS:
        if info.key == name:
            return info.load(split)
    raise DataError(f"There is no data set '{name}'; choose one of {', '.join(info.key for info in DATASETS)}.")
