"""Latency: what is stated beside a figure, that nothing is left changed, and the search for a budget."""

import copy

import pytest
import torch

from dimap_core import pipeline
from dimap_core.errors import InvalidPlan
from dimap_core.latency import LEAST, Latency, Spread, measure, meet_budget
from dimap_core.types import PruningPlan


def test_every_batch_size_gets_a_row_with_what_it_was_measured_on(tiny):
    pruned, _, _ = pipeline.prune(tiny, PruningPlan(granularity="structure", ratio=0.5))
    before = torch.get_num_threads()
    rows = list(measure(tiny.model, pruned, 32, batches=(1, 3), threads=2, seconds=0.05))
    assert torch.get_num_threads() == before
    assert [(row.batch, row.threads) for row in rows] == [(1, 2), (3, 2)]
    for row in rows:
        for spread in (row.dense, row.pruned):
            assert 0 < spread.low <= spread.median <= spread.high and spread.runs >= LEAST
        assert row.dense.runs == row.pruned.runs
        assert row.speed_up == row.dense.median / row.pruned.median


def test_measuring_leaves_the_model_as_it_was(tiny):
    weights = copy.deepcopy(tiny.model.state_dict())
    list(measure(tiny.model, tiny.model, 32, batches=(1,), seconds=0.01))
    assert all(torch.equal(value, weights[key]) for key, value in tiny.model.state_dict().items())
    assert not tiny.model.training


def test_speed_up_by_hand():
    row = Latency(1, 1, "cpu", Spread(0.2, 0.1, 0.3, 5), Spread(0.1, 0.1, 0.1, 5))
    assert row.speed_up == 2.0


@pytest.mark.parametrize("curve", [lambda m: m, lambda m: 0.6 * m, lambda m: m**2, lambda m: m**0.5])
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_budget_is_met_whatever_the_curve(curve, share):
    asked = []

    def removed(macs):
        asked.append(macs)
        return curve(macs)

    assert curve(meet_budget(share, removed)) == pytest.approx(share, abs=0.021)
    assert len(asked) <= 7 and all(0 < macs < 1 for macs in asked)


def test_a_budget_out_of_reach_names_the_most_that_was_measured():
    with pytest.raises(InvalidPlan, match=r"60 % was not reached on this device; the most measured is \d+ %\.$"):
        meet_budget(0.6, lambda macs: 0.3 * macs)
