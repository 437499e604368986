"""Numbers that bands can be filled by beside their cost: where importance lies, and what parts bear.

Next door: `blocks` has the fill by cost, `studies` makes the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from scipy.stats import rankdata

from ...types import MLP, PRJ, PRUNABLE_MODULES, QKV, Anatomy, CellCut
from .blocks import BandKey, Fill, places

_BANDS = {"mlp_neuron": (MLP,), "head": (QKV, PRJ)}  # of kinds; dimensions are parts of heads


def importance_fill(scores: Mapping[BandKey, float]) -> Fill:
    """Each band's rank by its mean score (`studies.summaries.score_by_band`), in % of all bands: 100 scores highest,
    equal ones share theirs. Scores of bands lie decades apart, so that by amount one would outshine all others."""
    if not any(scores.values()):
        return Fill("importance", {})
    ranks = 100 * rankdata(list(scores.values())) / len(scores)
    return Fill("importance", dict(zip(scores, map(float, ranks), strict=True)), " % by rank")


def common_depth(rows: Sequence[CellCut]) -> float:
    """The largest ratio, 0..1, that all measured curves reach; `rows` as `studies.sensitivity` yields them."""
    deepest: dict[tuple[int, str], float] = {}
    for row in rows:
        deepest[row.stage, row.module] = max(row.ratio, deepest.get((row.stage, row.module), 0.0))
    return min(deepest.values(), default=0.0)


def sensitivity_fill(anatomy: Anatomy, rows: Sequence[CellCut]) -> Fill:
    """Points of top-1 that the model loses where the band's stage x module (or kind) alone is cut to `common_depth`,
    read off its curve between two measured ratios; a cell that gains counts as 0, one without a curve is left out."""
    values, depth = {}, common_depth(rows)
    for (stage, name), own in groupby(sorted(rows, key=_cell), key=lambda row: (row.stage, row.module)):
        curve = [(0.0, 0.0), *((row.ratio, -100 * row.estimate.drops["joint"].value) for row in own)]
        lost = max(0.0, float(np.interp(depth, [at for at, _ in curve], [points for _, points in curve])))
        for place in places(anatomy, anatomy.stages[stage]):
            for module in _BANDS.get(name, (name,)):
                if module in PRUNABLE_MODULES and any(x.module == module for x in anatomy.blocks[place].layers):
                    values[place, module] = lost
    return Fill("sensitivity", values, " pt")


def _cell(row: CellCut) -> tuple[int, str, float]:
    return row.stage, row.module, row.ratio
