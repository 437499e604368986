"""Statistics: group sums against a brute force, progress and cancelling, and no trace on the model."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dimap_core.criteria.statistics import collect
from dimap_core.data.batches import balanced_subset, normalised
from dimap_core.data.registry import load_data
from dimap_core.pipeline.chain import prune
from dimap_core.types.errors import DataError
from dimap_core.types.plan import PruningPlan
from tests.helpers import SINGLE, same


def collected(opened, data=None, **options):
    chosen = load_data("digits", "train") if data is None else data  # an empty set is false, too
    *_, (_, _, statistics) = collect(opened.model, opened.info, chosen, opened.anatomy, **options)
    return statistics


def brute_force(opened, images, labels, batch):
    """What `Statistics` calls taylor, effects, nvit, gradients and squares, group by group and weight by weight, in
    float64."""
    model = copy.deepcopy(opened.model).double()
    found = {"taylor": {}, "effects": {}, "nvit": {}, "gradients": {}, "squares": {}}

    def add(what, name, value):
        found[what][name] = found[what].get(name, 0) + value

    batches = -(-len(images) // batch)
    for start in range(0, len(images), batch):
        model.zero_grad()
        pixels = normalised(opened.info, images[start : start + batch]).double()
        F.cross_entropy(model(pixels), torch.from_numpy(labels[start : start + batch])).backward()
        share = len(pixels) / len(images)
        for block in opened.anatomy.blocks:
            for name, value in _block_effects(model, block).items():
                add("taylor", name, np.square(value))
                add("effects", name, share * value)
            for name, value in _nvit_effects(model, block).items():
                add("nvit", name, np.square(value) / batches)
        for layer in opened.anatomy.prunable:
            weight = model.get_parameter(f"{layer.name}.weight")
            add("gradients", layer.name, share * weight.grad.numpy())
            add("squares", layer.name, (weight.grad * weight).square().detach().numpy())
    return found


def _nvit_effects(model, block):
    """NViT's units as the note lists them: one index at a time, through all heads."""
    qkv, fc1 = (model.get_submodule(f"{block.name}.{part}") for part in ("attn.qkv", "mlp.fc1"))

    def row(layer, place):
        own = (layer.weight.grad[place] * layer.weight[place]).sum() + layer.bias.grad[place] * layer.bias[place]
        return own.item()

    heads, dim, channels = block.heads, block.head_dim, block.heads * block.head_dim
    kinds = {
        "mlp_neuron": [row(fc1, unit) for unit in range(len(fc1.weight))],
        "head": [
            sum(row(qkv, third * channels + h * dim + d) for third in range(3) for d in range(dim))
            for h in range(heads)
        ],
        "qk_dim": [sum(row(qkv, h * dim + d) for h in range(heads)) for d in range(dim)],
        "v_dim": [sum(row(qkv, 2 * channels + h * dim + d) for h in range(heads)) for d in range(dim)],
    }
    return {f"{block.name}:{kind}": np.array(value) for kind, value in kinds.items()}


def seen(opened, images, layer):
    """(inputs, outputs) of one layer, in float64."""
    model, found = copy.deepcopy(opened.model).double(), []
    model.get_submodule(layer).register_forward_hook(lambda _, inputs, output: found.append((inputs[0], output)))
    with torch.no_grad():
        model(normalised(opened.info, images).double())
    return tuple(part.numpy() for part in found[0])


def _block_effects(model, block):
    def effect(name):
        parameter = model.get_parameter(f"{block.name}.{name}")
        return (parameter.grad * parameter).detach().numpy()

    heads, dim, channels = block.heads, block.head_dim, block.heads * block.head_dim
    weight, bias, proj = effect("attn.qkv.weight"), effect("attn.qkv.bias"), effect("attn.proj.weight")
    rows = weight.sum(1) + bias
    fc1, fc1_bias, fc2 = effect("mlp.fc1.weight"), effect("mlp.fc1.bias"), effect("mlp.fc2.weight")
    qk, v, head = np.zeros((heads, dim)), np.zeros((heads, dim)), np.zeros(heads)
    for h in range(heads):
        for d in range(dim):
            row = h * dim + d
            qk[h, d] = rows[row] + rows[channels + row]
            v[h, d] = rows[2 * channels + row] + proj[:, row].sum()
            head[h] += qk[h, d] + v[h, d]
        if hasattr(model.get_submodule(block.name).attn, "relative_position_bias_table"):
            head[h] += effect("attn.relative_position_bias_table")[:, h].sum()
    hidden = np.array([fc1[u].sum() + fc1_bias[u] + fc2[:, u].sum() for u in range(len(fc1))])
    kinds = {"mlp_neuron": hidden, "head": head, "qk_dim": qk, "v_dim": v}
    return {f"{block.name}:{kind}": value for kind, value in kinds.items()}


def test_sums_of_effects_equal_a_brute_force_over_single_weights(tiny):
    data = load_data("digits", "train")
    got = collected(tiny, images=12, batch=5, seed=4)
    chosen = balanced_subset(data.labels, 12, 4)
    expected = brute_force(tiny, data.images[chosen], data.labels[chosen], 5)
    assert (got.data, got.images, got.seed) == ("digits", 12, 4)
    for what, values in expected.items():
        found = getattr(got, what)
        assert list(found) == list(values)
        for name, value in values.items():
            assert found[name].dtype == (np.float32 if what in ("gradients", "squares") else np.float64)
            assert same(found[name], value, 10 * SINGLE), f"{what} {name}"  # gradients in float32
    assert got.nbytes == sum(array.nbytes for array in got.arrays()) > 8 * tiny.anatomy.prunable[0].size


def test_moments_are_those_of_what_every_layer_saw(tiny):
    data = load_data("digits", "train")
    got, images = collected(tiny, images=6, batch=4), data.images[balanced_subset(data.labels, 6, 0)]
    for layer in tiny.anatomy.prunable:
        x = seen(tiny, images, layer.name)[0].reshape(-1, layer.shape[1])
        found = got.inputs[layer.name]
        products = x.T @ x / len(x)
        assert np.abs(found.mean - x.mean(0)).max() < SINGLE * np.abs(x).max()
        assert same(found.products, products, SINGLE)
        assert np.abs(found.covariance() - np.cov(x.T, ddof=0)).max() < SINGLE * np.abs(products).max()
        np.testing.assert_array_equal(found.energy, found.products.diagonal())


def test_logit_energies_are_those_of_each_dimensions_share_of_the_logits(tiny):
    """Every pair of tokens of every window, one dimension after the other."""
    data, block = load_data("digits", "train"), tiny.anatomy.blocks[-1]
    got, images = collected(tiny, images=3), data.images[balanced_subset(data.labels, 3, 0)]
    packed = seen(tiny, images, f"{block.name}.attn.qkv")[1]
    q, k, _ = np.moveaxis(packed.reshape(*packed.shape[:2], 3, block.heads, block.head_dim), 2, 0)
    shares = block.head_dim**-0.5 * q[:, :, None] * (k - k.mean(1, keepdims=True))[:, None]  # windows, n, m, heads, dim
    expected = np.einsum("wnmhi,wnmhj->hij", shares, shares) / np.prod(shares.shape[:3])
    assert same(got.logits[block.name], expected, SINGLE)


def test_progress_comes_after_every_batch_and_the_statistics_with_the_last(tiny):
    steps = list(collect(tiny.model, tiny.info, load_data("digits", "train"), tiny.anatomy, images=20, batch=8))
    assert [(done, total) for done, total, _ in steps] == [(8, 20), (16, 20), (20, 20)]
    assert [statistics is None for *_, statistics in steps] == [True, True, False]


def test_a_batch_run_in_parts_gives_the_same_and_tells_of_every_part(tiny, monkeypatch):
    data, whole = load_data("digits", "train"), collected(tiny, images=14, batch=10)
    monkeypatch.setattr("dimap_core.criteria.statistics._PIXELS", 4 * 32**2)
    steps = list(collect(tiny.model, tiny.info, data, tiny.anatomy, images=14, batch=10))
    assert [done for done, _, _ in steps] == [4, 8, 10, 14]
    parts = steps[-1][2]
    for what in ("taylor", "effects", "nvit", "gradients", "squares", "logits"):
        for name, value in getattr(whole, what).items():
            assert same(getattr(parts, what)[name], value, 10 * SINGLE), f"{what} {name}"
    for name, moments in whole.inputs.items():
        assert same(parts.inputs[name].products, moments.products, SINGLE), name


def test_the_same_seed_gives_the_same_statistics_and_another_seed_others(tiny_swin):
    first, second, other = (collected(tiny_swin, images=10, batch=10, seed=seed) for seed in (1, 1, 2))
    for name, value in first.taylor.items():
        np.testing.assert_array_equal(value, second.taylor[name])
    assert any(not np.array_equal(value, other.taylor[name]) for name, value in first.taylor.items())


def test_no_more_images_are_used_than_there_are(tiny_swin):
    data = load_data("digits", "train")
    few = replace(data, images=data.images[:7], labels=data.labels[:7])
    assert collected(tiny_swin, few, images=256).images == 7


@pytest.mark.parametrize(("there", "asked"), [(0, 256), (10, 0), (10, -1)])
def test_statistics_of_no_images_are_refused(tiny_swin, there, asked):
    data = load_data("digits", "train")
    few = replace(data, images=data.images[:there], labels=data.labels[:there])
    with pytest.raises(DataError, match="no images"):
        collected(tiny_swin, few, images=asked)


def test_images_of_another_data_set_are_refused(tiny_swin):
    with pytest.raises(DataError, match="does not know the classes"):
        collected(tiny_swin, load_data("textured-digits"))


def test_a_subset_is_balanced_drawn_by_seed_and_holds_no_image_twice():
    labels = np.repeat(np.arange(10), np.arange(3, 13))
    chosen = balanced_subset(labels, 30, 0)
    assert len(set(chosen)) == 30 and set(np.bincount(labels[chosen])) == {3}
    assert not np.array_equal(chosen, balanced_subset(labels, 30, 1))
    assert sorted(balanced_subset(labels, 10_000, 0)) == list(range(len(labels)))  # small classes run out, others fill


@pytest.mark.parametrize("cancelled", [False, True])
def test_collecting_leaves_no_trace_even_when_cancelled(tiny, cancelled):
    model = copy.deepcopy(tiny.model).train()
    model.get_submodule(tiny.anatomy.blocks[0].name).eval()
    parameters = list(model.parameters())
    parameters[0].requires_grad_(False)
    parameters[1].grad = torch.full_like(parameters[1], 0.5)
    flags = [module.training for module in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    work = collect(model, tiny.info, load_data("digits", "train"), tiny.anatomy, images=8, batch=4)
    next(work)
    work.close() if cancelled else list(work)
    assert [module.training for module in model.modules()] == flags
    assert [p.requires_grad for p in parameters] == [False] + [True] * (len(parameters) - 1)
    assert [p.grad is None for p in parameters] == [True, False] + [True] * (len(parameters) - 2)
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(torch.get_rng_state(), random)


def test_statistics_are_the_same_in_a_process_under_inference_mode(make_tiny, opened):
    expected = collected(opened(make_tiny("swin"), "swin"), images=6, batch=3)
    with torch.inference_mode():
        inside = opened(make_tiny("swin"), "swin")  # all its parameters are inference tensors
        got = collected(inside, images=6, batch=3)
    for known, found in zip(expected.arrays(), got.arrays(), strict=True):
        assert same(found, known, SINGLE)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", ["mlp.fc1.weight", "norm2.bias"])
def test_statistics_that_are_not_finite_are_one_sentence(make_tiny, opened, value, place):
    broken = opened(make_tiny("deit"), "deit")
    with torch.no_grad():
        broken.model.get_parameter(f"blocks.1.{place}").view(-1)[0] = value
    with pytest.raises(DataError, match=r"^What 'tiny-deit' answers .* is not finite; .* reads weights only\.$"):
        collected(broken, images=4)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in broken.model.modules())


def test_a_sliced_model_has_statistics_of_weights_and_none_of_groups(tiny, opened):
    pruned, _, _ = prune(tiny, PruningPlan("magnitude", "structure", "layer", 0.0, (((None, "qk_dim"), 0.5),)))
    found = collected(opened(pruned, tiny.info.family), images=4)
    assert found.taylor == {} == found.logits
    assert any(name.endswith(".attn.q") for name in found.squares) and set(found.squares) == set(found.inputs)
