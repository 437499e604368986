"""Evidence: what was gathered from training images, whichever pass did it.

Next door: `statistics` and `gates` gather it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..types import DataError, ModelInfo


@dataclass(frozen=True)
class Gathered(ABC):
    """What was seen of a model on so many training `images` of the set `data`, drawn with `seed`."""

    data: str
    images: int
    seed: int

    @abstractmethod
    def arrays(self) -> Iterator[np.ndarray]:
        """Every array."""

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        return sum(array.nbytes for array in self.arrays())

    def checked(self, info: ModelInfo) -> Self:
        """The same; raises DataError where a number is NaN or infinite."""
        if not all(np.isfinite(array).all() for array in self.arrays()):
            raise not_finite(info)
        return self


def not_finite(info: ModelInfo) -> DataError:
    """What is raised where numbers gathered on a model are NaN or infinite."""
    return DataError(
        f"What '{info.name}' answers on its training images is not finite; check its weights, or choose a criterion "
        "that reads weights only."
    )
