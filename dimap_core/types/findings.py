"""What studies find, as plain data that figures draw. No torch.

Next door: `studies` and `measure` make these, `figures` draws them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from .estimates import AccuracyEstimate, Difference, Proportion


@dataclass(frozen=True)
class Piece:
    """What leave-one-out takes away: units `first` to `last` - 1 of one kind in the `block`-th block of all; one
    "head", or of "mlp_neuron" a tenth of the block's hidden units, neighbours by index."""

    block: int
    kind: str
    first: int
    last: int


@dataclass(frozen=True)
class Effect:
    """What the model without one piece loses against the dense one: `drop` in top-1 (shares, pruned - dense) and `rise`
    of the mean cross-entropy (nats). `left`: seconds until the study is done."""

    piece: Piece
    drop: Difference
    rise: Difference
    left: float


@dataclass(frozen=True)
class CellCut:
    """One stage x module (or kind) cut alone at `ratio`: `removed` of its units (share), `params` and `macs` saved as
    shares of the dense model's; accuracy on training images with the paired drop, `rise` of the mean cross-entropy
    (nats), and the seconds `left` until the study is done."""

    stage: int
    module: str
    ratio: float
    removed: float
    params: float
    macs: float
    estimate: AccuracyEstimate
    rise: Difference
    left: float


@dataclass(frozen=True)
class Disagreement:
    """A unit by a name that people read, with its percentile rank (0 goes first, 100 last) under both criteria."""

    unit: str
    first: float
    second: float


@dataclass(frozen=True)
class Compared:
    """Units of one place under two criteria: percentile `ranks` float32 [points, 2] of a sample of the units in `all`,
    and those of them whose ranks lie furthest apart."""

    ranks: np.ndarray
    all: int
    furthest: tuple[Disagreement, ...]


def percentiles(values: np.ndarray) -> np.ndarray:
    """Percentile ranks [n] between 0 (lowest) and 100 of values [n]; equal ones share theirs."""
    return (rankdata(values) - 0.5) * 100 / len(values)


@dataclass(frozen=True)
class WeightRow:
    """The weights of one stage x layer kind (or of one block of it).

    `counts` and `removed`: weights per bin of `edges`; `thresholds`: |w| of the smallest kept weight of each layer,
    where the criterion cuts by magnitude; `zeros`: weights that are exactly zero before the cut.
    """

    label: str
    module: str
    edges: np.ndarray
    counts: np.ndarray
    removed: np.ndarray
    thresholds: tuple[float, ...]
    zeros: int

    @property
    def removed_share(self) -> float:
        """Removed / all, 0..1."""
        return float(self.removed.sum() / max(self.counts.sum(), 1))


@dataclass(frozen=True)
class Share:
    """Accuracy on the images of one class, or of one value of a cue, before and after the cut."""

    name: str
    dense: Proportion
    pruned: Proportion
    drop: Difference
