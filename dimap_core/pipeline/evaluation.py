"""Judging: how well the dense model or a plan's cut of it answers, in ever better estimates.

Next door: `chain` cuts, `images` says by which images, `measure` counts answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np

from ..anatomy import segments
from ..cut import slice_model
from ..data import stratified_order
from ..measure import PrefixCache, PrefixRunner, Runner, evaluate, in_precision, masked, states_before
from ..types import AccuracyEstimate, LabelledImages, PruningPlan, UnsupportedModel, drain
from .chain import apply_plan, cut_weights, preview_weights, score, scores_key
from .opened import Opened, check_trained


def judge(
    opened: Opened,
    data: LabelledImages,
    plan: PruningPlan | None = None,
    limit: int | None = None,
    cache: PrefixCache | None = None,
    sizes: Iterable[int] | None = None,
    preview: bool = False,
) -> Iterator[AccuracyEstimate]:
    """Ever better estimates of the pruned model's accuracy (None: the dense model's).

    The dense model's predictions are kept: judge it first, and every plan's estimate holds the paired drop. With a
    `cache` a plan is evaluated from the first block that differs from the one judged before. `sizes`: of batches, by
    default what suits the model best. `preview`: with the quick refit in the place of repair. Raises DataError for a
    model with random weights.
    """
    for result, _ in judge_images(opened, data, plan, limit, cache, sizes, preview):
        yield result


def judge_images(
    opened: Opened,
    data: LabelledImages,
    plan: PruningPlan | None = None,
    limit: int | None = None,
    cache: PrefixCache | None = None,
    sizes: Iterable[int] | None = None,
    preview: bool = False,
) -> Iterator[tuple[AccuracyEstimate, np.ndarray]]:
    """`judge`, each estimate with the images that were answered right so far, boolean [n] in evaluation order."""
    check_trained(opened)
    known, labels = opened.dense.get(data.name), data.labels[stratified_order(data.labels)]
    run = in_precision(opened.model, None, opened.bf16) if plan is None else runner(opened, data, plan, cache, preview)
    dense = None if plan is None else known
    for result, predictions in evaluate(opened.model, opened.info, data, run, dense, limit, sizes or opened.sizes):
        if plan is None and (known is None or result.n > len(known.classes)):
            opened.dense[data.name] = predictions
        yield result, predictions.classes == labels[: result.n]


def runner(
    opened: Opened, data: LabelledImages, plan: PruningPlan, cache: PrefixCache | None, preview: bool = False
) -> Runner:
    """How batches of the pruned model are run; `preview`: see `judge`."""
    selection, _ = apply_plan(opened, plan)
    scores = score(opened, plan)
    weights = preview_weights(opened, plan) if preview else cut_weights(opened, plan, selection)
    if cache is None:
        return in_precision(opened.model, masked(opened.model, weights), opened.bf16)
    # What a layer loses depends on nothing else; cuts by magnitude are alike whatever the criterion's name.
    origin = () if scores.by_magnitude else scores_key(opened, plan)
    mended = (plan.seed, plan.images, preview) if plan.repair or preview else ()
    name = (selection.granularity, selection.nm, mended, origin)
    cut = {layer: (name, removed) for layer, removed in selection.removed.items() if removed}
    chain = segments(opened.model, opened.info.family)
    owner = (opened.info.fingerprint, data.name, opened.bf16)
    run = PrefixRunner(opened.model, opened.info.family, chain, weights, states_before(chain, cut), cache, owner)
    return in_precision(opened.model, run, opened.bf16)


def small_runner(opened: Opened, plan: PruningPlan, preview: bool = False) -> Runner:
    """`runner` without a cache, for a cut that is run a few times: structures are sliced out where they can be, which
    answers as the masked model does, but for rounding, and takes less time."""
    selection, _ = apply_plan(opened, plan)
    weights = preview_weights(opened, plan) if preview else cut_weights(opened, plan, selection)
    run = masked(opened.model, weights)
    if selection.granularity == "structure":
        with suppress(UnsupportedModel):
            smaller = slice_model(opened.model, opened.anatomy, score(opened, plan), selection, weights)
            run = masked(smaller, {})
    return in_precision(opened.model, run, opened.bf16)


def judge_fully(
    opened: Opened, data: LabelledImages, plan: PruningPlan | None = None, limit: int | None = None
) -> AccuracyEstimate:
    """The last estimate of `judge`, after the dense model was judged too where the plan needs it."""
    if plan is not None:
        drain(missing_dense(opened, data, limit))
    *_, estimate = judge(opened, data, plan, limit)
    return estimate


def missing_dense(opened: Opened, data: LabelledImages, limit: int | None = None) -> Iterator[AccuracyEstimate]:
    """Judge the dense model unless its predictions are known already for as many images."""
    if not knows_dense(opened, data, limit):
        yield from judge(opened, data, limit=limit)


def knows_dense(opened: Opened, data: LabelledImages, limit: int | None = None) -> bool:
    """Whether the dense model was judged on as many images."""
    known = opened.dense.get(data.name)
    return known is not None and len(known.classes) >= min(len(data), limit or len(data))
