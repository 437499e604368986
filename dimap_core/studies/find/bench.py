"""The images that choose, and what they say of a cut. None of them judges, none of them fed a score or a repair.

A cut is tried with the quick refit (`pipeline.preview_weights`), which orders cuts well but is low for deep ones, and
the few that may win once more with the real repair. What orders them is the divergence from the dense model's answers:
it needs no labels, and none were lost by that (best-cut.md, 3). Structures are tried sliced, which answers alike and
faster; a cut that is worse than its rival beyond doubt is given up before it has seen all images (racing, in the line
of Maron & Moore, "Hoeffding races", NIPS 1993).
Next door: `candidates` says what is tried, `kept` remembers it, `answer` judges one of them in the end.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from ...data import held_apart
from ...measure import divergence, in_precision, log_answers, mean_difference
from ...pipeline import (
    Opened,
    Progress,
    apply_plan,
    prepare,
    prepare_preview,
    removed_share,
    small_runner,
    training_data,
)
from ...plan import to_recipe
from ...types import DataError, Difference, InvalidPlan, LabelledImages, PruningPlan
from .kept import Kept

IMAGES = 600
"""Training images that choose, as many of each class."""

RACED = 120
"""Images that every cut sees before it may be given up."""

FEW = 200  # below that choices are said to be at risk
_LEAST = 32
_DOUBT = 2.0  # times the 95 % interval's half width: so far behind its rival a cut has to be


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

    def told(self) -> dict[str, Any]:
        """As it is kept on disk: what was found, as far as it was not asked."""
        return {"loss": self.loss.tolist(), "top1": self.top1, "macs": self.macs, "params": self.params}


@dataclass
class Bench:
    """A model with the images that choose, and everything that was tried on them."""

    opened: Opened
    data: LabelledImages
    dense: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    trials: int = 0
    kept: Kept = field(default_factory=Kept)

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
        self, plan: PruningPlan, rule: bool, final: bool, limit: int | None = None, rival: Trial | None = None
    ) -> Generator[Progress, None, Trial]:
        """Try a plan, with progress on the way; raises InvalidPlan where it cannot be met. `limit`: images at most;
        `rival`: a cut that saw all images; who falls behind it beyond doubt sees no more of them. What was tried before
        and kept is not tried again."""
        asked = [self.opened.info.fingerprint, to_recipe(plan), final, limit, rival and to_recipe(rival.plan)]
        known = self.kept.find(asked)
        if known is None:
            trial = yield from self._tried(plan, rule, final, limit, rival)
            self.kept.add(asked, trial.told())
        else:
            trial = Trial(plan, rule, final=final, **{**known, "loss": np.array(known["loss"])})
        self.trials += 1
        return trial

    def _tried(
        self, plan: PruningPlan, rule: bool, final: bool, limit: int | None, rival: Trial | None
    ) -> Generator[Progress, None, Trial]:
        yield from prepare(self.opened, plan) if final else prepare_preview(self.opened, plan)
        total = apply_plan(self.opened, plan)[1].total
        run = small_runner(self.opened, plan, preview=not final)
        data = self.data if limit is None else part_of(self.data, np.arange(min(limit, len(self.data))))
        loss, right = np.empty(0), 0
        for part in log_answers(self.opened.model, self.opened.info, data, run, self.opened.sizes):
            seen = slice(len(loss), len(loss) + len(part))
            loss = np.append(loss, divergence(self.dense[seen], part))
            right += int((part.argmax(-1).numpy() == data.labels[seen]).sum())
            yield "Trying cuts", len(loss), len(data)
            if rival is not None and len(loss) >= RACED and _behind(loss, rival.loss):
                break
        return Trial(
            plan, rule, loss, right / len(loss), 1 - removed_share(total.macs, total.macs_after),
            1 - removed_share(total.params, total.params_after), final,
        )  # fmt: skip

    def of(
        self, plan: PruningPlan, rule: bool, final: bool, limit: int | None = None, rival: Trial | None = None
    ) -> Generator[Progress, None, Trial | None]:
        """`tried`, but None for a plan that cannot be met."""
        try:
            return (yield from self.tried(plan, rule, final, limit, rival))
        except InvalidPlan:
            return None

    def whole(self, trial: Trial) -> bool:
        """Whether a cut saw all images: only such ones are compared by their means."""
        return len(trial.loss) == len(self.data)


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


def _behind(loss: np.ndarray, rival: np.ndarray) -> bool:
    """Whether the paired difference to the rival is above zero by `_DOUBT` times what chance makes of it."""
    found = mean_difference(loss, rival[: len(loss)])
    return found.value > _DOUBT * (found.value - found.low)


def nearer(tested: Bench, first: Trial, second: Trial) -> bool:
    """Whether the first cut saw all images, as the second one has, and is nearer to the dense model on them."""
    return tested.whole(first) and first.mean < second.mean


def gain(first: Trial, second: Trial) -> Difference:
    """By how much the first cut is nearer to the dense model, nats (below zero: nearer), on the same images."""
    n = min(len(first.loss), len(second.loss))
    return mean_difference(first.loss[:n], second.loss[:n])
