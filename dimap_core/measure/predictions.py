"""What a cut does to each image: two models' answers side by side, which ones changed, and where accuracy was lost.

Torch-free: the worker sends batches of answers (`event`), the app puts them together (`outcomes`) and counts.
Next door: `accuracy` makes predictions, `intervals` gives every accuracy its interval, `figures` draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..types import AccuracyEstimate, LabelledImages, Share
from .intervals import paired_difference, wilson

DIRECTIONS = ("broke", "fixed", "moved", "kept")
"""What can happen to an answer: right -> wrong, wrong -> right, wrong -> another wrong one, no change."""

_DIGITS = 6  # decimals of a share that are sent


@dataclass(frozen=True)
class Predictions:
    """Per image, in evaluation order, each [n]: predicted class int64, whether the label is among the five highest; the
    predicted class's probability, how far the second one's lies below it, and the cross-entropy with the label in nats.
    `seconds`: how long the model took for all of them."""

    classes: np.ndarray
    in_top5: np.ndarray
    confidence: np.ndarray
    margin: np.ndarray
    loss: np.ndarray
    seconds: float = 0.0

    def part(self, start: int, stop: int) -> Predictions:
        """Those of the images from `start` up to `stop`."""
        return Predictions(**{name: getattr(self, name)[start:stop] for name in _ARRAYS})

    def right_margin(self, labels: np.ndarray) -> np.ndarray:
        """How far the label's probability lies above the highest other one, -1..1: below zero where it is not the
        answer. `labels`: [n]."""
        # A wrong answer is the highest other class itself.
        return np.where(self.classes == labels, self.margin, np.exp(-self.loss) - self.confidence)


_ARRAYS = ("classes", "in_top5", "confidence", "margin", "loss")


def concatenate(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of consecutive batches as one."""
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
    return Predictions(**arrays, seconds=sum(part.seconds for part in parts))


def accuracy(
    predictions: Predictions,
    labels: np.ndarray,
    values: Mapping[str, np.ndarray],
    total: int,
    dense: Predictions | None = None,
    classes: int = 0,
) -> AccuracyEstimate:
    """Joint accuracy and each cue's, with the paired drop to `dense` where that is known for the same n images.

    `labels`: [n]; `values`: per cue an array [classes] of that cue's value; `total`: images that will be judged;
    `classes`: how many there are, of five or fewer no top-5 is told (0: unknown).
    """
    n, cues, drops = len(labels), {}, {}
    for cue, value in {"joint": None, **values}.items():
        hits = _hits(predictions.classes, labels, value)
        cues[cue] = wilson(int(hits.sum()), n)
        if dense is not None and len(dense.classes) >= n:
            drops[cue] = paired_difference(hits, _hits(dense.classes[:n], labels, value))
    top5 = None if 0 < classes <= 5 else wilson(int(predictions.in_top5.sum()), n)
    return AccuracyEstimate(n, total, cues, top5, drops, predictions.seconds)


def _hits(classes: np.ndarray, labels: np.ndarray, value: np.ndarray | None) -> np.ndarray:
    """Boolean [n]: whether the answer is right, or has the label's value of a cue."""
    return classes == labels if value is None else value[classes] == value[labels]


def event(images: np.ndarray, total: int, dense: Predictions, pruned: Predictions) -> dict[str, Any]:
    """A batch as JSON: numbers of its images in the data set, [n], and both models' predictions as lists."""
    batch = {name: {key: _sent(getattr(found, key)) for key in _ARRAYS} for name, found in _pair(dense, pruned)}
    return {"images": images.tolist(), "total": total, **batch}


def packed(right: np.ndarray) -> str:
    """Boolean [n] as a text of n / 4 characters."""
    return np.packbits(right).tobytes().hex()


def unpacked(text: str, n: int) -> np.ndarray:
    """The boolean [n] that `packed` made that text of; raises ValueError where it is none of n."""
    bits = np.frombuffer(bytes.fromhex(text), np.uint8)
    if len(bits) != -(-n // 8):
        raise ValueError(f"not the answers to {n} images")
    return np.unpackbits(bits, count=n).astype(bool)


def _pair(dense: Predictions, pruned: Predictions) -> tuple[tuple[str, Predictions], tuple[str, Predictions]]:
    return ("dense", dense), ("pruned", pruned)


def _sent(values: np.ndarray) -> list[Any]:
    return np.round(values.astype(np.float64), _DIGITS).tolist() if values.dtype.kind == "f" else values.tolist()


@dataclass(frozen=True)
class Outcomes:
    """Both models' predictions of n images: `images` are their numbers in the data set, `labels` theirs, both [n]."""

    images: np.ndarray
    labels: np.ndarray
    dense: Predictions
    pruned: Predictions

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def flipped(self) -> np.ndarray:
        """Boolean [n]: the answer changed."""
        return self.dense.classes != self.pruned.classes

    @cached_property
    def directions(self) -> np.ndarray:
        """Which of `DIRECTIONS` happened to each answer, str [n]."""
        was, now = self.dense.classes == self.labels, self.pruned.classes == self.labels
        return np.select([was & ~now, ~was & now, self.flipped], DIRECTIONS[:3], DIRECTIONS[3])

    @cached_property
    def fell(self) -> np.ndarray:
        """By how much the margin of the right answer fell, -2..2, [n]."""
        return self.dense.right_margin(self.labels) - self.pruned.right_margin(self.labels)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Images by direction."""
        return {direction: int((self.directions == direction).sum()) for direction in DIRECTIONS}

    def worst_first(self) -> np.ndarray:
        """Places of all images: changed answers first, then by how much the right answer's margin fell."""
        return np.lexsort((np.arange(len(self)), -self.fell, ~self.flipped))

    def estimate(self, data: LabelledImages, total: int) -> AccuracyEstimate:
        """The pruned model's accuracy with its paired drop."""
        return accuracy(self.pruned, self.labels, data.cues, total, self.dense, len(data.class_names))


def outcomes(events: Sequence[Mapping[str, Any]], data: LabelledImages) -> Outcomes | None:
    """All batches among a request's events put together; None before the first."""
    batches = [found for found in events if "images" in found]
    if not batches:
        return None
    images = np.concatenate([np.asarray(batch["images"]) for batch in batches])
    dense, pruned = (concatenate([_received(batch[name]) for batch in batches]) for name in ("dense", "pruned"))
    return Outcomes(images, data.labels[images], dense, pruned)


def _received(lists: Mapping[str, list[Any]]) -> Predictions:
    classes, in_top5, confidence, margin, loss = (np.asarray(lists[name]) for name in _ARRAYS)
    return Predictions(classes, in_top5, confidence, margin, loss)


def filtered(
    found: Outcomes,
    data: LabelledImages,
    direction: str | None = None,
    label: int | None = None,
    cues: Mapping[str, int] | None = None,
) -> np.ndarray:
    """Places of the images that pass every filter, worst first; None passes all.

    `direction`: one of `DIRECTIONS`, or "changed"; `label`: a class; `cues`: value by cue that the label must have.
    """
    passes = np.ones(len(found), dtype=bool)
    if direction is not None:
        passes &= found.flipped if direction == "changed" else found.directions == direction
    if label is not None:
        passes &= found.labels == label
    for cue, value in (cues or {}).items():
        passes &= data.cues[cue][found.labels] == value
    order = found.worst_first()
    return order[passes[order]]


def table(found: Outcomes, data: LabelledImages) -> pd.DataFrame:
    """One row an image, worst first; shares 0..1, images counted from 1 as on screen."""
    names = np.array(data.class_names)
    columns = {"image": found.images + 1, "label": names[found.labels]}
    for name, answers in _pair(found.dense, found.pruned):
        columns |= {name: names[answers.classes]}
        columns |= {f"{name}_confidence": answers.confidence, f"{name}_margin": answers.margin}
    columns |= {"flipped": found.flipped, "direction": found.directions, "margin_fell": found.fell}
    return pd.DataFrame(columns).iloc[found.worst_first()].round(_DIGITS)


def value_names(data: LabelledImages, cue: str | None) -> tuple[str, ...]:
    """Names of the classes (None), or of a cue's values."""
    return data.class_names if cue is None else data.cue_names[cue]


def breakdown(found: Outcomes, data: LabelledImages, cue: str | None = None) -> list[Share]:
    """Accuracy by class (None), or by value of a cue and judged by that cue alone; the largest loss first."""
    value = None if cue is None else data.cues[cue]
    of_label = found.labels if value is None else value[found.labels]
    before, after = (_hits(answers.classes, found.labels, value) for _, answers in _pair(found.dense, found.pruned))
    shares = []
    for place, name in enumerate(value_names(data, cue)):
        mine = of_label == place
        if n := int(mine.sum()):
            was, now = before[mine], after[mine]
            pair = wilson(int(was.sum()), n), wilson(int(now.sum()), n)
            shares.append(Share(name, *pair, paired_difference(now, was)))
    return sorted(shares, key=lambda share: share.drop.value)


def most_confused(change: np.ndarray, most: int) -> np.ndarray:
    """The `most` classes whose confusions changed most, in their order: places in `confusion_change`, whose table of
    hundreds of classes nobody could read."""
    moved = np.abs(change).sum(0) + np.abs(change).sum(1)
    return np.sort(np.argsort(-moved, kind="stable")[:most])


def confusion_change(found: Outcomes, data: LabelledImages, cue: str | None = None) -> np.ndarray:
    """Pruned minus dense number of images, int64 [label, answer], by class (None) or by value of a cue."""
    value = np.arange(len(data.class_names)) if cue is None else data.cues[cue]
    size = len(value_names(data, cue))
    change = np.zeros((size, size), dtype=np.int64)
    np.add.at(change, (value[found.labels], value[found.pruned.classes]), 1)
    np.subtract.at(change, (value[found.labels], value[found.dense.classes]), 1)
    return change
