"""Ratios from curves: the solver against all combinations, curves against hand values, savings against costs."""

from itertools import product

import numpy as np
import pytest

from dimap_core import pipeline
from dimap_core.measure.cost import cost_report
from dimap_core.plan.selection import select
from dimap_core.studies import allocation
from dimap_core.studies.effort import cells
from dimap_core.types.errors import InvalidPlan
from dimap_core.types.estimates import AccuracyEstimate, Difference, Proportion
from dimap_core.types.findings import CellCut
from dimap_core.types.plan import PruningPlan

NONE = AccuracyEstimate(10, 10, {"joint": Proportion(10, 9, 0.6, 1.0)}, Proportion(10, 10, 0.7, 1.0))


def row(stage, module, ratio, macs, rise):
    return CellCut(stage, module, ratio, ratio, 2 * macs, macs, NONE, Difference(10, rise, rise, rise), 0.0)


def curves(opened, granularity, rng):
    """Made-up rises for every cell of a model, at the costs that its cuts really save."""
    rows = []
    for stage, module in cells(opened.anatomy, granularity):
        worth = rng.random()
        for ratio in (0.3, 0.6, 0.9):
            plan = PruningPlan(granularity=granularity, overrides=(((stage, module), ratio),))
            cost = pipeline.apply_plan(opened, plan)[1].total
            rise = Difference(10, worth * ratio**2, 0.0, 1.0)
            saved = 1 - cost.params_after / cost.params, 1 - cost.macs_after / cost.macs
            rows.append(CellCut(stage, module, ratio, ratio, *saved, NONE, rise, 0.0))
    return rows


def test_the_solver_finds_the_least_of_all_combinations():
    rng = np.random.default_rng(0)
    for _ in range(40):
        made = [
            allocation.Options(
                (place, "MLP-M"), np.arange(4.0), np.array([0, *np.sort(rng.integers(0, 1500, 3))]) / allocation.GRID,
                np.array([0, *np.sort(rng.random(3))]),
            )
            for place in range(4)
        ]  # fmt: skip
        target = rng.integers(1, int(allocation.GRID * sum(cell.saved[-1] for cell in made))) / allocation.GRID
        picks = allocation.cheapest(made, target)
        meeting = [
            choice
            for choice in product(range(4), repeat=4)
            if sum(cell.saved[at] for cell, at in zip(made, choice, strict=True)) >= target - 1e-12
        ]
        losses = [sum(cell.rise[at] for cell, at in zip(made, choice, strict=True)) for choice in meeting]
        assert tuple(picks) in meeting
        assert losses[meeting.index(tuple(picks))] == pytest.approx(min(losses), abs=1e-12)


def test_more_than_all_curves_save_cannot_be_met():
    made = allocation.options([row(0, "MLP-M", 0.9, 0.25, 1.0), row(1, "MLP-M", 0.5, 0.125, 1.0)], "macs")
    assert len(allocation.cheapest(made, 0.375)) == 2
    with pytest.raises(InvalidPlan, match=r"reach 37\.5 % together; ask for less\."):
        allocation.cheapest(made, 0.376)


def test_curves_begin_at_nothing_never_fall_and_hold_what_was_measured():
    rows = [row(1, "QKV-M", 0.5, 0.2, 0.4), row(1, "QKV-M", 0.2, 0.1, -0.1), row(0, "MLP-M", 0.4, 0.3, 0.8)]
    rows += [row(0, "MLP-M", 0.8, 0.6, 0.2)]
    first, second = allocation.options(rows, "macs")
    assert (first.cell, second.cell) == ((0, "MLP-M"), (1, "QKV-M"))
    np.testing.assert_allclose(first.ratios[[0, 40, -1]], [0, 0.4, 0.8])
    np.testing.assert_allclose(first.rise[[0, 20, 40, -1]], [0, 0.25, 0.5, 0.5])  # 0.8 and 0.2 pool to their mean
    np.testing.assert_allclose(second.rise[[0, 20, 35, 50]], [0, 0, 0.2, 0.4])  # a gain counts as no loss
    np.testing.assert_allclose(second.saved[[0, 20, 35, 50]], [0, 0.1, 0.15, 0.2])
    np.testing.assert_allclose(allocation.options(rows, "params")[1].saved, 2 * second.saved)


@pytest.mark.parametrize("granularity", ["weight", "structure"])
@pytest.mark.parametrize("kind", ["macs", "params"])
def test_the_whole_cut_really_saves_the_share(tiny, granularity, kind):
    rng = np.random.default_rng(3)
    plan = PruningPlan("magnitude", granularity, "stage-module", ratio=0.2, repair=granularity == "structure")
    scores, rows = pipeline.score(tiny, plan), curves(tiny, granularity, rng)
    for target in (0.1, 0.35, 0.5):
        made = allocation.allocate(tiny.anatomy, scores, plan, rows, target, kind)
        total = cost_report(tiny.anatomy, select(scores, tiny.anatomy, made.plan)).total
        real = 1 - total.macs_after / total.macs if kind == "macs" else 1 - total.params_after / total.params
        assert target - 1e-9 <= made.saved < target + 0.05 and made.saved == pytest.approx(real)
        assert {cell for cell, _ in made.plan.overrides} == set(cells(tiny.anatomy, granularity))
        assert (made.plan.ratio, made.plan.budget, made.plan.scope) == (0.0, None, "stage-module")
        assert made.plan.repair == plan.repair and made.rise > 0
        other = allocation.plain_plan(made.plan, made.saved, kind)
        assert allocation.real_share(tiny.anatomy, scores, other, kind) == pytest.approx(made.saved, abs=0.02)
        assert other.overrides == ()
    with pytest.raises(InvalidPlan, match="ask for less"):
        allocation.allocate(tiny.anatomy, scores, plan, rows, 0.999, kind)
