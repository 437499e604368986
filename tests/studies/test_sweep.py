"""Sweeps: the grid of plans, one measured row a plan, rows as CSV."""

from dataclasses import replace

import pandas as pd
import pytest

from dimap_core import pipeline
from dimap_core.data.batches import stratified_order
from dimap_core.data.registry import load_data
from dimap_core.measure.accuracy import predict
from dimap_core.measure.intervals import paired_difference
from dimap_core.measure.predictions import concatenate
from dimap_core.studies import sweep
from dimap_core.types.errors import DataError
from dimap_core.types.plan import PruningPlan


@pytest.fixture(scope="module")
def digits():
    data = load_data("digits")
    return replace(data, images=data.images[:120], labels=data.labels[:120])


def test_the_grid_has_every_combination_criteria_outermost():
    plans = sweep.plans(["dimap", "magnitude"], ["module", "model"], [0.3, 0.6], [0.0, 1.0], seed=5)
    keys = [(plan.criterion, plan.scope, plan.cost_exponent, plan.ratio) for plan in plans]
    assert len(keys) == len(set(keys)) == 16
    assert [key[0] for key in keys] == ["dimap"] * 8 + ["magnitude"] * 8
    assert {plan.seed for plan in plans} == {5}


def test_within_a_layer_the_cost_exponent_changes_nothing_and_is_tried_once():
    plans = sweep.plans(["dimap"], ["layer", "model"], [0.5, 0.7], [0.0, 0.5, 1.0])
    layer = [plan for plan in plans if plan.scope == "layer"]
    assert [(plan.ratio, plan.cost_exponent) for plan in layer] == [(0.5, 0.0), (0.7, 0.0)]
    assert len(plans) == 2 + 6


def test_a_row_says_what_was_cut_and_what_is_left(tiny_swin, digits):
    plan = PruningPlan("magnitude", scope="model", ratio=0.4, cost_exponent=0.5, seed=2)
    measured = sweep.measure(tiny_swin, digits, plan)
    row = measured.row()
    selection, cost = pipeline.apply_plan(tiny_swin, plan)
    estimate = pipeline.judge_fully(tiny_swin, digits, plan)
    assert (row["criterion"], row["scope"], row["granularity"]) == ("magnitude", "model", "weight")
    assert (row["cost_exponent"], row["budget"], row["seed"], row["ratio"]) == (0.5, None, 2, 0.4)
    assert (row["n"], row["top1"], row["top5"]) == (120, estimate.top1.value, estimate.top5.value)
    assert row["ci95"] == [estimate.top1.low, estimate.top1.high]
    assert (row["params"], row["macs"]) == (cost.total.params, cost.total.macs)
    assert (row["params_nonzero"], row["macs_nonzero"]) == (cost.total.params_after, cost.total.macs_after)
    removed = sum(selection.removed.values())
    assert row["params_removed"] == pytest.approx(removed / cost.total.params)


def test_a_budgets_row_holds_the_ratio_that_was_solved_for(tiny_swin, digits):
    row = sweep.measure(tiny_swin, digits, PruningPlan(ratio=None, budget=0.3), limit=60).row()
    assert row["budget"] == 0.3 and 0.3 < row["ratio"] < 1
    assert row["macs_removed"] == pytest.approx(0.3, abs=1e-3) and row["n"] == 60


def test_a_full_row_adds_the_estimate_and_cells_that_sum_to_the_row(tiny_swin, digits):
    row = sweep.measure(tiny_swin, digits, PruningPlan(ratio=0.5)).full_row()
    assert row["estimate"]["n"] == 120 and row["estimate"]["drops"]["joint"]["n"] == 120
    assert sum(part["params_after"] for _, _, part in row["cells"]) == row["params_nonzero"]
    assert sum(part["macs_after"] for _, _, part in row["cells"]) == row["macs_nonzero"]


def test_a_plan_that_cannot_be_met_is_a_row_with_its_reason(tiny_swin, digits):
    grid = [PruningPlan(scope="layer", ratio=0.5), PruningPlan(scope="layer", ratio=0.9999)]
    good, bad = sweep.run(tiny_swin, digits, grid, limit=60)
    assert "error" not in good and good["n"] == 60
    assert "empties the layer" in bad["error"] and bad["ratio"] == 0.9999 and "n" not in bad


def test_rows_come_as_they_are_measured(tiny_swin, digits):
    rows = sweep.run(tiny_swin, digits, [PruningPlan(ratio=0.5), PruningPlan("bogus")], limit=60)
    assert next(rows)["ratio"] == 0.5  # before the second plan is looked at
    assert "bogus" in next(rows)["error"]


def test_two_plans_are_compared_on_the_same_images(tiny_swin, digits):
    plans = PruningPlan("magnitude", ratio=0.3), PruningPlan("random", ratio=0.6)
    steps = list(sweep.versus(tiny_swin, digits, *plans))
    assert [step.difference.n for step in steps] == [60, 120] and [step.done for step in steps] == [False, True]
    first, second = (pipeline.judge_fully(tiny_swin, digits, plan) for plan in plans)
    assert (steps[-1].first, steps[-1].second) == (first.top1, second.top1)
    difference = steps[-1].difference
    assert difference.value == pytest.approx(first.top1.value - second.top1.value)
    assert difference.low < difference.value < difference.high
    hits = []
    for plan in plans:
        run = pipeline.runner(tiny_swin, digits, plan, None)
        found = concatenate(list(predict(tiny_swin.model, tiny_swin.info, digits, run)))
        hits.append(found.classes == digits.labels[stratified_order(digits.labels)])
    assert difference == paired_difference(*hits)


def test_csv_has_a_line_a_row_and_a_column_a_cue(tmp_path):
    rows = [{"ratio": 0.5, "cues": {"digit": 0.9, "texture": 1.0}}, {"ratio": 0.7, "error": "no, not this"}]
    sweep.write_csv(rows, tmp_path / "rows.csv")
    table = pd.read_csv(tmp_path / "rows.csv")
    assert list(table.columns) == ["ratio", "cues.digit", "cues.texture", "error"]
    assert table["ratio"].tolist() == [0.5, 0.7] and table["error"].iloc[1] == "no, not this"


@pytest.mark.parametrize("place", ["taken/rows.csv", "."])
def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path, place):
    (tmp_path / "taken").touch()
    with pytest.raises(DataError, match=r"cannot be written \((?!None).+\); choose another file\.$"):
        sweep.write_csv([{"ratio": 0.5}], tmp_path / place)
