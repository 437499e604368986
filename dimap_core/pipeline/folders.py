"""A model's own answers in the place of what nobody tells: which folder is which output, and labels of images that
have none.

Next door: `images` asks; `measure.order` has the assignment; `doubts` holds a guess against all answers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from ..data import Answered, ImageSource, normalised, sampled
from ..measure import BATCH_SIZE, answered
from ..types import LabelledImages, ModelInfo

_EACH, _ALL = 20, 4000  # images of a folder that are asked about, and of all
_MOST = 2000  # folders
_AGREE = 0.5  # of the images held apart, beyond chance


def by_answers(
    source: ImageSource, model: nn.Module, info: ModelInfo, folders: int
) -> Iterator[tuple[int, int, Answered | None]]:
    """Yield (images answered, of how many, None), at last what the answers say: nothing where fewer than half of the
    images that were held apart agree."""
    if not 2 <= folders <= _MOST:
        return
    data = sampled(source, model, info, max(4, min(_EACH, _ALL // folders)))
    answers = np.empty(0, np.int64)
    for done, total, answers in answers_to(data, model, info):  # noqa: B007
        yield done, total, None
    if not len(answers):
        return
    outputs: int = model.num_classes  # type: ignore[assignment]
    found, held = answered(data.labels, answers, len(data.class_names), outputs)
    if held.low <= _AGREE or (found >= 0).sum() < 2:
        return
    how = (
        f"The model's outputs have no names: which of the {folders:,} folders is which was found from its own answers "
        f"on half of {len(data):,} images and holds on {100 * held.value:.0f} % ({100 * held.low:.0f} to "
        f"{100 * held.high:.0f}) of n = {held.n:,} others; where it errs throughout, it would look better than it is."
    )
    yield len(data), len(data), (dict(zip(data.class_names, found.tolist(), strict=True)), how)


def answers_to(data: LabelledImages, model: nn.Module, info: ModelInfo) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield (images answered, of how many, the outputs that answer them, int64 [answered]), in the data's order."""
    place, found = next(model.parameters()).device, np.empty(0, np.int64)
    for start in range(0, len(data), BATCH_SIZE):
        with torch.inference_mode():
            logits = model(normalised(info, data.images[start : start + BATCH_SIZE]).to(place))
        found = np.concatenate([found, logits.argmax(-1).cpu().numpy()])
        yield len(found), len(data), found
