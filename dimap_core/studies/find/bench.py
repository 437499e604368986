"""The images that choose, and what they say of a cut. None of them judges, none of them fed a score or a repair.

A cut is tried with the quick refit (`pipeline.preview_weights`), which orders cuts well but is low for deep ones, and
the few that may win once more with the real repair. What orders them is the divergence from the dense model's answers:
it needs no labels, and none were lost by that (best-cut.md, 3).
Next door: `candidates` says what is tried, `answer` judges one of them in the end.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from ...data import held_apart
from ...measure import divergence, in_precision, log_answers, masked, mean_difference
from ...pipeline import (
    Opened,
    Progress,
    apply_plan,
    cut_weights,
    prepare,
    prepare_preview,
    preview_weights,
    removed_share,
    training_data,
)
from ...plan import to_recipe
from ...types import DataError, Difference, InvalidPlan, LabelledImages, PruningPlan

IMAGES = 600
"""Training images that choose, as many of each class."""

FEW = 200  # below that choices are said to be at risk
_LEAST = 32


@dataclass(frozen=True)
class Trial:
    """A cut as it was tried: `loss` the divergence of each image [n] in nats, `top1` the share of right answers; `macs`
    and `params` kept, shares of the dense model's; `final`: with the real repair."""

    plan: PruningPlan
    rule: bool
    loss: np.ndarray
    top1: float
    macs: float
    params: float
    final: bool

    @property
    def mean(self) -> float:
        """Mean divergence, nats."""
        return float(self.loss.mean())

    def row(self) -> dict[str, Any]:
        """As a row of the front."""
        told = {"rule": self.rule, "loss": self.mean, "top1": self.top1, "n": len(self.loss), "final": self.final}
        return {"plan": to_recipe(self.plan), **told, "macs": self.macs, "params": self.params}


@dataclass
class Bench:
    """A model with the images that choose, and everything that was tried on them."""

    opened: Opened
    data: LabelledImages
    dense: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    trials: int = 0

    @property
    def risk(self) -> str:
        """What is at risk where few images choose; "" where there are enough."""
        n = len(self.data)
        return (
            f"Only {n} images chose: the best of many cuts on so few can be luck; give more training images."
            if n < FEW
            else ""
        )

    def look(self) -> Iterator[Progress]:
        """The dense model's answers, once."""
        parts = []
        run = in_precision(self.opened.model, None, self.opened.bf16)
        for part in log_answers(self.opened.model, self.opened.info, self.data, run, self.opened.sizes):
            parts.append(part)
            yield "Asking the dense model", sum(map(len, parts)), len(self.data)
        self.dense = torch.cat(parts)

    def tried(
        self, plan: PruningPlan, rule: bool, final: bool, limit: int | None = None
    ) -> Generator[Progress, None, Trial]:
        """Try a plan, with progress on the way; raises InvalidPlan where it cannot be met."""
        ready = prepare(self.opened, plan) if final else prepare_preview(self.opened, plan)
        yield from ready
        selection, cost = apply_plan(self.opened, plan)
        weights = cut_weights(self.opened, plan, selection) if final else preview_weights(self.opened, plan)
        run = in_precision(self.opened.model, masked(self.opened.model, weights), self.opened.bf16)
        data = self.data if limit is None else part_of(self.data, np.arange(min(limit, len(self.data))))
        parts = []
        for part in log_answers(self.opened.model, self.opened.info, data, run, self.opened.sizes):
            parts.append(part)
            yield "Trying cuts", sum(map(len, parts)), len(data)
        answers = torch.cat(parts)
        self.trials += 1
        total = cost.total
        return Trial(
            plan, rule, divergence(self.dense[: len(data)], answers),
            float((answers.argmax(-1).numpy() == data.labels).mean()),
            1 - removed_share(total.macs, total.macs_after), 1 - removed_share(total.params, total.params_after), final,
        )  # fmt: skip

    def of(
        self, plan: PruningPlan, rule: bool, final: bool, limit: int | None = None
    ) -> Generator[Progress, None, Trial | None]:
        """`tried`, but None for a plan that cannot be met."""
        try:
            return (yield from self.tried(plan, rule, final, limit))
        except InvalidPlan:
            return None


def bench(opened: Opened, images: int, seed: int, count: int = IMAGES) -> Bench:
    """The bench of a model: `count` training images held apart from the `images` that scores and repair read.

    Raises DataError where too few are left.
    """
    data = training_data(opened)
    chosen = held_apart(data.labels, images, count, seed)
    if len(chosen) < _LEAST:
        raise DataError(
            f"A search needs training images that no score has read, {_LEAST} at least; '{data.name}' leaves "
            f"{len(chosen)}: give more, or let criteria read fewer."
        )
    return Bench(opened, part_of(data, chosen))


def part_of(data: LabelledImages, chosen: np.ndarray) -> LabelledImages:
    """The images of those places, in that order."""
    return replace(data, images=data.images[chosen], labels=data.labels[chosen])


def gain(first: Trial, second: Trial) -> Difference:
    """By how much the first cut is nearer to the dense model, nats (below zero: nearer), on the same images."""
    n = min(len(first.loss), len(second.loss))
    return mean_difference(first.loss[:n], second.loss[:n])
