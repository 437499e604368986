"""Moments: what layers see of a few training images, by forward passes alone. No labels, no gradients.

Next door: `statistics` has the same beside gradients of labelled images, `outputs` beside those of the model's own
answers; `plain` ranks by what is gathered here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ...anatomy import LayerInputs, Watch, evaluating
from ...data import normalised, unlabelled_subset
from ...types import Anatomy, LabelledImages, ModelInfo
from ..statistics import not_finite


@dataclass(frozen=True)
class InputMoments:
    """By prunable layer `inputs`, the moments of its inputs; by block `logits`, see `anatomy.Watch.logits`."""

    data: str
    images: int
    seed: int
    inputs: Mapping[str, LayerInputs]
    logits: Mapping[str, np.ndarray]

    def arrays(self) -> Iterator[np.ndarray]:
        """Every array."""
        yield from self.logits.values()
        for moments in self.inputs.values():
            yield from (moments.mean, moments.products)

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        return sum(array.nbytes for array in self.arrays())


def observe(
    model: nn.Module,
    info: ModelInfo,
    data: LabelledImages,
    anatomy: Anatomy,
    images: int = 256,
    batch: int = 32,
    seed: int = 0,
) -> Iterator[tuple[int, int, InputMoments | None]]:
    """Yield (images done, images in all, None) after every batch, the InputMoments with the last; close it to cancel.
    Raises DataError as `statistics.collect` does."""
    chosen = unlabelled_subset(info, data, images, seed)
    watch, first = Watch(anatomy), next(model.parameters())
    for start in range(0, len(chosen), batch):
        part = chosen[start : start + batch]
        with torch.inference_mode(), evaluating(model), watch.on(model):
            model(normalised(info, data.images[part]).to(first))
        done = start + len(part)
        found = InputMoments(data.name, done, seed, watch.inputs(), watch.logits()) if done == len(chosen) else None
        if found and not all(np.isfinite(array).all() for array in found.arrays()):
            raise not_finite(info)
        yield done, len(chosen), found
