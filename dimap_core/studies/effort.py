"""The two long studies of a model: what they measure, in which order, at what effort, and what comes back. No torch.

Leave-one-out takes one head or one tenth of a block's hidden units out of the dense model; sensitivity cuts one
stage x module (or stage x kind) alone. Both go from the last block to the first, so that what the prefix cache holds of
the dense model stays valid.
Next door: `leave_one_out` and `sensitivity` measure, `agreement` and `allocation` make use of what they find.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..types import Anatomy, InvalidPlan, Piece, PruningPlan
from .summaries import columns, units

IMAGES = 360
"""Images of each study: validation images for leave-one-out, from which nothing is made; training images for
sensitivity, from which ratios are."""

TENTHS = 10  # parts of a block's hidden units
RATIOS = (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95)


def pieces(anatomy: Anatomy) -> Iterator[Piece]:
    """Heads, then tenths, of each block, last block first."""
    for place, block in reversed(list(enumerate(anatomy.blocks))):
        for head in range(block.heads):
            yield Piece(place, "head", head, head + 1)
        hidden = np.arange(block.part("mlp.fc1").shape[0])
        for tenth in np.array_split(hidden, min(TENTHS, len(hidden))):
            yield Piece(place, "mlp_neuron", int(tenth[0]), int(tenth[-1]) + 1)


def cells(anatomy: Anatomy, granularity: str) -> list[tuple[int, str]]:
    """Every stage x module (kind for structures), last stage first."""
    there = {(unit.stage, unit.module) for unit in units(anatomy, granularity)}
    wanted = ((stage.index, name) for stage in reversed(anatomy.stages) for name in columns(granularity))
    return [cell for cell in wanted if cell in there]


def dense_plan(plan: PruningPlan) -> PruningPlan:
    """The plan's way of cutting (criterion, granularity, scope, cost exponent, protected layers, rounding, seed) with
    nothing cut and nothing repaired; raises InvalidPlan for a pattern, which has no ratio to vary."""
    if plan.granularity == "nm":
        raise InvalidPlan("A pattern fixes every ratio; remove single weights or structures to vary it.")
    return replace(plan, ratio=0.0, budget=None, overrides=(), repair=False)


def effort(anatomy: Anatomy) -> np.ndarray:
    """Of a pass through all blocks the share from each block on, [blocks]: what has to be run again after a cut."""
    macs = np.array([sum(layer.macs for layer in block.layers) for block in anatomy.blocks], dtype=float)
    return macs[::-1].cumsum()[::-1] / macs.sum()


def piece_passes(anatomy: Anatomy) -> float:
    """Forward passes that leave-one-out takes for every image."""
    return 1 + float(sum(effort(anatomy)[piece.block] for piece in pieces(anatomy)))


def cell_effort(anatomy: Anatomy) -> list[float]:
    """Forward passes of an image that one cut of each stage takes, [stages]."""
    first = np.cumsum([0, *(len(stage.blocks) for stage in anatomy.stages)])[:-1]
    return [float(share) for share in effort(anatomy)[first]]


def cell_passes(anatomy: Anatomy, granularity: str) -> float:
    """Forward passes that sensitivity takes for every image."""
    shares = cell_effort(anatomy)
    return 1 + len(RATIOS) * sum(shares[stage] for stage, _ in cells(anatomy, granularity))


class TimeLeft:
    """How long work of known size still takes, by how long the part of it that is done took."""

    def __init__(self, work: float) -> None:
        self.work, self.done = work, 0.0
        self.begun = time.perf_counter()

    def after(self, part: float) -> float:
        """Seconds left once another `part` is done."""
        self.done += part
        return (time.perf_counter() - self.begun) * max(self.work - self.done, 0.0) / self.done

    def skip(self, part: float) -> None:
        """A part that turned out not to be needed."""
        self.work -= part
