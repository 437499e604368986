"""Structured selection: scopes, floors, budgets to the unit, rounding; against a brute force over single units."""

from dataclasses import replace

import numpy as np
import pytest

from dimap_core.anatomy.groups import group_sets, kept_counts
from dimap_core.measure.cost import cost_report
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.pipeline.opened import open_model
from dimap_core.plan.lookup import cost_factor
from dimap_core.plan.selection import select
from dimap_core.plan.validation import SCOPES
from dimap_core.types.errors import InvalidPlan
from dimap_core.types.model import KINDS
from dimap_core.types.plan import PruningPlan

HALF = PruningPlan(granularity="structure", ratio=0.5)


def brute_force(opened, plan):
    """Units removed by set, one unit at a time: the lowest score of each competition set goes first."""
    scores, removed = score(opened, plan), {group.name: 0 for group in group_sets(opened.anatomy)}
    rivals = {}
    for group in group_sets(opened.anatomy):
        if group.module != "head":
            key = {"layer": group.name, "stage-module": (group.stage, group.module), "module": group.module}
            rivals.setdefault(key.get(plan.scope), []).append(group)
    for groups in rivals.values():
        units = [
            (float(value) * cost_factor(group.macs_per_unit, plan.cost_exponent), place, rank)
            for place, group in enumerate(groups)
            for rank, value in enumerate(scores.layers[group.name].ranked[:-1])
        ]
        for _, place, _ in sorted(units)[: int(plan.ratio * sum(group.size for group in groups) + 0.5)]:
            removed[groups[place].name] += 1
    return removed


@pytest.mark.parametrize("criterion", ["dimap", "magnitude", "random"])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_selection_equals_a_brute_force_unit_by_unit(tiny, criterion, scope, exponent):
    plan = PruningPlan(criterion, "structure", scope, ratio=0.6, cost_exponent=exponent)
    assert apply_plan(tiny, plan)[0].removed == brute_force(tiny, plan)


@pytest.mark.parametrize("ratio", [0.05, 0.5, 0.95, 0.999])
def test_no_block_vanishes_at_any_ratio(tiny, ratio):
    overrides = (((None, "head"), ratio),)
    selection, _ = apply_plan(tiny, replace(HALF, ratio=ratio, scope="model", overrides=overrides))
    for block in tiny.anatomy.blocks:
        assert min(kept_counts(block, selection)) >= 1


def test_heads_go_only_where_they_are_named(tiny):
    for plan in (HALF, replace(HALF, overrides=(((0, None), 0.7),))):
        removed = apply_plan(tiny, plan)[0].removed
        assert all(removed[f"{block.name}:head"] == 0 for block in tiny.anatomy.blocks)
    removed = apply_plan(tiny, replace(HALF, ratio=0.0, overrides=(((None, "head"), 0.5),)))[0].removed
    heads = sum(block.heads for block in tiny.anatomy.blocks)
    assert {name.rpartition(":")[2] for name, units in removed.items() if units} == {"head"}
    assert sum(removed.values()) == heads // 2


def test_a_stage_with_a_ratio_of_its_own_competes_alone(tiny):
    own = apply_plan(tiny, replace(HALF, overrides=(((0, None), 0.0), ((1, "mlp_neuron"), 0.25))))[0].removed
    first = [group for group in group_sets(tiny.anatomy) if group.stage == 0]
    assert all(own[group.name] == 0 for group in first)
    mlp = [group for group in group_sets(tiny.anatomy) if (group.stage, group.module) == (1, "mlp_neuron")]
    assert sum(own[group.name] for group in mlp) == int(0.25 * sum(group.size for group in mlp) + 0.5)


def test_a_protected_layer_keeps_every_group_it_is_part_of(tiny):
    block = tiny.anatomy.blocks[0]
    plan = replace(HALF, ratio=0.8, protected=(f"{block.name}.attn.proj",))
    removed = apply_plan(tiny, plan)[0].removed
    assert [removed[f"{block.name}:{kind}"] > 0 for kind in KINDS] == [True, False, False, False]


@pytest.mark.parametrize("name", ["swin-textured", "deit-digits"])
@pytest.mark.parametrize("kind", ["macs", "params"])
@pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.7])
@pytest.mark.parametrize("scope", ["layer", "module"])
def test_a_budget_is_met_within_one_percent(name, kind, share, scope):
    opened = open_model(name)
    _, cost = apply_plan(opened, replace(HALF, ratio=None, budget=share, budget_kind=kind, scope=scope))
    total = cost.total
    removed = 1 - (total.macs_after / total.macs if kind == "macs" else total.params_after / total.params)
    assert removed == pytest.approx(share, rel=0.01)


def test_a_budget_holds_beside_heads_of_their_own_ratio(tiny_swin):
    plan = replace(HALF, ratio=None, budget=0.4, overrides=(((None, "head"), 0.5),))
    selection, cost = apply_plan(tiny_swin, plan)
    assert 1 - cost.total.macs_after / cost.total.macs == pytest.approx(0.4, rel=0.02)  # units of the tiny model
    assert sum(selection.removed[f"{b.name}:head"] for b in tiny_swin.anatomy.blocks) == 5


def test_a_budget_out_of_reach_names_the_nearest(tiny):
    with pytest.raises(InvalidPlan, match=r"^A budget of 99 % of the MACs cannot be met; the nearest that can is") as e:
        apply_plan(tiny, replace(HALF, ratio=None, budget=0.99))
    nearest = float(str(e.value).split()[-2]) / 100
    apply_plan(tiny, replace(HALF, ratio=None, budget=nearest))


@pytest.mark.parametrize("step", [2, 8])
def test_kept_sizes_are_multiples_or_what_there_is(step):
    opened = open_model("deit-digits")
    selection, _ = apply_plan(opened, replace(HALF, ratio=0.6, round_to=step))
    for group in group_sets(opened.anatomy):
        gone = selection.removed[group.name]
        assert gone == 0 or (group.size - gone) % step == 0, group.name
    assert any(selection.removed.values())


def test_rounding_still_meets_a_budget_as_nearly_as_its_steps_allow():
    opened = open_model("swin-textured")
    _, cost = apply_plan(opened, replace(HALF, ratio=None, budget=0.5, round_to=8))
    assert 1 - cost.total.macs_after / cost.total.macs == pytest.approx(0.5, rel=0.01)


def test_ratios_of_kinds_are_shares_of_their_groups(tiny):
    ratios = dict(zip(KINDS, (0.5, 0.25, 0.5, 0.75), strict=True))
    plan = replace(HALF, ratio=0.0, overrides=tuple(((None, kind), ratio) for kind, ratio in ratios.items()))
    removed = apply_plan(tiny, plan)[0].removed
    for kind, ratio in ratios.items():
        groups = [group for group in group_sets(tiny.anatomy) if group.module == kind]
        gone, total = sum(removed[g.name] for g in groups), sum(g.size for g in groups)
        assert gone == min(int(ratio * total + 0.5), total - len(groups))


def test_a_latency_budget_is_left_to_those_who_can_measure(tiny):
    with pytest.raises(InvalidPlan, match="has to be measured"):
        select(score(tiny, HALF), tiny.anatomy, replace(HALF, ratio=None, budget=0.5, budget_kind="latency"))


def test_shares_of_the_budget_are_those_of_the_cost_report(tiny):
    rng = np.random.default_rng(0)
    for _ in range(20):
        overrides = tuple(((None, kind), float(rng.uniform(0, 0.9))) for kind in KINDS)
        selection, cost = apply_plan(tiny, replace(HALF, ratio=0.0, overrides=overrides))
        assert cost == cost_report(tiny.anatomy, selection)
        hidden = [kept_counts(block, selection) for block in tiny.anatomy.blocks]
        assert cost.total.params_after < cost.total.params and len(hidden) == len(tiny.anatomy.blocks)
