"""Measured accuracies: proportions and paired differences with their 95 % intervals. No logic but derived properties.

Next door: `measure.intervals` computes them, `measure.accuracy` streams them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FIRST = 100
"""Images of a first answer: enough to act on (at most 10 points either way), while the rest is judged."""


@dataclass(frozen=True)
class Proportion:
    """`correct` of `n`, with its 95 % Wilson interval; shares 0..1."""

    n: int
    correct: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself."""
        return self.correct / self.n if self.n else 0.0


@dataclass(frozen=True)
class Difference:
    """Paired difference of two models (pruned - dense, unless said otherwise) over the same `n` images with its 95 %
    interval: of accuracies, -1..1 (Newcombe's), or of mean losses, nats (Student's t)."""

    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over `n` units with its 95 % interval; -1..1."""

    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class AccuracyEstimate:
    """Accuracy so far on `n` of `total` images.

    `cues`: joint top-1 under "joint" and, where the data set has them, each single cue's; `top5` is None where there
    are five classes or fewer.
    `drops`: per cue the paired difference to the dense model, empty for the dense model itself.
    """

    n: int
    total: int
    cues: Mapping[str, Proportion]
    top5: Proportion | None
    drops: Mapping[str, Difference] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def top1(self) -> Proportion:
        """Joint top-1."""
        return self.cues["joint"]

    @property
    def done(self) -> bool:
        """Whether the whole subset has been judged."""
        return self.n >= self.total


@dataclass(frozen=True)
class Versus:
    """Two plans so far on the same images, of `total`: top-1 of each, and the paired difference first - second."""

    total: int
    first: Proportion
    second: Proportion
    difference: Difference

    @property
    def done(self) -> bool:
        """Whether all images have been judged."""
        return self.difference.n >= self.total
