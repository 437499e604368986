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
from ..evidence import Gathered

_PIXELS = 16 * 224**2  # what one pass sees


@dataclass(frozen=True)
class InputMoments(Gathered):
    """By prunable layer `inputs`, the moments of its inputs; by block `logits`, see `anatomy.Watch.logits`."""

    inputs: Mapping[str, LayerInputs]
    logits: Mapping[str, np.ndarray]

    def arrays(self) -> Iterator[np.ndarray]:
        """Every array."""
        yield from self.logits.values()
        for moments in self.inputs.values():
            yield from (moments.mean, moments.products)


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
    batch = min(batch, max(1, _PIXELS // info.input_size**2))
    for start in range(0, len(chosen), batch):
        part = chosen[start : start + batch]
        with torch.inference_mode(), evaluating(model), watch.on(model):
            model(normalised(info, data.images[part]).to(first))
        done = start + len(part)
        if done < len(chosen):
            yield done, len(chosen), None
    yield done, done, InputMoments(data.name, done, seed, watch.inputs(), watch.logits()).checked(info)
