"""Statistics: group sums against a brute force, progress and cancelling, and no trace on the model."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dimap_core.data import load_data
from dimap_core.errors import DataError
from dimap_core.evaluate import normalised
from dimap_core.statistics import balanced_subset, collect


def collected(opened, data=None, **options):
    chosen = load_data("digits", "train") if data is None else data  # an empty set is false, too
    *_, (_, _, statistics) = collect(opened.model, opened.info, chosen, opened.anatomy, **options)
    return statistics


def brute_force(opened, images, labels, batch):
    """Sets of groups -> summed squares, group by group and weight by weight, in float64."""
    model = copy.deepcopy(opened.model).double()
    found = {}
    for start in range(0, len(images), batch):
        model.zero_grad()
        pixels = normalised(opened.info, images[start : start + batch]).double()
        F.cross_entropy(model(pixels), torch.from_numpy(labels[start : start + batch])).backward()
        for block in opened.anatomy.blocks:
            for name, value in _block_effects(model, block).items():
                found[name] = found.get(name, 0) + np.square(value)
    return found


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


def test_taylor_sums_equal_a_brute_force_over_single_weights(tiny):
    data = load_data("digits", "train")
    got = collected(tiny, images=12, batch=5, seed=4)
    chosen = balanced_subset(data.labels, 12, 4)
    expected = brute_force(tiny, data.images[chosen], data.labels[chosen], 5)
    assert (got.data, got.images, got.seed, list(got.taylor)) == ("digits", 12, 4, list(expected))
    for name, value in expected.items():
        assert got.taylor[name].dtype == np.float64
        np.testing.assert_allclose(got.taylor[name], value, rtol=1e-3, atol=1e-5 * value.max(), err_msg=name)


def test_progress_comes_after_every_batch_and_the_statistics_with_the_last(tiny):
    steps = list(collect(tiny.model, tiny.info, load_data("digits", "train"), tiny.anatomy, images=20, batch=8))
    assert [(done, total) for done, total, _ in steps] == [(8, 20), (16, 20), (20, 20)]
    assert [statistics is None for *_, statistics in steps] == [True, True, False]


def test_a_batch_run_in_parts_gives_the_same_and_tells_of_every_part(tiny, monkeypatch):
    data, whole = load_data("digits", "train"), collected(tiny, images=14, batch=10)
    monkeypatch.setattr("dimap_core.statistics._PIXELS", 4 * 32**2)
    steps = list(collect(tiny.model, tiny.info, data, tiny.anatomy, images=14, batch=10))
    assert [done for done, _, _ in steps] == [4, 8, 10, 14]
    for name, value in whole.taylor.items():
        np.testing.assert_allclose(steps[-1][2].taylor[name], value, rtol=1e-3, atol=1e-5 * value.max())


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
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(torch.get_rng_state(), random)


def test_statistics_are_the_same_in_a_process_under_inference_mode(make_tiny, opened):
    expected = collected(opened(make_tiny("swin"), "swin"), images=6, batch=3)
    with torch.inference_mode():
        inside = opened(make_tiny("swin"), "swin")  # all its parameters are inference tensors
        got = collected(inside, images=6, batch=3)
    for name, value in expected.taylor.items():
        np.testing.assert_allclose(got.taylor[name], value, rtol=1e-5, atol=1e-12)
