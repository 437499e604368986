"""Latency: structure and invariants of what is measured, never times; the budget's solver on known curves."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from dimap_core.measure.device import SETTING
from dimap_core.measure.latency import (
    LatencyRow,
    Ratio,
    Timing,
    _ratio,
    measure_latency,
    measured_saving,
    solve_latency,
)
from dimap_core.types.errors import InvalidPlan


@pytest.fixture(autouse=True)
def _on_the_processor(monkeypatch):
    monkeypatch.setenv(SETTING, "cpu")


def test_a_row_for_each_batch_size_says_how_it_was_measured(tiny):
    rows = list(measure_latency(tiny.model, tiny.model, 32, (1, 3), threads=1, repeats=4))
    assert [row.batch_size for row in rows] == [1, 3]
    for row in rows:
        assert (row.threads, row.device, row.repeats) == (1, "cpu", 4)
        for timing in (row.dense, row.pruned):
            assert 0 < timing.low <= timing.median <= timing.high
        assert row.speedup == pytest.approx(1 / (1 - row.removed))
        assert asdict(row).keys() == {"batch_size", "threads", "device", "repeats", "dense", "pruned", "ratio"}


@pytest.mark.parametrize("pairs", [6, 21, 84])
def test_the_interval_of_the_ratio_leaves_out_as_many_pairs_as_the_sign_test_does(pairs):
    ratios = np.random.default_rng(pairs).lognormal(size=pairs)
    found = _ratio(np.column_stack([ratios, np.ones(pairs)]).tolist())
    left_out = max(k for k in range(pairs) if sum(math.comb(pairs, i) for i in range(k + 1)) / 2**pairs <= 0.025)
    ordered = sorted(ratios)
    assert (found.low, found.high) == (ordered[left_out], ordered[pairs - 1 - left_out])
    assert found.value == np.median(ratios)


def test_few_pairs_have_no_interval():
    assert _ratio([[2.0, 1.0]] * 5) == Ratio(2.0, None, None)


def test_threads_are_set_while_measuring_and_restored_even_between_rows_and_after_errors(tiny):
    before, seen = torch.get_num_threads(), []
    handle = tiny.model.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    rows = measure_latency(tiny.model, tiny.model, 32, (1, 1), threads=before + 1, repeats=1)
    assert next(rows).threads == before + 1
    assert torch.get_num_threads() == before
    rows.close()
    handle.remove()
    assert set(seen) == {before + 1}
    with pytest.raises(AssertionError):
        list(measure_latency(tiny.model, tiny.model, 33, (1,), threads=before + 1))
    assert torch.get_num_threads() == before


def test_runs_are_interleaved_after_a_warm_up():
    order = []

    class Told(torch.nn.Linear):
        def __init__(self, name):
            super().__init__(1, 1)
            self.name = name

        def forward(self, images):
            assert torch.is_inference_mode_enabled() and images.shape == (2, 3, 8, 8)
            order.append(self.name)
            return images

    (row,) = measure_latency(Told("dense"), Told("pruned"), 8, (2,), repeats=3)
    assert order[:-6] == ["dense", "pruned"] * 3
    assert order[-6:] == ["dense", "pruned", "pruned", "dense", "dense", "pruned"]
    assert row.repeats == 3


def test_ratios_are_of_medians():
    row = LatencyRow(1, 1, "cpu", 3, Timing(0.4, 0.3, 0.5), Timing(0.1, 0.1, 0.2), Ratio(4.0, None, None))
    assert row.speedup == pytest.approx(4) and row.removed == pytest.approx(0.75)


def test_the_saving_of_a_cut_is_measured(tiny):
    asked = []

    def make(macs):
        asked.append(macs)
        return tiny.model

    saved = measured_saving(tiny.model, make, 32)(0.4)
    assert asked == [0.4] and math.isfinite(saved) and saved < 1


@given(st.floats(0.05, 0.85), st.floats(0.4, 2.5), st.floats(0.0, 0.3))
def test_a_budget_on_a_rising_curve_is_met(target, power, overhead):
    """Savings that start late (`overhead`) and bend either way."""

    def saving(macs):
        return (1 - overhead) * max(macs, 0) ** power - 0.05 * overhead

    asked = []
    if saving(0.95) < target - 0.02:
        with pytest.raises(InvalidPlan, match=r"latency cannot be met here; removing 95 % of the MACs saved .*\.$"):
            solve_latency(saving, target)
        return
    solved = solve_latency(lambda macs: asked.append(macs) or saving(macs), target, limit=12)
    assert abs(solved.removed - target) <= 0.02 and solved.removed == saving(solved.macs)
    assert len(asked) <= 12 and all(0 < macs <= 0.95 for macs in asked)


def test_a_curve_that_falls_ends_with_the_nearest_measured():
    """Noise can turn a curve around; the search still ends, with a cut that was measured."""
    values = iter([0.6, 0.2, 0.7, 0.1, 0.8])
    solved = solve_latency(lambda _: next(values), 0.4, tolerance=0.01, limit=5)
    assert next(values, None) is None and solved.removed in (0.6, 0.2)


def test_one_disturbed_measurement_refuses_nothing():
    values = iter([-1.0, 0.6])
    assert solve_latency(lambda _: next(values), 0.6, most=0.6).removed == 0.6
    with pytest.raises(InvalidPlan, match="saved 30 %"):
        solve_latency(lambda _: 0.3, 0.6, most=0.6)
