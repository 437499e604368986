"""The chain up to a pruned model: what a plan needs is gathered, scored, selected, repaired, cut and written.

Every function is a pure function of (Opened, plan), but for what `Opened` keeps.
Next door: `opened` holds what a model needs before any plan, `evaluation` judges what is cut here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..criteria import Attributions, attribute, collect, criterion, feel, images_read, observe, prunable_weights
from ..cut import (
    kept_sizes,
    kept_zeros,
    masked_weights,
    refit_at_once,
    refit_zeros,
    repair,
    shape_facts,
    slice_model,
    with_weights,
)
from ..data import balanced_subset
from ..measure import Solved, cost_report, measured_saving, solve_latency
from ..models import checkpoints, facts, save
from ..plan import select, to_recipe
from ..types import CostReport, PruningPlan, Scores, Selection, drain
from . import kept_moments, results
from .images import training_data
from .opened import Opened, Progress

_READING = "Reading training images,"
_GATHERED: dict[str, tuple[str, Callable[..., Iterator[tuple[int, int, Any]]]]] = {
    "statistics": (_READING, collect),
    "attributions": ("Tracing what units contribute, step", attribute),
    "moments": (_READING, observe),
    "fisher": ("Feeling what the answers depend on, image", feel),
}
"""Kind of evidence -> what is done meanwhile, and the pass over training images that gathers it."""

_SEEING = ("moments", "fisher")
"""Passes that gather what layers see of the same training images, the cheaper first."""

_SCORES_KEPT = 4  # per model: the criteria x seeds last used
_KINDS_KEPT, _BYTES_KEPT = 2, 256 * 1024**2  # of evidence, per model: that of a large one takes gigabytes
_REPAIRS_KEPT = 4  # per model


def prepare(opened: Opened, plan: PruningPlan) -> Iterator[Progress]:
    """Do, step by step, what takes long and is not known yet: statistics, scores, repair. Close it to cancel."""
    yield from prepare_scores(opened, plan)
    if plan.repair and not is_repaired(opened, plan):
        selection, _ = apply_plan(opened, plan)
        walk, parts = (repair, "blocks") if plan.granularity == "structure" else (refit_zeros, "layers")
        images = images_to_read(opened, plan)
        repaired: dict[str, Tensor] = {}
        for done, total, repaired in walk(  # noqa: B007
            opened.model, opened.info, opened.anatomy, score(opened, plan), selection, images
        ):
            yield f"Repairing, {done} of {total} {parts} done", done, total
        opened.repaired[_key(opened, plan)] = repaired
        if len(opened.repaired) > _REPAIRS_KEPT:
            opened.repaired.popitem(last=False)
    elif plan.repair:
        opened.repaired.move_to_end(_key(opened, plan))


def is_repaired(opened: Opened, plan: PruningPlan) -> bool:
    """Whether the plan's repair is kept."""
    return _key(opened, plan) in opened.repaired


def images_to_read(opened: Opened, plan: PruningPlan) -> np.ndarray:
    """The training images that repair reads, uint8 [N, 3, H, W]: those that criteria read, too."""
    data = training_data(opened)
    return data.images[balanced_subset(data.labels, plan.images, plan.seed)]


def prepare_scores(opened: Opened, plan: PruningPlan) -> Iterator[Progress]:
    """Gather what the plan's criterion needs from training images, if anything that is not known yet."""
    wanted = _evidence(opened, plan)
    if wanted is None or wanted in opened.statistics or scores_key(opened, plan) in opened.scores:
        return
    yield from prepare_evidence(opened, wanted)


def prepare_evidence(opened: Opened, wanted: tuple[str, int, int, str]) -> Iterator[Progress]:
    """Gather one kind of evidence: (which pass, images, seed, of what); the oldest goes where all take too much."""
    (doing, gather), images, seed = _GATHERED[wanted[0]], *wanted[1:3]
    of = opened.read or str(opened.info.data)
    place = kept_moments.path_of(wanted[0], opened.info.fingerprint, of, images, seed)
    found = kept_moments.read(place) if wanted[0] in _SEEING else None
    if found is None:
        yield "Loading training images", 0, images
        data, begun = training_data(opened), time.monotonic()
        steps = gather(opened.model, opened.info, data, opened.anatomy, images=images, seed=seed)
        for done, total, found in steps:  # noqa: B007
            yield f"{doing} {done:,} of {total:,}", done, total
        if wanted[0] in _SEEING and found and time.monotonic() - begun > kept_moments.LONG:
            kept_moments.write(place, found)
    if found is not None:
        opened.statistics[wanted] = found
    kept = opened.statistics
    while len(kept) > _KINDS_KEPT and sum(one.nbytes for one in kept.values()) > _BYTES_KEPT:
        kept.popitem(last=False)


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
        drain(prepare_scores(opened, plan))
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
    drain(prepare(opened, plan))
    return opened.repaired[_key(opened, plan)]


def prepare_preview(opened: Opened, plan: PruningPlan) -> Iterator[Progress]:
    """Gather what a first look at the plan's cut needs and is not known yet. Close it to cancel."""
    yield from prepare_scores(opened, plan)
    if not any(key in opened.statistics for key in _seen_keys(opened, plan)):
        yield from prepare_evidence(opened, next(_seen_keys(opened, plan)))


def preview_weights(opened: Opened, plan: PruningPlan) -> dict[str, Tensor]:
    """`cut_weights` at a first look, while a slider moves: all layers refitted at once from moments of the dense model.

    They are gathered in one pass and kept; then a cut of a bundled model takes some tenths of a second. Less than
    repair reaches, which runs through the model anew for every cut. Whether the plan asks for repair doesn't matter.
    """
    for _ in prepare_preview(opened, plan):
        pass
    seen = next(opened.statistics[key] for key in _seen_keys(opened, plan) if key in opened.statistics)
    assert not isinstance(seen, Attributions)  # which are gathered by another pass
    selection, _ = apply_plan(opened, plan)
    return refit_at_once(opened.model, opened.anatomy, score(opened, plan), selection, seen.inputs, seen.logits)


def _seen_keys(opened: Opened, plan: PruningPlan) -> Iterator[tuple[str, int, int, str]]:
    """What moments of the plan's images may be kept under."""
    return ((kind, plan.images, plan.seed, opened.read) for kind in _SEEING)


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
    card = {"model": opened.info.name, "weights": opened.info.weights, "seed": seed, **facts(opened.info)}
    if opened.info.source in ("directory", "file"):  # it may have been cut before, in whatever form it was built
        card |= {"model": opened.info.architecture, **shape_facts(opened.model, opened.anatomy)}
        card |= {key: dict(told) for key in ("settings", "dense") if (told := getattr(opened.info, key))}
    return card


def meet_latency(opened: Opened, plan: PruningPlan) -> tuple[PruningPlan, Solved]:
    """`plan` with a budget of MACs that removes its share of this device's latency, and what was measured for it."""

    def make(macs: float) -> nn.Module:
        return prune(opened, replace(plan, budget=macs, budget_kind="macs", repair=False))[0]

    saving = measured_saving(opened.model, make, opened.info.input_size)
    solved = solve_latency(saving, plan.budget or 0.0)
    return replace(plan, budget=solved.macs, budget_kind="macs"), solved


def weight_arrays(opened: Opened) -> dict[str, np.ndarray]:
    """Weights of the prunable layers by name, float32."""
    return dict(prunable_weights(opened.model, opened.anatomy))


def dense_cost(opened: Opened) -> CostReport:
    """Cost with nothing removed."""
    return cost_report(opened.anatomy)
