"""Which images a model is judged by, as plain data: where they lie, how many, drawn how. No torch: the app writes it,
the worker reads it.

Next door: `registry` has the sets, `from_source` makes images of it, `permitted` says which paths a browser may name,
`service.uploads` keeps zips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..types import DataError

FOLDER, ZIP = "folder:", "zip:"
COUNT = 1000  # images judged unless someone chooses another number
MOST = 10_000  # images that a browser may ask for; their pixels lie on disk for the gallery
LEFT_OUT = -1
PACKED = ("zip", "tar", "tgz", "gz", "txz", "xz", "npz", "parquet")
"""What files of images end in; their content decides how they are read."""


@dataclass(frozen=True)
class ImageSource:
    """Images to judge by.

    `source`: "folder:PATH", "zip:PATH" (any file of `PACKED`) or the name of a set; `count`: at most so many, of every
    class nearly as many (0: all), drawn with `seed`; `classes`: (folder, model output) pairs set by hand, `LEFT_OUT`
    for a folder that is not judged; `title`: what its owner calls it, by default the path's last part; `split`: which
    of several is judged, "" for the first of val, validation, valid and test.
    """

    source: str
    count: int = COUNT
    seed: int = 0
    classes: tuple[tuple[str, int], ...] = ()
    title: str = ""
    split: str = ""

    def request(self) -> dict[str, Any]:
        """As JSON, for the worker."""
        classes = [list(pair) for pair in self.classes]
        return {**vars(self), "classes": classes}


def from_request(request: Mapping[str, Any]) -> ImageSource:
    """What `ImageSource.request` wrote."""
    classes = tuple((str(folder), int(output)) for folder, output in request["classes"])
    return ImageSource(
        request["source"], request["count"], request["seed"], classes, request["title"], request.get("split", "")
    )


def check_count(count: int, seed: int) -> None:
    """Raise DataError for a number of images or a seed that cannot be."""
    if not (isinstance(count, int) and 2 <= count <= MOST):
        raise DataError(f"The number of images must be from 2 to {MOST:,}, not {str(count)[:20]}.")
    if not (isinstance(seed, int) and 0 <= seed < 2**32):
        raise DataError(f"The seed of the images must be from 0 to {2**32 - 1:,}, not {str(seed)[:20]}.")
