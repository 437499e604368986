"""Finding what there is to tell of cuts of one model: counts, kept shares, answers to every image.

Next door: `pipeline` judges; `differences` compares what is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...data import stratified_order
from ...measure import concatenate, estimate, kept_by_band
from ...pipeline import Opened, apply_plan, default_data, missing_dense, prepare
from ...types import AccuracyEstimate, LabelledImages, PruningPlan
from ..sweep import compare
from .story import Ground, Told

Step = tuple[str, Ground | Told | None]
"""(what is done, what is found once it is)"""


def tell(opened: Opened, plans: Sequence[PruningPlan]) -> Iterator[Step]:
    """First the ground that the cuts stand on, then what is found of each plan, with steps on the way.

    A model without images or with random weights is counted and not judged. Raises InvalidPlan for a plan that cannot
    be met on it.
    """
    judged = opened.info.data is not None and opened.info.weights != "random"
    data = default_data(opened) if judged else None
    yield from _dense(opened, data)
    for place, plan in enumerate(plans, start=1):
        yield from _cut(opened, data, plan, f"cut {place} of {len(plans)}")


def _dense(opened: Opened, data: LabelledImages | None) -> Iterator[Step]:
    info = opened.info
    if data is None:
        yield "Counting", Ground(info.name, info.fingerprint, opened.anatomy, None)
        return
    for found in missing_dense(opened, data):
        yield _so_far("the dense model", found), None
    order, known = stratified_order(data.labels), opened.dense[data.name]
    yield "Judging", Ground(
        info.name, info.fingerprint, opened.anatomy, data.name, estimate(known, data), tuple(data.class_names),
        _whole(order), _whole(data.labels[order]), _whole(known.classes),
        {cue: _whole(values) for cue, values in data.cues.items()},
        {cue: tuple(names) for cue, names in data.cue_names.items()},
    )  # fmt: skip


def _cut(opened: Opened, data: LabelledImages | None, plan: PruningPlan, called: str) -> Iterator[Step]:
    for doing, _, _ in prepare(opened, plan):
        yield doing, None
    _, cost = apply_plan(opened, plan)
    cells = tuple((stage, module, part) for (stage, module), part in cost.cells.items())
    bands = tuple(round(share, 4) for share in kept_by_band(opened.anatomy, cost).values())
    if data is None:
        yield f"Counting {called}", Told(cost.total, cells, bands)
        return
    parts = []
    for _, _, batch in compare(opened, data, plan):
        parts.append(batch)
        found = estimate(concatenate(parts), data, opened.dense[data.name])
        yield _so_far(called, found), None
    yield f"Judging {called}", Told(cost.total, cells, bands, found, _whole(concatenate(parts).classes))


def _so_far(called: str, found: AccuracyEstimate) -> str:
    return f"Judging {called}, {found.n:,} of {found.total:,} images"


def _whole(values: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
