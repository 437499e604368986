"""Cuts against each other on the images that all were judged by, and numbers of a file against those found here.

Torch-free: pages and reports compare. Next door: `telling` finds what is compared; `measure` has the intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...measure import cost_report, kept_by_band, paired_difference
from ...types import Difference
from .story import Ground, Known, Told


@dataclass(frozen=True)
class Shown:
    """An image to be shown: its `number` in the set, what it is, and what some models take it for."""

    number: int
    label: str
    answers: tuple[str, ...]


def uncut(ground: Ground) -> Told:
    """The dense model as a cut that takes nothing."""
    cost = cost_report(ground.anatomy)
    cells = tuple((stage, module, part) for (stage, module), part in cost.cells.items())
    bands = tuple(kept_by_band(ground.anatomy, cost).values())
    return Told(cost.total, cells, bands, ground.estimate, ground.answers)


def same_images(one: Ground, other: Ground) -> bool:
    """Whether both were judged by the same images with the same labels, so that answers can be paired; of one model or
    of two."""
    told = (one.images, one.numbers, one.labels, one.class_names)
    return one.images is not None and told == (other.images, other.numbers, other.labels, other.class_names)


def paired(ground: Ground, first: Told, second: Told | None = None, cue: str = "joint") -> Difference:
    """Accuracy of `first` minus that of `second` (None: of the dense model) over the same images."""
    other = ground.answers if second is None else second.answers
    return paired_difference(hits(ground, first.answers, cue), hits(ground, other, cue))


def hits(ground: Ground, answers: tuple[int, ...], cue: str = "joint") -> np.ndarray:
    """Boolean [n], in evaluation order: whether the answer is right, or has the label's value of a cue."""
    labels, found = np.array(ground.labels), np.array(answers)
    if cue == "joint":
        return found == labels
    values = np.array(ground.cues[cue])
    return values[found] == values[labels]


def differing(ground: Ground, first: Told, second: Told) -> tuple[list[Shown], list[Shown]]:
    """Images that only the first gets right, and that only the second does; answers are (first's, second's)."""
    one, other = hits(ground, first.answers), hits(ground, second.answers)
    models = first.answers, second.answers
    return _shown(ground, one & ~other, *models), _shown(ground, ~one & other, *models)


def changed_images(ground: Ground, told: Told) -> list[Shown]:
    """Images whose answer the cut changed, lost ones first, then won ones; answers are (dense, cut)."""
    before, after = hits(ground, ground.answers), hits(ground, told.answers)
    changed = np.array(ground.answers) != np.array(told.answers)
    orders = (before & ~after, ~before & after, changed & (before == after))
    return [one for chosen in orders for one in _shown(ground, chosen, ground.answers, told.answers)]


def _shown(ground: Ground, chosen: np.ndarray, *models: tuple[int, ...]) -> list[Shown]:
    names = ground.class_names
    return [
        Shown(ground.numbers[at], names[ground.labels[at]], tuple(names[answers[at]] for answers in models))
        for at in np.flatnonzero(chosen)
    ]


def what_differs(known: Known, ground: Ground, told: Told) -> list[str]:
    """What of a file's numbers is another here, each with the reason as far as it can be seen; empty: nothing is."""
    reasons = []
    if known.fingerprint != ground.fingerprint:
        reasons.append("the model has other weights here")
    if known.images != ground.images:
        reasons.append("the images are others here")
    why = f" ({' and '.join(reasons)})" if reasons else " (same model and images: another machine or version)"
    found = []
    for word, before, after in (
        ("params", known.told.total.params_after, told.total.params_after),
        ("MACs", known.told.total.macs_after, told.total.macs_after),
        ("images right", _right(known.told), _right(told)),
    ):
        if before != after:
            found.append(f"{word}: {before} in the file, {after} here{why}")
    if not found and reasons:
        found.append(f"{' and '.join(reasons)}, with the same numbers")
    return found


def _right(told: Told) -> str:
    return "not judged" if told.estimate is None else f"{told.estimate.top1.correct:,} of {told.estimate.n:,}"
