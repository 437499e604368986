"""Labelled images, as every room passes them on.

Next door: `data` brings them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

AGREEMENT = "agreement."
"""How the name of images begins whose labels are the dense model's own answers: what is right says that the pruned
model answers as the dense one does, and nothing of accuracy. No other name has a "."."""


def is_agreement(name: str | None) -> bool:
    """Whether images of that name have the dense model's answers for labels."""
    return name is not None and name.startswith(AGREEMENT)


@dataclass(frozen=True)
class LabelledImages:
    """A data set split; caches key on its `name`.

    `images`: uint8 [N, 3, H, W], an array or, decoded as it is read, what takes the same indices; `labels`: int64 [N];
    `cues`: per cue name an int64 array [classes] that maps each joint class to that cue's value; `cue_names`: per cue
    the names of its values. `outputs`: int64 [classes], the model's outputs that compete; None: all, in order.
    """

    name: str
    images: Any
    labels: np.ndarray
    class_names: tuple[str, ...]
    cues: Mapping[str, np.ndarray] = field(default_factory=dict)
    cue_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outputs: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)
