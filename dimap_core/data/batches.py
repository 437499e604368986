"""Which images come first, and how they enter a model: stratified order, balanced subsets, normalised tensors.

Next door: `from_source` brings images, `measure` runs models over them.
"""

from __future__ import annotations

import numpy as np
import torch

from ..types import FIRST, DataError, LabelledImages, ModelInfo

_GOLDEN = 2654435769  # 2^32 over the golden ratio: multiples of it, modulo 2^32, lie as far apart as can be


def stratified_order(labels: np.ndarray) -> np.ndarray:
    """Indices such that every prefix holds the classes in nearly equal shares; deterministic.

    More classes than a first answer has images come spread over their numbers (a Weyl sequence, every prefix of which
    is spread evenly): ImageNet's first hundred are fish, birds and reptiles alone, which say little of the others.
    """
    place = np.empty(len(labels), dtype=np.int64)
    found = np.unique(labels)
    for value in found:
        members = np.flatnonzero(labels == value)
        place[members] = np.arange(len(members))
    spread = labels.astype(np.uint32) * np.uint32(_GOLDEN) if len(found) > FIRST else labels
    return np.lexsort((spread, place))


def restricted(logits: torch.Tensor, outputs: np.ndarray | None) -> torch.Tensor:
    """[N, outputs of the model] -> [N, classes]: a data set's own classes compete with each other alone."""
    return logits if outputs is None else logits[:, torch.from_numpy(outputs).to(logits.device)]


def normalised(info: ModelInfo, images: np.ndarray) -> torch.Tensor:
    """uint8 [N, 3, H, W] -> float32 as the model takes them, [N, 1, H, W] where it takes grey ones: `transform_of` made
    all channels alike."""
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (info.mean, info.std))
    return (torch.from_numpy(images[:, : info.channels]).float().div(255) - mean) / std


def check_fit(info: ModelInfo, data: LabelledImages) -> None:
    """Raise DataError where the model was not trained on such data."""
    side = data.images.shape[-1]
    if info.data != data.name:
        raise DataError(
            f"'{info.name}' does not know the classes of '{data.name}'; "
            + (f"evaluate it on '{info.data}'." if info.data else "evaluate a bundled model there instead.")
        )
    if side != info.input_size:
        raise DataError(f"'{data.name}' has images of {side} px, '{info.name}' takes {info.input_size} px; train anew.")


def balanced_subset(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Indices of at most `count` images, of every class nearly as many (as far as it has them), drawn with `seed`."""
    drawn = np.random.default_rng(seed).permutation(len(labels))
    return drawn[stratified_order(labels[drawn])][:count]


def held_apart(labels: np.ndarray, read: int, count: int, seed: int) -> np.ndarray:
    """Indices of at most `count` images, of every class nearly as many, that nothing which reads `read` images with
    that seed has read: neither `balanced_subset` nor `unlabelled_subset`."""
    drawn = np.random.default_rng(seed).permutation(len(labels))
    left = drawn[~np.isin(drawn, [*drawn[:read], *balanced_subset(labels, read, seed)])]
    return left[stratified_order(labels[left])][:count]


def training_subset(info: ModelInfo, data: LabelledImages, count: int, seed: int) -> np.ndarray:
    """`balanced_subset` of images that the model takes; raises DataError where there is none."""
    check_fit(info, data)
    return _some(data, balanced_subset(data.labels, max(count, 0), seed))


def unlabelled_subset(info: ModelInfo, data: LabelledImages, count: int, seed: int) -> np.ndarray:
    """Indices of at most `count` images that the model takes, drawn with `seed` whatever their labels; raises DataError
    where there is none."""
    check_fit(info, data)
    return _some(data, np.random.default_rng(seed).permutation(len(data.labels))[: max(count, 0)])


def _some(data: LabelledImages, chosen: np.ndarray) -> np.ndarray:
    if not len(chosen):
        raise DataError(f"Statistics of no images of '{data.name}' mean nothing; ask for at least one.")
    return chosen
