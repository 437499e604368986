"""Sensitivity: every row is what the same cut gives on its own, and what cannot be cut has no row."""

from dataclasses import replace

import numpy as np
import pytest

from dimap_core import pipeline
from dimap_core.data.registry import load_data
from dimap_core.measure.accuracy import masked, predict
from dimap_core.measure.predictions import concatenate
from dimap_core.pipeline import chain
from dimap_core.studies.effort import cell_passes, cells, dense_plan
from dimap_core.studies.sensitivity import sensitivity
from dimap_core.types.errors import DataError, InvalidPlan
from dimap_core.types.plan import PruningPlan
from tests.helpers import SINGLE

N = 60


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def measured(opened, data, plan, ratios=(0.5, 0.8)):
    return [row for row in sensitivity(opened, data, plan, ratios, N) if row is not None]


@pytest.mark.parametrize(
    "plan",
    [
        PruningPlan("magnitude", ratio=0.7, scope="module"),
        PruningPlan("dimap", "structure", "layer", ratio=None, budget=0.3, overrides=(((0, "head"), 0.5),)),
    ],
    ids=["weight", "structure"],
)
def test_every_row_is_that_cut_alone(tiny, digits, plan):
    rows = measured(tiny, digits, plan)
    places = [(row.stage, row.module) for row in rows]
    assert list(dict.fromkeys(places)) == cells(tiny.anatomy, plan.granularity)  # last stage first, no cell left out
    for _ in pipeline.judge(tiny, digits):
        pass
    dense = tiny.dense["digits"]
    for row in rows:
        cut = replace(dense_plan(plan), overrides=(((row.stage, row.module), row.ratio),))
        selection, cost = pipeline.apply_plan(tiny, cut)
        weights = chain.cut_weights(tiny, cut, selection)
        run = masked(tiny.model, weights)
        found = concatenate(list(predict(tiny.model, tiny.info, digits, run, N)))
        alone = pipeline.judge_fully(tiny, digits, cut, N)
        assert (row.estimate.cues, row.estimate.drops) == (alone.cues, alone.drops)
        assert abs(row.rise.value - np.mean(found.loss - dense.loss[:N])) < SINGLE * found.loss.max()
        total = cost.total
        assert row.macs == pytest.approx(1 - total.macs_after / total.macs) and 0 < row.macs < 1
        assert row.params == pytest.approx(1 - total.params_after / total.params)
        assert row.removed == pytest.approx(row.ratio, abs=0.26)  # of two heads one goes at any ratio
    assert cell_passes(tiny.anatomy, plan.granularity) > 1


def test_what_cannot_be_cut_has_no_row_and_no_cut_is_measured_twice(make_tiny, opened, digits):
    single = opened(make_tiny("swin", num_heads=(1, 4)), "swin")
    plan = PruningPlan(granularity="structure", ratio=0.5)
    rows = measured(single, digits, plan, (0.01, 0.5, 0.8, 0.81))
    heads = [(row.stage, row.ratio, row.removed) for row in rows if row.module == "head"]
    assert heads == [(1, 0.5, 0.5), (1, 0.8, 0.75)]  # one head cannot go; 1 % and 81 % remove no more than before
    protected = replace(
        PruningPlan(ratio=0.5), protected=tuple(n.name for n in single.anatomy.prunable if n.stage == 0)
    )
    assert {row.stage for row in measured(single, digits, protected, (0.5,))} == {1}


def test_a_curve_ends_where_a_layer_would_be_emptied(tiny_swin, digits):
    rows = measured(tiny_swin, digits, PruningPlan("magnitude", scope="layer"), (0.5, 0.99999))
    assert {row.ratio for row in rows} == {0.5}


def test_what_has_no_ratio_or_no_accuracy_is_one_sentence(tiny_swin, digits):
    with pytest.raises(InvalidPlan, match="pattern fixes every ratio"):
        next(sensitivity(tiny_swin, digits, PruningPlan(granularity="nm", ratio=None, nm="2:4")))
    random = replace(tiny_swin, info=replace(tiny_swin.info, weights="random"))
    with pytest.raises(DataError, match="random weights"):
        next(sensitivity(random, digits, PruningPlan()))
