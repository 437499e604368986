"""How far a cut's answers are from the dense model's, image by image: Kullback and Leibler's divergence, no labels.

It moves with every image and not only with those whose answer flips, so a few hundred images order cuts that top-1
could not tell apart. Next door: `accuracy` judges in the end; what was chosen by the numbers of this file is never
judged on the same images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle

import numpy as np
import torch
from torch import nn

from ..data import check_fit, normalised, restricted
from ..types import LabelledImages, ModelInfo
from .accuracy import BATCH_SIZE, Runner


def log_answers(
    model: nn.Module,
    info: ModelInfo,
    data: LabelledImages,
    run: Runner | None = None,
    sizes: Iterable[int] = (BATCH_SIZE,),
) -> Iterator[torch.Tensor]:
    """Log-probabilities [batch, classes], float32, of one batch of images after another in the data's own order.

    `run` and `sizes`: see `accuracy.predict`. Raises DataError where the model was not trained on such images.
    """
    check_fit(info, data)
    size, place, start = cycle(sizes), next(model.parameters()).device, 0
    while start < len(data):
        part = np.arange(start, min(start + next(size), len(data)))

        def images(part: np.ndarray = part) -> torch.Tensor:
            return normalised(info, data.images[part]).to(place)

        with torch.inference_mode():
            logits = model(images()) if run is None else run((start, len(part)), images)
            yield restricted(logits.float(), data.outputs).log_softmax(-1).cpu()
        start += len(part)


def divergence(dense: torch.Tensor, cut: torch.Tensor) -> np.ndarray:
    """KL(dense || cut) of each image in nats, float64 [n], from log-probabilities [n, classes]."""
    first, second = dense.double(), cut.double()
    return (first.exp() * (first - second)).sum(-1).clamp(min=0).numpy()
