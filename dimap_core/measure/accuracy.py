"""Streaming accuracy: a generator of ever better estimates, batch by batch, in a fixed stratified order.

What predictions say is counted in `predictions`; who asks, and who cancels by closing the generator, is not known here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Protocol

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from ..data import check_fit, normalised, restricted, stratified_order
from ..types import AccuracyEstimate, LabelledImages, ModelInfo
from .predictions import Predictions, accuracy, concatenate

BATCH_SIZE = 60
Runner = Callable[[Hashable, Callable[[], torch.Tensor]], torch.Tensor]
"""(batch's name, maker of its normalised pixels) -> logits."""


@dataclass(frozen=True)
class Masked:
    """Runs `model` with some of its parameters replaced; the model itself is not touched. `bf16`: under autocast."""

    model: nn.Module
    weights: Mapping[str, torch.Tensor]
    bf16: bool = False

    def __call__(self, _: Hashable, images: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Logits of one batch."""
        with _cast(self.model) if self.bf16 else nullcontext():
            inputs = images()
            return functional_call(self.model, dict(self.weights), (inputs,)) if self.weights else self.model(inputs)


class Crew(Protocol):
    """Other processes that judge beside this one."""

    def predict(
        self, run: Masked, info: ModelInfo, data: LabelledImages, batches: list[np.ndarray]
    ) -> Iterator[Predictions]:
        """What `predict` yields for these batches of numbers of images, in their order."""


_hired: list[Crew] = []


@contextmanager
def hired(crew: Crew) -> Iterator[None]:
    """While the block lasts, what is judged to the end (`predict_to_end`) is judged by that crew."""
    _hired.append(crew)
    try:
        yield
    finally:
        _hired.remove(crew)


def predict(
    model: nn.Module,
    info: ModelInfo,
    data: LabelledImages,
    run: Runner | None = None,
    limit: int | None = None,
    sizes: Iterable[int] = (BATCH_SIZE,),
    start: int = 0,
) -> Iterator[Predictions]:
    """Yield the predictions of one batch after another, in stratified order.

    `run(batch, images)` gives the logits of a masked or cached model, None: the model's own. `sizes` are the batches'
    sizes, begun anew when used up; images before the `start`-th of the order are left out.
    """
    place = next(model.parameters()).device
    for part in batches(info, data, limit, sizes, start):
        yield answers(info, data, part, run or Masked(model, {}), (start, len(part)), place)
        start += len(part)


def batches(
    info: ModelInfo, data: LabelledImages, limit: int | None, sizes: Iterable[int], start: int = 0
) -> Iterator[np.ndarray]:
    """Numbers of the images of one batch after another, as `predict` judges them; raises DataError where the model was
    not trained on such images."""
    check_fit(info, data)
    order, size = stratified_order(data.labels)[:limit], cycle(sizes)
    while start < len(order):
        yield (part := order[start : start + next(size)])
        start += len(part)


def answers(
    info: ModelInfo, data: LabelledImages, part: np.ndarray, run: Runner, name: Hashable, place: torch.device
) -> Predictions:
    """What a model says of the images of those numbers; `name`: of the batch, for a cache."""

    def images() -> torch.Tensor:
        return normalised(info, data.images[part]).to(place)

    begun = time.perf_counter()
    with torch.inference_mode():
        logs = restricted(run(name, images).float(), data.outputs).log_softmax(-1).cpu()
    best = logs.topk(min(5, logs.shape[-1]))
    hits = (best.indices.numpy() == data.labels[part][:, None]).any(1)
    shares = best.values[:, :2].exp().numpy()
    loss = -logs.numpy()[np.arange(len(part)), data.labels[part]]
    seconds = time.perf_counter() - begun
    return Predictions(best.indices[:, 0].numpy(), hits, shares[:, 0], shares[:, 0] - shares[:, -1], loss, seconds)


def predict_to_end(
    model: nn.Module,
    info: ModelInfo,
    data: LabelledImages,
    run: Runner | None = None,
    limit: int | None = None,
    sizes: Iterable[int] = (BATCH_SIZE,),
    start: int = 0,
) -> Iterator[Predictions]:
    """`predict` for who wants all of it: by the crew that is hired, if there is one and no cache has a part in it."""
    plain = Masked(model, {}) if run is None else run
    if _hired and isinstance(plain, Masked):
        yield from _hired[-1].predict(plain, info, data, [*batches(info, data, limit, sizes, start)])
    else:
        yield from predict(model, info, data, run, limit, sizes, start)


def predict_all(model: nn.Module, info: ModelInfo, data: LabelledImages, run: Runner | None = None) -> Predictions:
    """The predictions of `predict` for all images."""
    return concatenate(list(predict(model, info, data, run)))


def masked(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> Masked:
    """Run `model` with some of its parameters replaced."""
    return Masked(model, weights)


def in_precision(model: nn.Module, run: Runner | None, bf16: bool) -> Runner:
    """`run` (None: the model's own forward pass) as it is, or under autocast to bf16."""
    plain: Runner = run or Masked(model, {})
    if not bf16:
        return plain
    if isinstance(plain, Masked):
        return replace(plain, bf16=True)

    def cast(batch: Hashable, images: Callable[[], torch.Tensor]) -> torch.Tensor:
        with _cast(model):
            return plain(batch, images)

    return cast


def _cast(model: nn.Module) -> torch.autocast:
    return torch.autocast(next(model.parameters()).device.type, torch.bfloat16)


def evaluate(
    model: nn.Module,
    info: ModelInfo,
    data: LabelledImages,
    run: Runner | None = None,
    dense: Predictions | None = None,
    limit: int | None = None,
    sizes: Iterable[int] = (BATCH_SIZE,),
) -> Iterator[tuple[AccuracyEstimate, Predictions]]:
    """Yield (estimate so far, predictions so far) after every batch.

    Args:
        run: see `predict`.
        dense: the dense model's predictions on at least the same prefix, for the paired drop.
        limit: judge the first `limit` images of the stratified order only.
        sizes: see `predict`.
    """
    parts = []
    for batch in predict_to_end(model, info, data, run, limit, sizes):
        parts.append(batch)
        so_far = concatenate(parts)
        yield estimate(so_far, data, dense, limit), so_far


def estimate(
    predictions: Predictions,
    data: LabelledImages,
    dense: Predictions | None = None,
    limit: int | None = None,
) -> AccuracyEstimate:
    """Accuracy of the first n predictions, jointly and for each cue, with the paired drop to `dense`."""
    labels = data.labels[stratified_order(data.labels)[: len(predictions.classes)]]
    total = min(len(data), limit or len(data))
    return accuracy(predictions, labels, data.cues, total, dense, len(data.class_names))
