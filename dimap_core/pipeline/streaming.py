"""Slow models judged so that the first number comes soon: cut and dense model side by side, batch by batch.

A small model is judged dense first, then cut. One that takes `timing.SLOW` MACs or more gives accuracy and paired
drop after its first few images; meanwhile bf16 is tried on the first images, and if it is taken the judging begins anew
with it, unseen until it has caught up, so that a plan's numbers never mix two precisions. What was tried stays tried:
another cut is judged alone on the images that the dense model has answered already.
Next door: `evaluation` judges one model, `precision` decides, `service.requests` sends what is yielded here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ..measure import PrefixCache, concatenate, estimate, in_precision, predict
from ..types import AccuracyEstimate, LabelledImages, PruningPlan
from . import kept_answers, precision, timing
from .evaluation import runner
from .opened import Opened, check_trained


def side_by_side(
    opened: Opened, data: LabelledImages, plan: PruningPlan, cache: PrefixCache | None = None
) -> Iterator[AccuracyEstimate | None]:
    """Ever better estimates of the pruned model with the paired drop, judging the dense model where it is not known
    yet; None between the halves of a step. Raises DataError for a model with random weights."""
    check_trained(opened)
    parts = []
    run = runner(opened, data, plan, cache)
    for batch in predict(opened.model, opened.info, data, run, sizes=timing.batches(opened)):
        yield None
        parts.append(batch)
        so_far = concatenate(parts)
        extend_dense(opened, data, len(so_far.classes))
        yield estimate(so_far, data, opened.dense[data.name])


def extend_dense(opened: Opened, data: LabelledImages, upto: int) -> None:
    """Judge the dense model on the first `upto` images, as far as it is not known on them."""
    known = opened.dense.get(data.name)
    start = 0 if known is None else len(known.classes)
    run = in_precision(opened.model, None, opened.bf16)
    more = list(predict(opened.model, opened.info, data, run, upto, opened.sizes, start=start))
    if more:
        opened.dense[data.name] = concatenate(([] if known is None else [known]) + more)


def stream(
    opened: Opened, data: LabelledImages, plan: PruningPlan, cache: PrefixCache | None = None
) -> Iterator[dict[str, Any]]:
    """Events for the page: how long it will take, then estimates, each with the seconds `left` and a `note` on the
    precision; {} where there is no news. What the dense model answers is kept for those who come back."""
    kept_answers.recall(opened, data)
    before = _known(opened, data)
    try:
        yield from _streamed(opened, data, plan, cache)
    finally:
        kept_answers.keep(opened, data, before)


def _streamed(
    opened: Opened, data: LabelledImages, plan: PruningPlan, cache: PrefixCache | None
) -> Iterator[dict[str, Any]]:
    total = len(data)
    yield {"doing": timing.told((2 * total - _known(opened, data)) * opened.seconds, total).capitalize()}
    images = precision.share_to_check(total) if precision.check_later(opened) else 0
    check = precision.measure(opened, data, images, timing.batches(opened)) if images else iter(())
    shown, done = 0, False
    while not done:
        mine, begun, n, before = opened.bf16, time.monotonic(), 0, _known(opened, data)
        done = True
        for found in side_by_side(opened, data, plan, cache):
            n = n if found is None else found.n
            if found is not None and found.n > shown:
                shown = found.n
                known = _known(opened, data)
                seconds = (time.monotonic() - begun) / (shown + known - before) * (2 * total - shown - known)
                yield {**asdict(found), "left": seconds, "note": opened.note}
            else:
                yield {}
            here = found is None and precision.reached(opened, data) <= n
            if here and (tried := next(check, None)) and tried[2]:
                precision.settle(opened, tried[2])
            if opened.bf16 != mine:
                done = False  # here, or by another session
                break


def _known(opened: Opened, data: LabelledImages) -> int:
    """Images that the dense model has answered."""
    return len(opened.dense[data.name].classes) if data.name in opened.dense else 0
