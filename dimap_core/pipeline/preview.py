"""A first look at a repaired cut, while a slider moves: every layer refitted at once from moments of the dense model.

They are gathered in one pass over the plan's training images and kept; then a cut of a bundled model takes some tenths
of a second. Less than `chain.prepare` with repair reaches, which runs through the model anew for every cut.
Next door: `cut.refitting` says how, `chain` has the repair that counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..criteria import Statistics
from ..cut import gather_moments, refit_at_once
from ..types import PruningPlan
from .chain import apply_plan, images_to_read, keep_statistics, prepare_scores, score
from .opened import Opened, Progress


def prepare_preview(opened: Opened, plan: PruningPlan) -> Iterator[Progress]:
    """Gather what a first look at the plan's cut needs and is not known yet. Close it to cancel."""
    yield from prepare_scores(opened, plan)
    if _moments(opened, plan) is not None:
        return
    yield "Loading training images", 0, plan.images
    images = images_to_read(opened, plan)
    for done, total, watch in gather_moments(  # noqa: B007
        opened.model, opened.info, opened.anatomy, images
    ):
        yield f"Reading training images, {done:,} of {total:,}", done, total
    name = opened.read or str(opened.info.data)
    found = Statistics(name, total, plan.seed, inputs=watch.inputs(), logits=watch.logits())
    keep_statistics(opened, ("moments", plan.images, plan.seed, opened.read), found)


def preview_weights(opened: Opened, plan: PruningPlan) -> dict[str, Tensor]:
    """Full-shape parameters of the pruned model that differ from the dense model's, refitted at once; whether the plan
    asks for repair makes no difference."""
    for _ in prepare_preview(opened, plan):
        pass
    moments = _moments(opened, plan)
    assert moments is not None  # they have just been gathered
    selection, _ = apply_plan(opened, plan)
    scores = score(opened, plan)
    return refit_at_once(opened.model, opened.anatomy, scores, selection, moments.inputs, moments.logits)


def _moments(opened: Opened, plan: PruningPlan) -> Statistics | None:
    """The dense moments of the plan's images, if a criterion or a preview has gathered them."""
    for gathered in ("statistics", "moments"):
        found = opened.statistics.get((gathered, plan.images, plan.seed, opened.read))
        if isinstance(found, Statistics):
            return found
    return None
