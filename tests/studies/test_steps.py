"""Steps of sliders: each is what the plan of that step leaves, stages independent of each other, as far as it goes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dimap_core.criteria import criterion
from dimap_core.measure import cost_report, kept_by_band
from dimap_core.pipeline import open_model
from dimap_core.plan import select
from dimap_core.studies.steps import STEPS, common_steps, stage_counts, stage_shares, stage_steps
from dimap_core.types import InvalidPlan, PruningPlan

PLANS = [
    PruningPlan(),
    PruningPlan("magnitude", scope="layer"),
    PruningPlan(scope="model", cost_exponent=1.0),
    PruningPlan(granularity="structure"),
    PruningPlan("magnitude", granularity="structure", scope="model", round_to=8),
]


@pytest.fixture(scope="module")
def opened():
    return open_model("swin-digits")


def scored(opened, plan):
    return criterion(plan.criterion).fn(opened.model, opened.anatomy, plan.scored, None, 0)


def left(anatomy, scores, plan):
    """(kept by band, share by stage, counts by stage) of one plan, the long way."""
    selection = select(scores, anatomy, plan)
    cost = cost_report(anatomy, selection)
    shares = stage_shares(anatomy, selection, plan)
    return (
        list(kept_by_band(anatomy, cost).values()),
        [shares[s.index] for s in anatomy.stages],
        stage_counts(anatomy, cost),
    )


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.criterion}-{plan.granularity}-{plan.scope}")
def test_stages_mixed_from_rows_are_the_plan_with_those_ratios(opened, plan):
    scores, rng = scored(opened, plan), np.random.default_rng(0)
    steps = stage_steps(scores, opened.anatomy, plan)
    stages, bands = range(len(opened.anatomy.stages)), list(kept_by_band(opened.anatomy, cost_report(opened.anatomy)))
    for _ in range(5):
        at = [int(rng.integers(0, most + 1)) for most in steps.most]
        own = tuple(((stage, None), step / 100) for stage, step in enumerate(at))
        kept, share, counts = left(opened.anatomy, scores, replace(plan, ratio=0.0, overrides=own))
        assert kept == [steps.kept[at[opened.anatomy.blocks[place].stage], n] for n, (place, _) in enumerate(bands)]
        assert share == [steps.share[at[stage], stage] for stage in stages]
        for stage in stages:
            found = steps.left[at[stage], stage], steps.params[at[stage], stage], steps.macs[at[stage], stage]
            assert counts[stage] == found


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.criterion}-{plan.granularity}-{plan.scope}")
def test_common_rows_are_the_plan_at_that_ratio_whatever_it_had_before(opened, plan):
    scores = scored(opened, plan)
    had = replace(plan, ratio=0.3, overrides=(((1, None), 0.5),))
    steps = common_steps(scores, opened.anatomy, had)
    for step in (0, 1, 33, 80):
        kept, share, counts = left(opened.anatomy, scores, replace(plan, ratio=step / 100))
        assert kept == list(steps.kept[step]) and share == list(steps.share[step])
        assert [count[2] for count in counts] == list(steps.macs[step])
        assert [count[1] for count in counts] == list(steps.params[step])


def test_what_cannot_be_met_stands_at_the_last_step_that_can(make_tiny, tiny_swin):
    """A layer whose weights are smaller than all others goes whole before 98 % of the model does."""
    model, anatomy, plan = make_tiny("swin"), tiny_swin.anatomy, PruningPlan("magnitude", scope="model")
    with torch.no_grad():
        model.get_submodule(anatomy.blocks[0].part("mlp.fc1").name).weight.mul_(2**-20)
    scores = criterion(plan.criterion).fn(model, anatomy, plan.scored, None, 0)
    steps = common_steps(scores, anatomy, plan)
    most = int(steps.most[0])
    assert len(steps.kept) == STEPS and set(steps.most) == {most} and 0 < most < STEPS - 1
    select(scores, anatomy, replace(plan, ratio=most / 100))
    with pytest.raises(InvalidPlan):
        select(scores, anatomy, replace(plan, ratio=(most + 1) / 100))
    assert (steps.left[most:] == steps.left[most]).all() and (steps.left[most] < steps.left[most - 1]).any()


def test_a_stage_that_can_go_no_further_leaves_the_others_free(opened):
    plan = PruningPlan("magnitude")  # empties a layer of stage 1 at 98 %
    scores = scored(opened, plan)
    steps = stage_steps(scores, opened.anatomy, plan)
    first, *others = steps.most
    assert first < STEPS - 1 and set(others) == {STEPS - 1}
    with pytest.raises(InvalidPlan):
        select(scores, opened.anatomy, replace(plan, ratio=0.0, overrides=(((0, None), (first + 1) / 100),)))
    assert (steps.left[first:, 0] == steps.left[first, 0]).all()
    assert (steps.left[-1, 1:] < steps.left[-2, 1:]).all()
