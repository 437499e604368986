"""Selection at its limits: budgets that are met, and refusals whose nearest feasible value works when used."""

import re
from dataclasses import replace

import pytest

from dimap_core.measure.cost import cost_report
from dimap_core.pipeline.chain import score
from dimap_core.plan.selection import select
from dimap_core.plan.validation import SCOPES
from dimap_core.types.errors import InvalidPlan
from dimap_core.types.plan import PruningPlan


def cut(opened, plan):
    return select(score(opened, plan), opened.anatomy, plan)


def ratio_in(message):
    return float(re.search(r"is (\d[\d.]*\d|\d)\.$", message).group(1))


def test_a_plan_that_empties_a_layer_is_refused_and_its_nearest_ratio_works(make_tiny, opened):
    model = make_tiny("swin")
    model.layers[0].blocks[0].attn.qkv.weight.data *= 1e-3  # global magnitude takes this layer first
    faint = opened(model, "swin")
    with pytest.raises(InvalidPlan, match=r"empties the layer layers\.0\.blocks\.0\.attn\.qkv; the largest ratio") as e:
        cut(faint, PruningPlan("magnitude", scope="model", ratio=0.5))
    nearest = ratio_in(str(e.value))
    assert 0 < nearest < 0.5
    cut(faint, PruningPlan("magnitude", scope="model", ratio=nearest))
    with pytest.raises(InvalidPlan):
        cut(faint, PruningPlan("magnitude", scope="model", ratio=nearest + 0.005))


@pytest.mark.parametrize("overrides", [(((0, None), 0.9),), (((0, "QKV-M"), 0.9999),)])
def test_an_override_that_empties_a_layer_is_refused_and_its_nearest_ratio_works(make_tiny, opened, overrides):
    model = make_tiny("swin")
    model.layers[0].blocks[0].attn.qkv.weight.data *= 1e-3
    faint = opened(model, "swin")
    with pytest.raises(InvalidPlan, match=r"attn\.qkv; the largest ratio of ") as error:
        cut(faint, PruningPlan("magnitude", scope="model", ratio=0.1, overrides=overrides))
    again = ((overrides[0][0], ratio_in(str(error.value))),)
    cut(faint, PruningPlan("magnitude", scope="model", ratio=0.1, overrides=again))


@pytest.mark.parametrize("by_override", [False, True])
def test_where_two_sets_would_be_emptied_the_nearest_ratio_suits_both(make_tiny, opened, by_override):
    model = make_tiny("swin")
    model.layers[1].blocks[0].attn.qkv.weight.data *= 0.3  # named first, gone at a large ratio of QKV-M
    model.layers[1].blocks[0].attn.proj.weight.data *= 1e-3  # gone at a smaller ratio of PRJ-M
    faint = opened(model, "swin")

    def plan(ratio):
        how = {"ratio": 0.0, "overrides": (((1, None), ratio),)} if by_override else {"ratio": ratio}
        return PruningPlan("magnitude", scope="module", **how)

    with pytest.raises(InvalidPlan, match="empties the layer") as error:
        cut(faint, plan(0.9))
    cut(faint, plan(ratio_in(str(error.value))))


# Budgets.


def removed_share(opened, plan):
    total = cost_report(opened.anatomy, cut(opened, plan)).total
    before, after = (total.macs, total.macs_after) if plan.budget_kind == "macs" else (total.params, total.params_after)
    return 1 - after / before


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("kind", ["macs", "params"])
def test_budgets_are_met_within_a_thousandth_of_what_was_asked(tiny, swin_t, kind, scope):
    for model in (tiny, swin_t):
        for budget, exponent in ((0.07, 0), (0.3, 0), (0.3, 1), (0.6, 0.5)):
            plan = PruningPlan(scope=scope, ratio=None, budget=budget, budget_kind=kind, cost_exponent=exponent)
            slack = 0.001 if model is swin_t else 0.005  # one weight of the tiny model is already 0.02 % of it
            assert removed_share(model, plan) == pytest.approx(budget, rel=slack), (model.info.name, plan)


def test_a_budget_keeps_overrides_and_protection_fixed(swin_t):
    protected = ("layers.2.blocks.3.mlp.fc1",)
    plan = PruningPlan(ratio=None, budget=0.25, overrides=(((0, None), 0.1), ((3, "MLP-M"), 0.9)), protected=protected)
    selection = cut(swin_t, plan)
    cells = cost_report(swin_t.anatomy, selection).cells
    assert [cells[0, module].ratio for module in ("QKV-M", "PRJ-M", "MLP-M")] == pytest.approx([0.1] * 3, abs=1e-4)
    assert cells[3, "MLP-M"].ratio == pytest.approx(0.9, abs=1e-4)
    assert selection.removed[protected[0]] == 0
    assert removed_share(swin_t, plan) == pytest.approx(0.25, rel=0.001)


def test_a_solved_ratio_gives_the_same_cut_as_the_budget(swin_t):
    plan = PruningPlan(ratio=None, budget=0.4)
    solved = cut(swin_t, plan)
    assert select(score(swin_t, plan), swin_t.anatomy, PruningPlan(ratio=solved.ratio)) == solved


@pytest.mark.parametrize(
    "plan",
    [
        PruningPlan(ratio=None, budget=0.999),
        PruningPlan(ratio=None, budget=0.999, budget_kind="params", scope="layer"),
        PruningPlan(ratio=None, budget=0.98, overrides=(((0, None), 0.2),)),
        PruningPlan(ratio=None, budget=0.001, overrides=(((0, None), 0.6),)),
        PruningPlan(ratio=None, budget=0.02, overrides=(((1, "MLP-M"), 0.7),), budget_kind="params"),
    ],
    ids=["too many MACs", "too many params", "too many with override", "override alone", "override alone, params"],
)
def test_an_infeasible_budget_is_refused_and_the_nearest_one_works(tiny, plan):
    with pytest.raises(
        InvalidPlan, match=r"^A budget of .* cannot be met; the nearest that can is [\d.]+ %\.$"
    ) as error:
        cut(tiny, plan)
    share = float(re.search(r"is ([\d.]+) %\.$", str(error.value)).group(1)) / 100
    assert removed_share(tiny, replace(plan, budget=share)) == pytest.approx(share, abs=0.002)


def test_a_budget_that_empties_a_layer_is_refused_and_the_nearest_one_works(make_tiny, opened):
    model = make_tiny("swin")
    model.layers[0].blocks[0].attn.qkv.weight.data *= 1e-3
    faint = opened(model, "swin")
    plan = PruningPlan("magnitude", scope="model", ratio=None, budget=0.5)
    with pytest.raises(InvalidPlan, match=r"attn\.qkv; the largest budget ") as error:
        cut(faint, plan)
    nearest = ratio_in(str(error.value))
    assert removed_share(faint, replace(plan, budget=nearest)) == pytest.approx(nearest, abs=0.001)


def test_protecting_everything_leaves_only_the_zero_budget(tiny):
    everything = tuple(layer.name for layer in tiny.anatomy.prunable)
    nothing = PruningPlan(ratio=None, budget=0.0, protected=everything)
    assert removed_share(tiny, nothing) == 0
    with pytest.raises(InvalidPlan, match=r"the nearest that can is 0 %\."):
        removed_share(tiny, replace(nothing, budget=0.1))
