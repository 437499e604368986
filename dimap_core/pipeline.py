"""The whole chain, the only module that knows the order:

model -> anatomy -> scores -> plan -> selection -> cut -> cost + accuracy.

CLI and worker call these functions; the pages get the same results over the worker. `Opened` holds what a model needs
before any plan; everything after it is a pure function of (Opened, plan).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from . import checkpoints, results
from .anatomy import build_anatomy
from .cost import cost_report
from .criteria import criterion, images_read
from .criteria.arrays import prunable_weights
from .cut.masks import masked_weights, with_weights
from .cut.repair import repair
from .cut.slicing import kept_sizes, shape_facts, slice_model
from .data.chosen import Chosen
from .device import device
from .errors import DataError
from .estimates import AccuracyEstimate
from .evaluate import BATCH_SIZE, Runner, evaluate, in_precision, masked
from .footprint import image_bytes, largest_batch
from .gates import Attributions, attribute
from .judging import default_data as default_data
from .judging import training_data
from .latency import Solved, measured_saving, solve
from .models import FILE, load_model, load_named
from .plan import to_recipe
from .predictions import Predictions
from .prefix import PrefixCache, PrefixRunner, segments, states_before
from .ranking import Scores
from .saving import save
from .selection import kept_zeros, select
from .statistics import Statistics, balanced_subset, collect
from .types import Anatomy, CostReport, LabelledImages, ModelInfo, PruningPlan, Selection

_SCORES_KEPT = 4  # per model: the criteria x seeds last used
_STATISTICS_KEPT = 2  # per model; those of a large one take gigabytes
_REPAIRS_KEPT = 4  # per model
Progress = tuple[str, int, int]
"""(what is done, steps done, steps in all)"""


@dataclass
class Opened:
    """A model with its anatomy, and what was computed so far: scores by criterion, granularity, seed and images;
    statistics by what was gathered, images and seed; repaired weights by recipe; dense predictions by data set; batch
    size; whether it is judged in bf16, and a note on why; seconds an image takes (0: not measured). `chosen`: images it
    is judged by in place of its own set's, `images` makes such a copy; caches are shared."""

    model: nn.Module
    info: ModelInfo
    anatomy: Anatomy
    scores: OrderedDict[tuple[str, str, int, int, str], Scores] = field(default_factory=OrderedDict)
    statistics: OrderedDict[tuple[str, int, int, str], Statistics | Attributions] = field(default_factory=OrderedDict)
    repaired: OrderedDict[str, dict[str, Tensor]] = field(default_factory=OrderedDict)
    dense: dict[str, Predictions] = field(default_factory=dict)
    sizes: tuple[int, ...] = (BATCH_SIZE,)
    bf16: bool = False
    seconds: float = 0.0
    note: str = ""
    chosen: Chosen | None = None

    @property
    def read(self) -> str:
        """Names the images that criteria and repair read where they are not the model's own training images."""
        return "" if self.chosen is None else self.chosen.name


def open_model(name: str, weights: str = "pretrained", seed: int = 0, named_only: bool = False) -> Opened:
    """Load a model and list its parts; with `named_only` paths are not looked at, unless they begin with "file:"."""
    paths = not named_only or name.startswith(FILE)
    model, info = (load_model if paths else load_named)(name, weights, seed)
    anatomy = build_anatomy(model, info.family)
    place = device()
    model.to(place)
    most = largest_batch(image_bytes(anatomy)) if place.type == "cpu" else BATCH_SIZE
    return Opened(model, info, anatomy, sizes=(min(BATCH_SIZE, most),))


def prepare(opened: Opened, plan: PruningPlan) -> Iterator[Progress]:
    """Do, step by step, what takes long and is not known yet: statistics, scores, repair. Close it to cancel."""
    yield from prepare_scores(opened, plan)
    if plan.repair and _key(opened, plan) not in opened.repaired:
        selection, _ = apply_plan(opened, plan)
        data = training_data(opened)
        images = data.images[balanced_subset(data.labels, plan.images, plan.seed)]
        steps = repair(opened.model, opened.info, opened.anatomy, score(opened, plan), selection, images)
        repaired: dict[str, Tensor] = {}
        for done, total, repaired in steps:  # noqa: B007
            yield f"Repairing, {done} of {total} blocks done", done, total
        opened.repaired[_key(opened, plan)] = repaired
        if len(opened.repaired) > _REPAIRS_KEPT:
            opened.repaired.popitem(last=False)


def prepare_scores(opened: Opened, plan: PruningPlan) -> Iterator[Progress]:
    """Gather what the plan's criterion needs from training images, if anything that is not known yet."""
    wanted = _evidence(opened, plan)
    if wanted is None or wanted in opened.statistics or scores_key(opened, plan) in opened.scores:
        return
    attributed = wanted[0] == "attributions"
    doing = "Tracing what units contribute, step" if attributed else "Reading training images,"
    gather: Callable[..., Iterator[tuple[int, int, Any]]] = attribute if attributed else collect
    yield "Loading training images", 0, plan.images
    data = training_data(opened)
    for done, total, found in gather(
        opened.model, opened.info, data, opened.anatomy, images=plan.images, seed=plan.seed
    ):
        yield f"{doing} {done:,} of {total:,}", done, total
        if found is not None:
            opened.statistics[wanted] = found
    if len(opened.statistics) > _STATISTICS_KEPT:
        opened.statistics.popitem(last=False)


def _evidence(opened: Opened, plan: PruningPlan) -> tuple[str, int, int, str] | None:
    """What the plan's criterion reads besides weights: (which pass, images, seed, of what)."""
    evidence = criterion(plan.criterion).evidence
    return (evidence, plan.images, plan.seed, opened.read) if evidence else None


def scores_key(opened: Opened, plan: PruningPlan) -> tuple[str, str, int, int, str]:
    """What a plan's scores are kept under."""
    images = images_read(plan.criterion, plan.images)
    return plan.criterion, plan.scored, plan.seed, images, opened.read if images else ""


def _key(opened: Opened, plan: PruningPlan) -> str:
    return f"{opened.read} {json.dumps(to_recipe(plan))}"


def score(opened: Opened, plan: PruningPlan) -> Scores:
    """The plan's scores, computed once per criterion, granularity, seed and (where it reads any) images."""
    key = scores_key(opened, plan)
    if key not in opened.scores:
        for _ in prepare_scores(opened, plan):
            pass
        wanted = _evidence(opened, plan)
        found = None if wanted is None else opened.statistics[wanted]
        opened.scores[key] = criterion(plan.criterion).fn(opened.model, opened.anatomy, plan.scored, found, plan.seed)
        if len(opened.scores) > _SCORES_KEPT:
            opened.scores.popitem(last=False)
    return opened.scores[key]


def apply_plan(opened: Opened, plan: PruningPlan) -> tuple[Selection, CostReport]:
    """What the plan removes and what that costs; nothing is cut yet."""
    selection = select(score(opened, plan), opened.anatomy, plan)
    zeros = kept_zeros(prunable_weights(opened.model, opened.anatomy), score(opened, plan), selection)
    return selection, cost_report(opened.anatomy, selection, zeros)


def cut_weights(opened: Opened, plan: PruningPlan, selection: Selection) -> dict[str, Tensor]:
    """Full-shape parameters of the pruned model that differ from the dense model's: masked, or masked and repaired."""
    if not plan.repair:
        return masked_weights(opened.model, opened.anatomy, score(opened, plan), selection)
    for _ in prepare(opened, plan):
        pass
    opened.repaired.move_to_end(_key(opened, plan))
    return opened.repaired[_key(opened, plan)]


def prune(opened: Opened, plan: PruningPlan) -> tuple[nn.Module, Selection, CostReport]:
    """A pruned copy of the model, with what went and what it saved: zeros, or for structures a smaller model."""
    selection, cost = apply_plan(opened, plan)
    if plan.granularity != "structure":
        return with_weights(opened.model, cut_weights(opened, plan, selection)), selection, cost
    # What is kept is as it was unless it was repaired: no masked copy of the whole model is made first.
    weights = cut_weights(opened, plan, selection) if plan.repair else None
    return slice_model(opened.model, opened.anatomy, score(opened, plan), selection, weights), selection, cost


def save_pruned(path: Path, opened: Opened, plan: PruningPlan) -> dict[str, Any]:
    """Prune and write the checkpoint directory `path`: tensors, recipe, card; returns the plan's result object."""
    checkpoints.check_writable(path)
    pruned, card = pruned_with_card(opened, plan)
    save(path, pruned, card)
    return card["result"]


def pruned_with_card(opened: Opened, plan: PruningPlan) -> tuple[nn.Module, dict[str, Any]]:
    """A pruned copy of the model and the card of its checkpoint, which holds the plan's result object."""
    pruned, selection, cost = prune(opened, plan)
    card = origin(opened, plan.seed) | ({"zeroed": True} if opened.info.zeroed else {})
    if plan.granularity == "structure":
        card["kept"] = kept_sizes(pruned, opened.anatomy)
    return pruned, {**card, "result": results.pruned(plan, opened.info, opened.anatomy, selection, cost)}


def origin(opened: Opened, seed: int) -> dict[str, Any]:
    """What the card of a smaller model says of the one it was made from."""
    card = {"model": opened.info.name, "weights": opened.info.weights, "seed": seed, **results.facts(opened.info)}
    if opened.info.source in ("directory", "file"):  # it may have been cut before, in whatever form it was built
        card |= {"model": opened.info.architecture, **shape_facts(opened.model, opened.anatomy)}
        card |= {key: dict(told) for key in ("settings", "dense") if (told := getattr(opened.info, key))}
    return card


def meet_latency(opened: Opened, plan: PruningPlan, batch: int = 1) -> tuple[PruningPlan, Solved]:
    """`plan` with a budget of MACs that removes its share of this device's latency, and what was measured for it."""

    def make(macs: float) -> nn.Module:
        return prune(opened, replace(plan, budget=macs, budget_kind="macs", repair=False))[0]

    saving = measured_saving(opened.model, make, opened.info.input_size, batch)
    solved = solve(saving, plan.budget or 0.0)
    return replace(plan, budget=solved.macs, budget_kind="macs"), solved


def judge(
    opened: Opened,
    data: LabelledImages,
    plan: PruningPlan | None = None,
    limit: int | None = None,
    cache: PrefixCache | None = None,
    sizes: Iterable[int] | None = None,
) -> Iterator[AccuracyEstimate]:
    """Ever better estimates of the pruned model's accuracy (None: the dense model's).

    The dense model's predictions are kept: judge it first, and every plan's estimate holds the paired drop. With a
    `cache` a plan is evaluated from the first block that differs from the one judged before. `sizes`: of batches, by
    default what suits the model best. Raises DataError for a model with random weights.
    """
    check_trained(opened)
    known = opened.dense.get(data.name)
    run = in_precision(opened.model, None, opened.bf16) if plan is None else runner(opened, data, plan, cache)
    dense = None if plan is None else known
    for result, predictions in evaluate(opened.model, opened.info, data, run, dense, limit, sizes or opened.sizes):
        if plan is None and (known is None or result.n > len(known.classes)):
            opened.dense[data.name] = predictions
        yield result


def check_trained(opened: Opened) -> None:
    """Raise DataError for a model with random weights, whose answers mean nothing."""
    if opened.info.weights == "random":
        raise DataError("Accuracy means nothing on random weights; load a trained model to evaluate it.")


def runner(opened: Opened, data: LabelledImages, plan: PruningPlan, cache: PrefixCache | None) -> Runner:
    """How batches of the pruned model are run."""
    selection, _ = apply_plan(opened, plan)
    scores, weights = score(opened, plan), cut_weights(opened, plan, selection)
    if cache is None:
        return in_precision(opened.model, masked(opened.model, weights), opened.bf16)
    # What a layer loses depends on nothing else; cuts by magnitude are alike whatever the criterion's name.
    origin = () if scores.by_magnitude else scores_key(opened, plan)
    mended = (plan.seed, plan.images) if plan.repair else ()
    name = (selection.granularity, selection.nm, mended, origin)
    cut = {layer: (name, removed) for layer, removed in selection.removed.items() if removed}
    chain = segments(opened.model, opened.info.family)
    owner = (opened.info.fingerprint, data.name, opened.bf16)
    run = PrefixRunner(opened.model, opened.info.family, chain, weights, states_before(chain, cut), cache, owner)
    return in_precision(opened.model, run, opened.bf16)


def judge_fully(
    opened: Opened, data: LabelledImages, plan: PruningPlan | None = None, limit: int | None = None
) -> AccuracyEstimate:
    """The last estimate of `judge`, after the dense model was judged too where the plan needs it."""
    if plan is not None:
        for _ in missing_dense(opened, data, limit):
            pass
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


def weight_arrays(opened: Opened) -> dict[str, np.ndarray]:
    """Weights of the prunable layers by name, float32."""
    return dict(prunable_weights(opened.model, opened.anatomy))


def dense_cost(opened: Opened) -> CostReport:
    """Cost with nothing removed."""
    return cost_report(opened.anatomy)
