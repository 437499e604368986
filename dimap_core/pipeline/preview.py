"""A first look at a repaired cut, while a slider moves: every layer refitted at once from moments of the dense model.

They are gathered in one pass over the plan's training images and kept; then a cut of a bundled model takes some tenths
of a second. Less than `chain.prepare` with repair reaches, which runs through the model anew for every cut.
Next door: `cut.refitting` says how, `chain` has the repair that counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..criteria import Attributions
from ..cut import refit_at_once
from ..types import PruningPlan
from .chain import apply_plan, prepare_evidence, prepare_scores, score
from .opened import Opened, Progress

_SEEING = ("moments", "statistics", "fisher")
"""Passes over training images that gather what layers see, the cheapest first."""


def prepare_preview(opened: Opened, plan: PruningPlan) -> Iterator[Progress]:
    """Gather what a first look at the plan's cut needs and is not known yet. Close it to cancel."""
    yield from prepare_scores(opened, plan)
    if not any(key in opened.statistics for key in _keys(opened, plan)):
        yield from prepare_evidence(opened, next(_keys(opened, plan)))


def preview_weights(opened: Opened, plan: PruningPlan) -> dict[str, Tensor]:
    """Full-shape parameters of the pruned model that differ from the dense model's, refitted at once; whether the plan
    asks for repair makes no difference."""
    for _ in prepare_preview(opened, plan):
        pass
    seen = next(opened.statistics[key] for key in _keys(opened, plan) if key in opened.statistics)
    assert not isinstance(seen, Attributions)  # which are gathered by another pass
    selection, _ = apply_plan(opened, plan)
    return refit_at_once(opened.model, opened.anatomy, score(opened, plan), selection, seen.inputs, seen.logits)


def _keys(opened: Opened, plan: PruningPlan) -> Iterator[tuple[str, int, int, str]]:
    """What moments of the plan's images may be kept under."""
    return ((kind, plan.images, plan.seed, opened.read) for kind in _SEEING)
