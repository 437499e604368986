"""Focused linear attention: the formula token by token, exact counts, cuts that answer as masks do, statistics."""

import copy
import math

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from dimap_core.anatomy.activations import Watch
from dimap_core.anatomy.build import build_anatomy
from dimap_core.anatomy.groups import group_sets
from dimap_core.anatomy.mixers import kept_kernels
from dimap_core.criteria.arrays import group_energies
from dimap_core.criteria.gates import KINDS as GATED
from dimap_core.criteria.registry import CRITERIA
from dimap_core.criteria.statistics import collect
from dimap_core.cut.linear_attention import EPSILON, FocusedLinearAttention, focus, linearise
from dimap_core.cut.masks import masked_weights
from dimap_core.cut.repair import repair
from dimap_core.cut.slicing import slice_model
from dimap_core.data.batches import balanced_subset, normalised
from dimap_core.data.registry import load_data
from dimap_core.measure.cost import cost_report
from dimap_core.models.load import load_model
from dimap_core.models.shapes.architectures import architecture
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.plan.structure import GroupProblem
from dimap_core.training.methods.costs import MacCost
from dimap_core.training.methods.units import Units
from dimap_core.types.errors import UnsupportedModel
from dimap_core.types.model import KINDS
from dimap_core.types.plan import PruningPlan, Selection
from tests.criteria.test_gates import entering
from tests.helpers import SINGLE, double, same

CUTS = {kind: {kind: 0.5} for kind in KINDS} | {
    "equal widths": {"qk_dim": 0.5, "v_dim": 0.5},
    "unequal widths": {"head": 0.5, "qk_dim": 0.75, "v_dim": 0.25},
}


@pytest.fixture(scope="module")
def flat(make_tiny, opened):
    """A tiny Swin whose first stage is linear, with positions and scales as training could leave them."""
    model = linearise(make_tiny("swin"), 1)
    torch.manual_seed(1)
    attention = model.layers[0].blocks[0].attn
    for parameter in (attention.positional, attention.channel_scale):
        parameter.data.normal_()
    return opened(model, "swin")


@pytest.fixture(scope="module")
def few():
    data = load_data("digits", "train")
    chosen = balanced_subset(data.labels, 24, 0)
    return data.images[chosen], torch.from_numpy(data.labels[chosen])


def plan_of(ratios, **others):
    overrides = tuple(((None, kind), ratio) for kind, ratio in ratios.items())
    return PruningPlan("magnitude", "structure", "layer", 0.0, overrides, **others)


def images(count=2):
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def sliced(opened, plan):
    selection, cost = apply_plan(opened, plan)
    return slice_model(opened.model, opened.anatomy, score(opened, plan), selection), cost


def sharpened(x):
    """phi of one token's vector: its norm in the direction of its cubes."""
    cubes = [float(value) ** 3 for value in x]
    factor = math.sqrt(sum(float(v) ** 2 for v in x)) / math.sqrt(sum(v * v for v in cubes))
    return np.array([value * factor for value in cubes])


def naive(attention, x):
    """The module's answer to tokens x [N, C], with all N x N weights and the convolution tap by tap, float64."""
    rows, columns = attention.window_size
    heads, (q, k, v) = attention.num_heads, (part.numpy() for part in attention.qkv(x).detach().chunk(3, -1))
    k = k + attention.positional.detach().numpy()
    scale = np.log1p(np.exp(attention.channel_scale.detach().numpy()))
    q, k = (np.stack([sharpened((np.maximum(t, 0) + EPSILON) / scale) for t in part]) for part in (q, k))
    kernels, bias = attention.dwc.weight.detach().numpy(), attention.dwc.bias.detach().numpy()
    d, d_v = q.shape[1] // heads, v.shape[1] // heads
    out = np.zeros_like(v)
    for head in range(heads):
        own, own_v = slice(head * d, (head + 1) * d), slice(head * d_v, (head + 1) * d_v)
        weights = q[:, own] @ k[:, own].T
        attended = weights @ v[:, own_v] / weights.sum(1, keepdims=True)
        local = np.zeros_like(attended)
        for place in range(len(v)):
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    y, x_ = place // columns + dy, place % columns + dx
                    if 0 <= y < rows and 0 <= x_ < columns:
                        local[place] += kernels[:, 0, dy + 2, dx + 2] * v[y * columns + x_, own_v]
        out[:, own_v] = attended + local + bias
    return attention.proj(torch.from_numpy(out)).detach()


def test_the_module_answers_as_the_formula_token_by_token():
    torch.manual_seed(0)
    attention = FocusedLinearAttention(12, (4, 5), 3, 4, 4, 4, dtype=torch.float64)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 20, 12, dtype=torch.float64)
    with torch.no_grad():
        found = attention(x)
    for image in range(2):
        torch.testing.assert_close(found[image], naive(attention, x[image]), rtol=1e-10, atol=1e-12)


def test_focusing_keeps_the_norm_and_sharpens():
    x = torch.rand(5, 8, dtype=torch.float64)
    found = focus(x)
    torch.testing.assert_close(found.norm(dim=-1), x.norm(dim=-1))
    assert (found.max(-1).values / found.norm(dim=-1) > x.max(-1).values / x.norm(dim=-1)).all()


@pytest.mark.parametrize(("size", "giga"), [("tiny", 4.48), ("small", 8.73), ("base", 15.42)])
def test_full_size_flattens_have_the_published_macs_and_all_their_params(size, giga):
    with torch.device("meta"):
        model = linearise(timm.create_model(f"swin_{size}_patch4_window7_224"), 2)
    total = cost_report(build_anatomy(model, "swin")).total
    assert round(total.macs / 1e9, 2) == giga
    assert total.params == sum(parameter.numel() for parameter in model.parameters())


def test_only_the_first_stage_is_linear_and_sees_its_whole_map(flat):
    assert [block.mixer for block in flat.anatomy.blocks] == ["linear", "softmax", "softmax"]
    block = flat.model.layers[0].blocks[0]
    assert tuple(block.attn.window_size) == tuple(block.input_resolution) == block.window_size
    assert block.attn_mask is None and block.shift_size == (0, 0)
    local = flat.anatomy.blocks[0].part("attn.dwc")
    assert not local.prunable and local.macs == 25 * 16 * 16 * 8  # taps * tokens * channels


def test_a_converted_block_keeps_the_weights_of_its_linear_layers(make_tiny):
    dense, model = make_tiny("swin"), linearise(make_tiny("swin"), 1)
    names = [name for name, _ in dense.named_parameters() if "relative_position" not in name]
    assert all(torch.equal(model.get_parameter(name), dense.get_parameter(name)) for name in names)


def assert_costs(model, cost):
    assert sum(parameter.numel() for parameter in model.parameters()) == cost.total.params_after
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(images(1))
    assert counter.get_total_flops() == 2 * cost.total.macs_after


@pytest.mark.parametrize("ratios", [{}, *CUTS.values()], ids=["nothing", *CUTS])
def test_a_sliced_model_answers_as_the_masked_one_and_costs_what_the_report_says(flat, opened, ratios):
    flat, plan = double(flat), plan_of(ratios)
    selection, _ = apply_plan(flat, plan)
    weights = masked_weights(flat.model, flat.anatomy, score(flat, plan), selection)
    smaller, cost = sliced(flat, plan)
    with torch.inference_mode():
        some = images().double()
        wanted, dense = functional_call(flat.model, weights, (some,)), flat.model(some)
        assert same(smaller(some), wanted)
    assert not ratios or not same(wanted, dense, 1e-4)
    assert_costs(smaller.float(), cost)
    assert cost_report(opened(smaller, "swin").anatomy).total.macs == cost.total.macs_after


def test_removed_dimensions_leave_the_norms(flat):
    """A Q/K dimension's positional term would still count in the norm of k, and rescale every head."""
    plan = plan_of({"qk_dim": 0.5})
    selection, _ = apply_plan(flat, plan)
    weights = masked_weights(flat.model, flat.anatomy, score(flat, plan), selection)
    name = f"{flat.anatomy.blocks[0].name}.attn.positional"
    with torch.inference_mode():
        right = functional_call(flat.model, weights, (images(),))
        wrong = functional_call(flat.model, {**weights, name: flat.model.get_parameter(name)}, (images(),))
    assert (right - wrong).abs().max() > 1e-3


def test_heads_share_kernels_until_a_v_dimension_goes(flat):
    name = flat.anatomy.blocks[0].name
    heads = sliced(flat, plan_of({"head": 0.5}))[0].get_submodule(f"{name}.attn")
    dims = sliced(flat, plan_of({"v_dim": 0.5}))[0].get_submodule(f"{name}.attn")
    full = flat.model.get_submodule(f"{name}.attn")
    assert (len(full.dwc.weight), len(heads.dwc.weight), len(dims.dwc.weight)) == (4, 4, 2 * 2)
    kept = np.sort(np.argsort(np.abs(score(flat, plan_of({})).layers[f"{name}:v_dim"].keys), axis=1)[:, 2:], axis=1)
    assert torch.equal(dims.dwc.weight, full.dwc.weight[torch.from_numpy(kept).reshape(-1)])
    assert kept_kernels(4, 4, 1, 4) == 4 and kept_kernels(4, 4, 2, 3) == 6 and kept_kernels(8, 4, 2, 4) == 8


def test_a_sliced_block_of_equal_widths_is_cut_again(flat, opened):
    once = opened(sliced(flat, plan_of({"qk_dim": 0.25, "v_dim": 0.25}))[0], "swin")
    again, cost = sliced(once, plan_of({"qk_dim": 0.5, "v_dim": 0.3, "head": 0.5}))
    assert_costs(again, cost)


@pytest.mark.parametrize("kind", ["macs", "params"])
def test_a_budget_counts_as_the_report_does(flat, kind):
    plan = PruningPlan("magnitude", "structure", "module", None, budget=0.4, budget_kind=kind)
    problem = GroupProblem(score(flat, plan), flat.anatomy, plan, ())
    rng = np.random.default_rng(0)
    for _ in range(20):
        gone = np.array([rng.integers(0, size) for size in problem.sizes])
        removed = {group.name: int(units) for group, units in zip(problem.sets, gone, strict=True)}
        total = cost_report(flat.anatomy, Selection(removed, 0.0, "structure")).total
        after = total.macs_after / total.macs if kind == "macs" else total.params_after / total.params
        assert problem.share(gone) == pytest.approx(1 - after, abs=1e-12)


def test_what_a_search_thinks_it_costs_is_what_it_costs(flat):
    flat = double(flat)
    units, rng = Units(flat.model, flat.anatomy), np.random.default_rng(0)
    for live in units.live.values():
        live[rng.permutation(len(live))[: rng.integers(0, len(live))]] = False
    smaller = units.extract()
    counted = cost_report(build_anatomy(smaller, "swin")).total
    assert MacCost(flat.anatomy).total(units.all_widths()) == pytest.approx(counted.macs)
    with torch.inference_mode():
        masks = {n: flat.model.get_parameter(n) * keep for n, keep in units.masks().items()}
        assert same(smaller(images().double()), functional_call(flat.model, masks, (images().double(),)))


def test_a_q_k_dimension_owns_its_positional_term(flat):
    found = dict(group_energies(flat.model, flat.anatomy))
    block = flat.anatomy.blocks[0]
    attention = flat.model.get_submodule(f"{block.name}.attn")
    squares = attention.qkv.weight.detach().double().square().sum(1) + attention.qkv.bias.detach().double().square()
    q, k, _ = squares.chunk(3)
    owned = q + k + attention.positional.detach().double().square().sum(0)
    np.testing.assert_allclose(found[f"{block.name}:qk_dim"].ravel(), owned, rtol=1e-12)
    sets = {group.module: group for group in group_sets(flat.anatomy) if group.name.startswith(block.name)}
    own = attention.positional.numel() + attention.channel_scale.numel()
    assert sets["qk_dim"].params == 2 * (8 * 8 + 8) + own
    assert sets["head"].params == sets["qk_dim"].params + sets["v_dim"].params


def test_similarities_are_those_of_all_pairs_of_tokens(flat, few):
    """E[f_i f_j] by brute force; f_i = phi(q)_ni phi(k)_mi over their mean over m."""
    block, watch = flat.anatomy.blocks[0], Watch(flat.anatomy)
    attention = flat.model.get_submodule(f"{block.name}.attn")
    seen = []
    hook = attention.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad(), watch.on(flat.model):
        flat.model(normalised(flat.info, few[0][:2]))
    hook.remove()
    with torch.no_grad():
        q, k, _ = attention.qkv(seen[0]).double().chunk(3, -1)
        q, k = (attention.heads(part).numpy() for part in copy.deepcopy(attention).double().focused(q, k))
    f = q[:, :, :, None, :] * k[:, :, None, :, :]
    f = f / f.sum(-1, keepdims=True).mean(3, keepdims=True)
    wanted = np.einsum("bhnmi,bhnmj->hij", f, f) / (f.shape[0] * f.shape[2] ** 2)
    assert same(watch.logits()[block.name], wanted, SINGLE)  # seen in float32


@pytest.mark.parametrize("kind", GATED)
def test_attributions_of_gates_sum_to_what_they_do_together(flat, few, kind):
    some, labels = few[0][:3], few[1][:3]
    x, suffix = entering(flat, some, 0)
    found = suffix.attributions(kind, x, labels, steps=96)
    with torch.no_grad():
        opened, shut = (suffix.answer(kind, torch.full((3, suffix.units(kind)), g), x, labels) for g in (1.0, 0.0))
    assert (opened - shut).abs().max() > 1e-3
    assert same(found.sum(1), opened - shut, 1e-2)  # of 96 steps


def test_statistics_and_repair_take_it_as_any_other_block(flat, few):
    plan = plan_of({"qk_dim": 0.5, "v_dim": 0.5, "mlp_neuron": 0.5})
    selection, _ = apply_plan(flat, plan)
    scores = score(flat, plan)
    *_, (_, _, mended) = repair(flat.model, flat.info, flat.anatomy, scores, selection, few[0])
    masked = masked_weights(flat.model, flat.anatomy, scores, selection)
    inputs = normalised(flat.info, few[0])
    with torch.inference_mode():
        dense = flat.model(inputs)
        errors = [(functional_call(flat.model, w, (inputs,)) - dense).square().sum() for w in (mended, masked)]
    assert errors[0] < 0.8 * errors[1]
    data = load_data("digits", "train")
    *_, (_, _, found) = collect(flat.model, flat.info, data, flat.anatomy, images=20)
    assert set(found.taylor) == {group.name for group in group_sets(flat.anatomy)}
    assert flat.anatomy.blocks[0].name in found.logits


@pytest.mark.parametrize("criterion", [info.key for info in CRITERIA])
def test_every_criterion_ranks_it(flat, criterion):
    for granularity in CRITERIA[[info.key for info in CRITERIA].index(criterion)].scores:
        plan = PruningPlan(criterion, granularity, ratio=0.5, images=16)
        for name, layer in score(flat, plan).layers.items():
            assert np.isfinite(layer.keys).all(), name
        selection, cost = apply_plan(flat, plan)
        assert cost.total.macs_after < cost.total.macs and sum(selection.removed.values()) > 0


def test_gradients_flow_through_a_sliced_model_in_half_precision_too(flat):
    smaller, _ = sliced(flat, plan_of(CUTS["unequal widths"]))
    for half in (False, True):
        smaller.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            smaller.train()(images()).float().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in smaller.parameters())


def test_a_file_of_the_bundled_sizes_is_recognised_and_other_sizes_are_refused_in_a_sentence(tmp_path):
    model, _ = load_model("swin-flatten")
    save_file(model.state_dict(), tmp_path / "mine.safetensors")
    loaded, info = load_model(str(tmp_path / "mine.safetensors"))
    assert info.architecture == "swin-flatten"
    with torch.inference_mode():
        x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        assert torch.equal(loaded(x), model(x))
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()} | {"head.fc.bias": (7,)}
    with pytest.raises(UnsupportedModel, match=r"focused linear attention .*; choose another file\.$"):
        architecture(shapes, {})
