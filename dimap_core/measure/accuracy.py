"""Streaming accuracy: a generator of ever better estimates, batch by batch, in a fixed stratified order.

What predictions say is counted in `predictions`; who asks, and who cancels by closing the generator, is not known here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import cycle

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
    check_fit(info, data)
    order = stratified_order(data.labels)[:limit]
    size, place = cycle(sizes), next(model.parameters()).device
    while start < len(order):
        part = order[start : start + next(size)]

        def images(part: np.ndarray = part) -> torch.Tensor:
            return normalised(info, data.images[part]).to(place)

        begun = time.perf_counter()
        with torch.inference_mode():
            logits = model(images()) if run is None else run((start, len(part)), images)
            logs = restricted(logits.float(), data.outputs).log_softmax(-1).cpu()
        best = logs.topk(min(5, logs.shape[-1]))
        hits = (best.indices.numpy() == data.labels[part][:, None]).any(1)
        shares = best.values[:, :2].exp().numpy()
        loss = -logs.numpy()[np.arange(len(part)), data.labels[part]]
        seconds = time.perf_counter() - begun
        yield Predictions(best.indices[:, 0].numpy(), hits, shares[:, 0], shares[:, 0] - shares[:, -1], loss, seconds)
        start += len(part)


def predict_all(model: nn.Module, info: ModelInfo, data: LabelledImages, run: Runner | None = None) -> Predictions:
    """The predictions of `predict` for all images."""
    return concatenate(list(predict(model, info, data, run)))


def masked(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> Runner:
    """Run `model` with some of its parameters replaced; the model itself is not touched."""
    return lambda _, images: functional_call(model, dict(weights), (images(),))


def in_precision(model: nn.Module, run: Runner | None, bf16: bool) -> Runner:
    """`run` (None: the model's own forward pass) as it is, or under autocast to bf16."""
    plain: Runner = run or (lambda _, images: model(images()))
    if not bf16:
        return plain
    place = next(model.parameters()).device.type

    def cast(batch: Hashable, images: Callable[[], torch.Tensor]) -> torch.Tensor:
        with torch.autocast(place, torch.bfloat16):
            return plain(batch, images)

    return cast


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
    for batch in predict(model, info, data, run, limit, sizes):
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
