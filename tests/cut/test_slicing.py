"""Slicing: the smaller model answers as the masked one does (float64), costs what the report says, stays exportable."""

import copy

import pytest
import timm
import torch
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from dimap_core.cut.attention import SplitAttention, SplitWindowAttention
from dimap_core.cut.masks import masked_weights
from dimap_core.cut.slicing import block_sizes, kept_sizes, slice_model
from dimap_core.measure.cost import cost_report
from dimap_core.models.bundled import BUNDLED
from dimap_core.models.load import load_model
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.pipeline.opened import open_model
from dimap_core.types.errors import InvalidPlan, UnsupportedModel
from dimap_core.types.model import KINDS
from dimap_core.types.plan import PruningPlan
from tests.helpers import double, same

FULL_SIZE = (
    "swin_tiny_patch4_window7_224",
    "swin_base_patch4_window7_224",
    "deit_tiny_patch16_224",
    "deit_base_patch16_224",
)
CUTS = {kind: {kind: 0.5} for kind in KINDS} | {
    "together": dict.fromkeys(KINDS, 0.5),
    "equal widths": {"qk_dim": 0.5, "v_dim": 0.5},
    "unequal widths": {"head": 0.3, "qk_dim": 0.75, "v_dim": 0.25},
}


def plan_of(ratios, scope="layer", **others):
    overrides = tuple(((None, kind), ratio) for kind, ratio in ratios.items())
    return PruningPlan("magnitude", "structure", scope, 0.0, overrides, **others)


def images_for(opened, n=2):
    return torch.randn(n, 3, *2 * [opened.info.input_size], generator=torch.Generator().manual_seed(0))


def set_fused(model, fused):
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = fused
    return model


def sliced(opened, plan):
    selection, cost = apply_plan(opened, plan)
    return slice_model(opened.model, opened.anatomy, score(opened, plan), selection), cost


def masked_outputs(opened, plan, images, fused=False):
    selection, _ = apply_plan(opened, plan)
    weights = masked_weights(opened.model, opened.anatomy, score(opened, plan), selection)
    with torch.inference_mode():
        return functional_call(set_fused(copy.deepcopy(opened.model), fused), weights, (images,))


def outputs(model, images, fused=False):
    with torch.inference_mode():
        return set_fused(model, fused)(images)


def slices_as_masked(opened, plan, fused, n=2):
    """Whether slicing answers as masking does, both in float64; the cut must show."""
    opened = double(opened)
    images = images_for(opened, n).double()
    wanted = masked_outputs(opened, plan, images, fused)
    assert not same(wanted, outputs(copy.deepcopy(opened.model), images, fused), 1e-4)
    return same(outputs(sliced(opened, plan)[0], images, fused), wanted)


@pytest.fixture(scope="module", params=FULL_SIZE)
def full_size(request):
    """Random weights, made larger than timm's: a cut that didn't show would prove nothing."""
    opened = open_model(request.param, "random")
    for parameter in opened.model.parameters():
        if parameter.ndim > 1:
            parameter.data *= 3
    return opened


@pytest.fixture(scope="module", params=[spec.name for spec in BUNDLED])
def bundled_model(request):
    return open_model(request.param)


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
@pytest.mark.parametrize("scope", ["layer", "module"])
@pytest.mark.parametrize("ratios", CUTS.values(), ids=CUTS)
def test_every_kind_sliced_answers_as_masked(tiny, ratios, scope, fused):
    assert slices_as_masked(tiny, plan_of(ratios, scope), fused)


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
@pytest.mark.parametrize("ratios", CUTS.values(), ids=CUTS)
def test_bundled_models_sliced_answer_as_masked(bundled_model, ratios, fused):
    assert slices_as_masked(bundled_model, plan_of(ratios), fused)


@pytest.mark.parametrize("ratio", [0.05, 0.95])
def test_bundled_models_take_the_smallest_and_the_largest_ratio(bundled_model, ratio):
    plan = plan_of(dict.fromkeys(KINDS, ratio), "module")
    assert slices_as_masked(bundled_model, plan, fused=False)


def test_full_size_models_sliced_answer_as_masked_and_cost_what_the_report_says(full_size):
    plan = plan_of(dict.fromkeys(KINDS, 0.5), "module")
    assert slices_as_masked(full_size, plan, fused=False, n=1)
    smaller, cost = sliced(full_size, plan)
    assert_costs(smaller, cost, images_for(full_size, 1))


def assert_costs(smaller, cost, image):
    assert sum(parameter.numel() for parameter in smaller.parameters()) == cost.total.params_after
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        set_fused(smaller, False)(image)
    assert counter.get_total_flops() == 2 * cost.total.macs_after


@pytest.mark.parametrize("ratios", [{}, *CUTS.values()], ids=["nothing", *CUTS])
def test_params_and_macs_are_those_of_the_report(bundled_model, ratios):
    smaller, cost = sliced(bundled_model, plan_of(ratios, "module"))
    assert_costs(smaller, cost, images_for(bundled_model, 1))


def test_a_sliced_models_anatomy_costs_what_the_report_says(tiny, opened):
    smaller, cost = sliced(tiny, plan_of({"qk_dim": 0.75, "v_dim": 0.25, "head": 0.5}))
    dense = cost_report(opened(smaller, tiny.info.family).anatomy).total
    assert (dense.params, dense.macs) == (cost.total.params_after, cost.total.macs_after)


def test_kept_sizes_are_rounded_as_planned_and_read_off_the_model(bundled_model):
    plan = plan_of({"mlp_neuron": 0.4}, "module", round_to=8)
    smaller, _ = sliced(bundled_model, plan)
    kept = kept_sizes(smaller, bundled_model.anatomy)
    assert list(kept) == [block.name for block in bundled_model.anatomy.blocks]
    for block in bundled_model.anatomy.blocks:
        assert kept[block.name]["mlp_neuron"] % 8 == 0
        assert kept[block.name]["head"] == block.heads
        assert kept[block.name]["qk_dim"] == kept[block.name]["v_dim"] == block.head_dim


def test_timms_attention_stays_where_widths_are_equal_and_ours_comes_where_not(tiny):
    window = tiny.info.family == "swin"
    name = tiny.anatomy.blocks[0].name
    equal = sliced(tiny, plan_of({"qk_dim": 0.5, "v_dim": 0.5}))[0].get_submodule(name)
    unequal = sliced(tiny, plan_of({"qk_dim": 0.5}))[0].get_submodule(name)
    assert type(equal.attn) is type(tiny.model.get_submodule(name).attn)
    assert type(unequal.attn) is (SplitWindowAttention if window else SplitAttention)
    size = tiny.anatomy.blocks[0].head_dim
    assert (block_sizes(equal).qk, block_sizes(unequal).qk) == (size // 2, size // 2)
    assert equal.attn.scale == unequal.attn.scale == (size // 2) ** -0.5


def test_the_temperature_is_made_up_for_in_q(tiny):
    block = tiny.anatomy.blocks[0]
    attention = sliced(tiny, plan_of({"qk_dim": 0.5}))[0].get_submodule(block.name).attn
    kept = score(tiny, plan_of({})).layers[f"{block.name}:qk_dim"].keys.argsort()[0, block.head_dim // 2 :]
    first = tiny.model.get_parameter(f"{block.name}.attn.qkv.weight")[sorted(kept)]
    torch.testing.assert_close(attention.q.weight[: len(kept)], first * 0.5**0.5)


def test_the_dense_model_is_left_as_it_is_and_shares_nothing(tiny):
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    smaller, _ = sliced(tiny, plan_of({"mlp_neuron": 0.5}))
    for parameter in smaller.parameters():
        assert parameter.requires_grad and not parameter.is_meta
        parameter.data.zero_()
    assert all(torch.equal(value, before[name]) for name, value in tiny.model.state_dict().items())
    assert not smaller.training


def test_given_weights_take_the_place_of_the_models_own(tiny):
    tiny = double(tiny)
    plan = plan_of({"mlp_neuron": 0.5, "qk_dim": 0.5}, "module")
    selection, _ = apply_plan(tiny, plan)
    scores, images = score(tiny, plan), images_for(tiny).double()
    weights = masked_weights(tiny.model, tiny.anatomy, scores, selection)
    name = tiny.anatomy.blocks[-1].name
    weights |= {
        key: 0.9 * weights.get(key, tiny.model.get_parameter(key)).detach() + 0.01
        for key in (f"{name}.mlp.fc2.bias", f"{name}.attn.proj.weight", f"{name}.norm1.weight")
    }
    smaller = slice_model(tiny.model, tiny.anatomy, scores, selection, weights)
    with torch.inference_mode():
        wanted = functional_call(tiny.model, weights, (images,))
        assert same(smaller(images), wanted)
    own = smaller.get_parameter(f"{name}.norm1.weight")
    assert own.data_ptr() != weights[f"{name}.norm1.weight"].data_ptr()


def test_gradients_flow_through_a_sliced_model(tiny):
    smaller, _ = sliced(tiny, plan_of({"qk_dim": 0.5, "mlp_neuron": 0.5}))
    smaller.train()(images_for(tiny)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in smaller.parameters())


def test_single_weights_cannot_be_sliced(tiny):
    plan = PruningPlan(ratio=0.5)
    selection, _ = apply_plan(tiny, plan)
    with pytest.raises(InvalidPlan, match="structure"):
        slice_model(tiny.model, tiny.anatomy, score(tiny, plan), selection)


def test_normalised_queries_are_refused(make_tiny, opened):
    model = make_tiny("deit", qk_norm=True)
    with pytest.raises(UnsupportedModel, match="norms of queries and keys"):
        sliced(opened(model, "deit"), plan_of({"qk_dim": 0.5}))


def test_a_sliced_model_of_unequal_widths_is_not_cut_again(tiny, opened):
    smaller = opened(sliced(tiny, plan_of({"qk_dim": 0.5}))[0], tiny.info.family)
    for criterion in ("magnitude", "random"):
        with pytest.raises(UnsupportedModel, match="sliced already"):
            apply_plan(smaller, PruningPlan(criterion, "structure", ratio=0.5))
    selection, _ = apply_plan(smaller, PruningPlan(ratio=0.5))
    assert selection.removed[f"{tiny.anatomy.blocks[0].name}.attn.q"] > 0


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "plain"])
def test_a_vision_transformers_mask_is_kept(fused):
    dense = timm.layers.attention.Attention(16, 4, qkv_bias=True).double()
    split = SplitAttention(dense, 4, 4, 4)
    q, k, v = (dict(zip(("weight", "bias"), pair, strict=True)) for pair in thirds(dense.qkv))
    state = {f"{n}.{key}": t for n, part in zip("qkv", (q, k, v), strict=True) for key, t in part.items()}
    split.load_state_dict(state | {f"proj.{key}": t for key, t in dense.proj.state_dict().items()}, assign=True)
    x, keep = torch.randn(2, 5, 16, dtype=torch.float64), torch.rand(2, 1, 5, 5) > 0.3
    keep |= torch.eye(5, dtype=torch.bool)
    for given in ({"attn_mask": keep}, {"is_causal": True}, {}):
        dense.fused_attn, split.fused_attn = False, fused
        assert same(split(x, **given), dense(x, **given))


def thirds(packed):
    return zip(packed.weight.detach().chunk(3), packed.bias.detach().chunk(3), strict=True)


@pytest.mark.parametrize("ratios", [CUTS["equal widths"], CUTS["unequal widths"]], ids=["equal", "unequal"])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.torch.jit.trace:FutureWarning")
def test_sliced_models_are_traced_and_exported(tiny, ratios):
    smaller, _ = sliced(double(tiny), plan_of(ratios))
    images = images_for(tiny, 3).double()
    wanted = outputs(smaller, images)
    with torch.inference_mode():
        traced = torch.jit.trace(smaller, images[:2])
        batch = {0: torch.export.Dim("batch")}
        exported = torch.export.export(smaller, (images[:2],), dynamic_shapes=(batch,)).module()
        for other in (traced, exported):
            assert same(other(images), wanted)


def test_a_sliced_model_is_compiled(tiny):
    smaller, _ = sliced(double(tiny), plan_of({"qk_dim": 0.5}))
    compiled = torch.compile(smaller, backend="aot_eager", fullgraph=True)
    images = images_for(tiny).double()
    with torch.no_grad():
        assert same(compiled(images), smaller(images))


def test_another_copy_of_a_bundled_model_is_cut_alike():
    dense = open_model("swin-digits")
    again = load_model("swin-digits")[0]
    plan = plan_of(dict.fromkeys(KINDS, 0.5))
    selection, _ = apply_plan(dense, plan)
    first = slice_model(dense.model, dense.anatomy, score(dense, plan), selection).state_dict()
    second = slice_model(again, dense.anatomy, score(dense, plan), selection).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
