"""The whole chain on real models: open, score, plan, cut, price, judge."""

from collections import OrderedDict
from dataclasses import replace

import pytest
import torch

from dimap_core.criteria.registry import CRITERIA
from dimap_core.cut.repair import repair
from dimap_core.data.batches import balanced_subset
from dimap_core.data.registry import load_data
from dimap_core.measure.accuracy import evaluate
from dimap_core.measure.cost import cost_report
from dimap_core.measure.prefix import PrefixCache
from dimap_core.models.bundled import BUNDLED, bundled_card
from dimap_core.pipeline import results
from dimap_core.pipeline.chain import (
    apply_plan,
    cut_weights,
    prepare,
    prepare_preview,
    preview_weights,
    prune,
    save_pruned,
    score,
)
from dimap_core.pipeline.evaluation import judge, judge_fully
from dimap_core.pipeline.images import default_data
from dimap_core.pipeline.opened import open_model
from dimap_core.types.errors import DataError, InvalidPlan, UnsupportedModel
from dimap_core.types.plan import PruningPlan
from tests.helpers import FLIPS, same


@pytest.fixture(scope="module")
def digits():
    data = load_data("digits")
    return replace(data, images=data.images[:180], labels=data.labels[:180])


@pytest.fixture
def fresh(tiny_swin):
    """The tiny Swin with nothing computed yet."""
    return replace(tiny_swin, scores=OrderedDict(), statistics=OrderedDict(), repaired=OrderedDict(), dense={})


def last(results):
    *_, result = results
    return result


def test_a_pruned_copy_costs_what_the_report_says_and_the_model_stays(fresh):
    before = {name: value.clone() for name, value in fresh.model.state_dict().items()}
    pruned, selection, cost = prune(fresh, PruningPlan(ratio=0.5))
    zeros = sum(int((pruned.get_parameter(f"{layer.name}.weight") == 0).sum()) for layer in fresh.anatomy.prunable)
    assert zeros == sum(selection.removed.values()) == cost.total.params - cost.total.params_after
    assert cost == cost_report(fresh.anatomy, selection)
    assert all(torch.equal(value, before[name]) for name, value in fresh.model.state_dict().items())


def test_scores_are_computed_once_and_few_are_kept(fresh):
    plan = PruningPlan(ratio=0.2)
    assert score(fresh, plan) is score(fresh, replace(plan, ratio=0.7, scope="model", cost_exponent=1))
    assert score(fresh, plan) is not score(fresh, replace(plan, criterion="magnitude"))
    for seed in range(6):
        score(fresh, replace(plan, criterion="random", seed=seed))
    assert len(fresh.scores) == 4
    assert score(fresh, replace(plan, criterion="random", seed=5)).seed == 5


def test_other_images_are_other_scores_only_for_a_criterion_that_reads_images(fresh):
    for key, alike in (("dimap", True), ("random", True), ("taylor", False), ("wanda", False)):
        plan = PruningPlan(key, ratio=0.5, images=8)
        assert (score(fresh, plan) is score(fresh, replace(plan, images=16))) == alike
    assert {key[1] for key in fresh.statistics} == {8, 16}


def test_repair_reads_as_many_images_as_the_plan_says(fresh):
    data, found = load_data("digits", "train"), {}
    for images in (12, 20):
        plan = PruningPlan("magnitude", "structure", "layer", 0.3, repair=True, images=images)
        selection, _ = apply_plan(fresh, plan)
        found[images] = cut_weights(fresh, plan, selection)
        read = data.images[balanced_subset(data.labels, images, 0)]
        *_, (_, _, expected) = repair(fresh.model, fresh.info, fresh.anatomy, score(fresh, plan), selection, read)
        assert all(torch.equal(found[images][name], value) for name, value in expected.items())
    assert any(not torch.equal(value, found[20][name]) for name, value in found[12].items())


ZEROS = {
    "weights": PruningPlan("magnitude", "weight", "model", 0.7, repair=True, images=12),
    "pattern": PruningPlan("dimap", "nm", "layer", None, nm="2:4", repair=True, images=12),
}


@pytest.mark.parametrize("name", ZEROS)
def test_repaired_zeros_are_counted_saved_and_read_back_like_plain_ones(fresh, tmp_path, name):
    plan = ZEROS[name]
    pruned, selection, cost = prune(fresh, plan)
    plain, _, same_cost = prune(fresh, replace(plan, repair=False))
    assert cost == same_cost == cost_report(fresh.anatomy, selection)
    changed = 0
    for layer in fresh.anatomy.prunable:
        left, masked = (model.get_parameter(f"{layer.name}.weight") for model in (pruned, plain))
        assert torch.equal(left == 0, masked == 0)
        changed += not torch.equal(left, masked)
        assert not torch.equal(pruned.get_parameter(f"{layer.name}.bias"), plain.get_parameter(f"{layer.name}.bias"))
    assert changed == len(fresh.anatomy.prunable)
    result = save_pruned(tmp_path / "cut", fresh, plan)
    assert result["plan"]["repair"] is True
    again = open_model(str(tmp_path / "cut"))
    assert again.info.zeroed
    counted = results.counted(again.model, again.anatomy, again.info.zeroed)
    assert counted["params_nonzero"] == cost.total.params_after and counted["macs_nonzero"] == cost.total.macs_after
    assert all(same(value, pruned.get_parameter(key)) for key, value in again.model.named_parameters())


@pytest.mark.parametrize("name", ZEROS)
def test_judging_repaired_zeros_with_a_prefix_cache_equals_judging_their_copy(fresh, digits, name):
    cache, plan = PrefixCache(), ZEROS[name]
    last(judge(fresh, digits, replace(plan, repair=False), cache=cache))
    pruned, _, _ = prune(fresh, plan)
    copied, _ = last(evaluate(pruned, fresh.info, digits))
    assert last(judge(fresh, digits, plan, cache=cache)).top1 == copied.top1
    others = replace(plan, images=20)
    assert (
        last(judge(fresh, digits, others, cache=cache)).top1
        == last(evaluate(prune(fresh, others)[0], fresh.info, digits))[0].top1
    )


def test_a_preview_gathers_moments_once_and_takes_those_that_a_criterion_gathered(fresh):
    plan = PruningPlan("magnitude", "weight", "layer", 0.6, images=12)
    told = list(prepare_preview(fresh, plan))
    assert told[0] == ("Loading training images", 0, 12) and told[-1][1:] == (12, 12)
    assert list(prepare_preview(fresh, replace(plan, ratio=0.3, granularity="weight"))) == []
    assert [key[0] for key in fresh.statistics] == ["moments"]
    found, exact = preview_weights(fresh, plan), cut_weights(fresh, plan, apply_plan(fresh, plan)[0])
    assert all(torch.equal(found[name] == 0, value == 0) for name, value in exact.items())
    structures = preview_weights(fresh, replace(plan, granularity="structure"))
    assert any(name.endswith("fc2.bias") for name in structures) and [*fresh.statistics] == [("moments", 12, 0, "")]
    # What the answers feel comes with the same moments; Wanda's statistics are of other images.
    score(fresh, replace(plan, criterion="fisher", images=8))
    assert list(prepare_preview(fresh, replace(plan, images=8))) == []
    assert ("moments", 8, 0, "") not in fresh.statistics
    score(fresh, replace(plan, criterion="wanda", images=9))
    assert list(prepare_preview(fresh, replace(plan, images=9)))


def test_a_preview_of_images_that_a_criterion_read_equals_one_of_its_own(fresh, tiny_swin):
    other = replace(tiny_swin, scores=OrderedDict(), statistics=OrderedDict(), repaired=OrderedDict(), dense={})
    plan = PruningPlan("magnitude", "weight", "layer", 0.6, images=12)
    score(other, replace(plan, criterion="fisher"))
    mine, theirs = preview_weights(fresh, plan), preview_weights(other, plan)
    assert all(same(value, theirs[name], 1e-2) for name, value in mine.items())


def test_repair_that_is_cancelled_is_not_kept(fresh):
    for steps in (prepare(fresh, ZEROS["weights"]), prepare_preview(fresh, ZEROS["weights"])):
        next(steps)
        next(steps)
        steps.close()
    assert not fresh.repaired and not fresh.statistics
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in fresh.model.modules())


@pytest.mark.parametrize("key", [info.key for info in CRITERIA if "weight" in info.scores])
def test_the_same_plan_gives_the_same_cut_and_the_same_judgement(tiny_swin, digits, key):
    plan, results = PruningPlan(key, scope="layer", ratio=0.6, seed=2, images=32), []
    for _ in range(2):
        opened = replace(tiny_swin, scores=OrderedDict(), statistics=OrderedDict(), dense={})
        selection, cost = apply_plan(opened, plan)
        results.append((selection, cost, replace(judge_fully(opened, digits, plan), seconds=0)))
    assert results[0] == results[1]


def test_judging_a_plan_equals_judging_its_masked_copy(fresh, digits):
    plan = PruningPlan(ratio=0.8)
    pruned, _, _ = prune(fresh, plan)
    judged = last(judge(fresh, digits, plan))
    copied, _ = last(evaluate(pruned, fresh.info, digits))
    assert (judged.top1, judged.top5, judged.n) == (copied.top1, copied.top5, 180)


def test_a_dense_run_is_kept_and_gives_every_plan_its_paired_drop(fresh, digits):
    plan = PruningPlan(scope="layer", ratio=0.9)
    assert last(judge(fresh, digits, plan)).drops == {}
    dense = last(judge(fresh, digits))
    assert dense.drops == {} and len(fresh.dense["digits"].classes) == 180
    result = last(judge(fresh, digits, plan))
    assert result.drops["joint"].value == pytest.approx(result.top1.value - dense.top1.value)
    assert result.drops["joint"].low < result.drops["joint"].high
    unchanged = last(judge(fresh, digits, PruningPlan(ratio=0.0))).drops["joint"]
    assert unchanged.value == 0 and unchanged.low < 0 < unchanged.high


def test_a_shorter_dense_run_does_not_replace_a_longer_one(fresh, digits):
    last(judge(fresh, digits, limit=120))
    last(judge(fresh, digits, limit=60))
    assert len(fresh.dense["digits"].classes) == 120
    last(judge(fresh, digits))
    assert len(fresh.dense["digits"].classes) == 180


def test_judging_fully_judges_the_dense_model_first(fresh, digits):
    result = judge_fully(fresh, digits, PruningPlan(ratio=0.5), limit=70)
    assert result.done and result.n == 70 and set(result.drops) == {"joint"}


def test_random_weights_are_counted_but_never_judged():
    opened = open_model("deit-digits", "random")
    assert apply_plan(opened, PruningPlan(ratio=0.5))[1].total.removed > 0
    with pytest.raises(DataError, match=r"^Accuracy means nothing on random weights; .*\.$"):
        next(judge(opened, load_data("digits")))


def test_the_default_data_is_what_the_model_was_trained_on(fresh):
    assert default_data(fresh).name == "digits"
    assert default_data(fresh, "textured-digits").name == "textured-digits"
    with pytest.raises(DataError, match=r"comes without images; choose a set, a folder or a zip to judge it by\.$"):
        default_data(replace(fresh, info=replace(fresh.info, data=None)))


def test_a_criterion_that_reads_images_needs_some(fresh):
    nameless = replace(fresh, info=replace(fresh.info, data=None))
    for plan in (PruningPlan("taylor"), PruningPlan("conductance", "structure")):
        with pytest.raises(DataError, match=r"^No training images are known for 'tiny-swin'; choose a criterion .*\.$"):
            score(nameless, plan)


def test_errors_come_through_the_chain(fresh):
    with pytest.raises(InvalidPlan):
        apply_plan(fresh, PruningPlan(ratio=1.0))
    with pytest.raises(InvalidPlan):
        apply_plan(fresh, PruningPlan("nope"))
    with pytest.raises(UnsupportedModel):
        open_model("nope")


@pytest.mark.parametrize("name", [spec.name for spec in BUNDLED if spec.data == "digits"])
def test_a_bundled_model_is_as_accurate_as_its_card_says(name):
    opened = open_model(name)
    result = last(judge(opened, default_data(opened)))
    card = bundled_card(next(spec for spec in BUNDLED if spec.name == name))
    assert result.n == card["n"] == 540
    assert result.top1.value == pytest.approx(card["top1"], abs=FLIPS / 540)


def test_pruning_a_trained_swin_costs_little_at_first_and_everything_in_the_end():
    opened, results = open_model("swin-digits"), []
    for ratio in (0.3, 0.995):
        results.append(judge_fully(opened, default_data(opened), PruningPlan(ratio=ratio), limit=240))
    mild, harsh = results
    assert mild.drops["joint"].value > -0.03
    assert harsh.drops["joint"].high < -0.3
