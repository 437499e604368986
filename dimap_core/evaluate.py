"""Streaming accuracy: a generator of ever better estimates, batch by batch, in a fixed stratified order.

The intervals live in `intervals`; who asks, and who cancels by closing the generator, is not known here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from .errors import DataError
from .intervals import paired_difference, wilson
from .types import AccuracyEstimate, LabelledImages, ModelInfo

BATCH_SIZE = 60


@dataclass(frozen=True)
class Predictions:
    """Per image, in evaluation order: predicted class int64 [n], and whether the label is among the five highest."""

    classes: np.ndarray
    in_top5: np.ndarray


def stratified_order(labels: np.ndarray) -> np.ndarray:
    """Indices such that every prefix holds the classes in nearly equal shares; deterministic."""
    place = np.empty(len(labels), dtype=np.int64)
    for value in np.unique(labels):
        members = np.flatnonzero(labels == value)
        place[members] = np.arange(len(members))
    return np.lexsort((labels, place))


def predict(
    model: nn.Module,
    info: ModelInfo,
    data: LabelledImages,
    weights: Mapping[str, torch.Tensor] | None = None,
    batch_size: int = BATCH_SIZE,
    limit: int | None = None,
) -> Iterator[Predictions]:
    """Yield the predictions of one batch after another, in stratified order; `weights` replace parameters by name."""
    _check_fit(info, data)
    order = stratified_order(data.labels)[:limit]
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (info.mean, info.std))
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        batch = (torch.from_numpy(data.images[part]).float().div(255) - mean) / std
        with torch.inference_mode():
            logits = functional_call(model, dict(weights or {}), (batch,))
        top5 = logits.topk(min(5, logits.shape[-1])).indices.numpy()
        yield Predictions(top5[:, 0], (top5 == data.labels[part][:, None]).any(1))


def evaluate(
    model: nn.Module,
    info: ModelInfo,
    data: LabelledImages,
    weights: Mapping[str, torch.Tensor] | None = None,
    dense: Predictions | None = None,
    limit: int | None = None,
) -> Iterator[tuple[AccuracyEstimate, Predictions]]:
    """Yield (estimate so far, predictions so far) after every batch.

    Args:
        weights: masked parameters by name; the model itself is not touched.
        dense: the dense model's predictions on at least the same prefix, for the paired drop.
        limit: judge the first `limit` images of the stratified order only.
    """
    start, parts = time.perf_counter(), []
    for batch in predict(model, info, data, weights, limit=limit):
        parts.append(batch)
        so_far = concatenate(parts)
        yield estimate(so_far, data, dense, limit, time.perf_counter() - start), so_far


def concatenate(parts: list[Predictions]) -> Predictions:
    """Predictions of consecutive batches as one."""
    return Predictions(np.concatenate([p.classes for p in parts]), np.concatenate([p.in_top5 for p in parts]))


def estimate(
    predictions: Predictions,
    data: LabelledImages,
    dense: Predictions | None = None,
    limit: int | None = None,
    seconds: float = 0.0,
) -> AccuracyEstimate:
    """Accuracy of the first n predictions, jointly and for each cue, with the paired drop to `dense`."""
    n = len(predictions.classes)
    labels = data.labels[stratified_order(data.labels)[:n]]
    cues, drops = {}, {}
    for cue, values in {"joint": np.arange(len(data.class_names)), **data.cues}.items():
        hits = values[predictions.classes] == values[labels]
        cues[cue] = wilson(int(hits.sum()), n)
        if dense is not None and len(dense.classes) >= n:
            drops[cue] = paired_difference(hits, values[dense.classes[:n]] == values[labels])
    total = min(len(data), limit or len(data))
    return AccuracyEstimate(n, total, cues, wilson(int(predictions.in_top5.sum()), n), drops, seconds)


def _check_fit(info: ModelInfo, data: LabelledImages) -> None:
    side = data.images.shape[-1]
    if info.data != data.name:
        raise DataError(
            f"'{info.name}' does not know the classes of '{data.name}'; "
            + (f"evaluate it on '{info.data}'." if info.data else "evaluate a bundled model there instead.")
        )
    if side != info.input_size:
        raise DataError(f"'{data.name}' has images of {side} px, '{info.name}' takes {info.input_size} px; train anew.")
