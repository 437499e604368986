"""Refitted zeros and structures: zeros where the plan has them, what the maths says, accuracy, and no trace."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from torch.func import functional_call

from dimap_core import pipeline
from dimap_core.anatomy.activations import Watch
from dimap_core.anatomy.build import build_anatomy
from dimap_core.anatomy.running import evaluating
from dimap_core.criteria.registry import criterion
from dimap_core.cut.masks import masked_weights
from dimap_core.cut.refitting import refit_at_once, refit_zeros
from dimap_core.cut.slicing import slice_model
from dimap_core.data.batches import balanced_subset, normalised
from dimap_core.data.registry import load_data
from dimap_core.measure.accuracy import evaluate, masked
from dimap_core.pipeline.chain import cut_weights
from dimap_core.plan.selection import select
from dimap_core.types.errors import DataError
from dimap_core.types.plan import PruningPlan
from tests.helpers import double, same

PLANS = {
    "half": PruningPlan("magnitude", "weight", "layer", 0.5),
    "most": PruningPlan("dimap", "weight", "module", 0.9),
    "2:4": PruningPlan("magnitude", "nm", "layer", None, nm="2:4"),
    "one stage": PruningPlan("magnitude", "weight", "layer", 0.0, (((1, None), 0.6),)),
}
STRUCTURES = PruningPlan("magnitude", "structure", "layer", 0.4)


@pytest.fixture(scope="module")
def images():
    data = load_data("digits", "train")
    return data.images[balanced_subset(data.labels, 48, 0)]


def cut(opened, plan):
    scores = criterion(plan.criterion).fn(opened.model, opened.anatomy, plan.scored, None, 0)
    return scores, select(scores, opened.anatomy, plan)


def in_order(opened, plan, images, **options):
    steps = [*refit_zeros(opened.model, opened.info, opened.anatomy, *cut(opened, plan), images, **options)]
    return steps[-1][2] if steps else {}


def at_once(opened, plan, images, batch=32):
    watch, kind = Watch(opened.anatomy), next(opened.model.parameters())
    for at in range(0, len(images), batch):
        with torch.inference_mode(), evaluating(opened.model), watch.on(opened.model):
            opened.model(normalised(opened.info, images[at : at + batch]).to(kind))
    return refit_at_once(opened.model, opened.anatomy, *cut(opened, plan), watch.inputs(), watch.logits())


def layers_inputs(model, weights, info, images, names):
    """Float64 [tokens, in] that each named layer sees."""
    found = {}
    hooks = [
        model.get_submodule(name).register_forward_pre_hook(lambda _, x, name=name: found.__setitem__(name, x[0]))
        for name in names
    ]
    with torch.inference_mode(), evaluating(model):
        functional_call(model, weights, (normalised(info, images).to(next(model.parameters()).dtype),))
    for hook in hooks:
        hook.remove()
    return {name: x.flatten(0, -2).double().numpy() for name, x in found.items()}


@pytest.mark.parametrize("way", [in_order, at_once])
@pytest.mark.parametrize("name", PLANS)
def test_zeros_stand_exactly_where_the_plan_put_them(tiny, tiny_ties, images, name, way):
    for opened in (tiny, tiny_ties):  # the second has weights that are zero although the plan keeps them
        plain = masked_weights(opened.model, opened.anatomy, *cut(opened, PLANS[name]))
        weights = way(opened, PLANS[name], images)
        assert set(weights) == set(plain) | {key.replace(".weight", ".bias") for key in plain}
        for key, value in weights.items():
            assert value.shape == opened.model.get_parameter(key).shape and value.dtype == torch.float32
            assert torch.isfinite(value).all() and not value.is_inference()
            if key in plain:
                assert torch.equal(value == 0, plain[key] == 0), key


def test_each_layer_in_order_is_the_fit_on_what_it_sees_aimed_at_the_dense_model(tiny, images):
    """By numpy's least squares on all tokens, from hooks on whole models."""
    opened, plan = double(tiny), PLANS["half"]
    weights = in_order(opened, plan, images, batch=20)
    names = [layer.name for layer in opened.anatomy.prunable]
    dense, now = (layers_inputs(opened.model, given, opened.info, images, names) for given in ({}, weights))
    for name in names:
        old = opened.model.get_parameter(f"{name}.weight").detach().double().numpy()
        new = weights[f"{name}.weight"].numpy()
        means = dense[name].mean(0), now[name].mean(0)
        x, aims = now[name] - means[1], (dense[name] - means[0]) @ old.T
        strength = np.sqrt(0.01 * np.square(x).mean() * len(x))
        for row in range(0, len(old), 5):
            kept = new[row] != 0
            design = np.concatenate([x[:, kept], strength * np.eye(kept.sum())])
            best = np.linalg.lstsq(design, np.concatenate([aims[:, row], strength * old[row, kept]]))[0]
            assert same(torch.from_numpy(new[row, kept]), torch.from_numpy(best), 1e-3), (name, row)
        bias = opened.model.get_parameter(f"{name}.bias").detach().numpy() + old @ means[0] - new @ means[1]
        assert same(weights[f"{name}.bias"], torch.from_numpy(bias)), name


@pytest.mark.parametrize("plan", [PLANS["half"], STRUCTURES], ids=["zeros", "structures"])
def test_at_once_every_layer_is_solved_for_what_it_saw_dense(tiny, images, plan, monkeypatch):
    """(C + l I)_SS w = ((C + l I) v)_S of every row, with moments from hooks; what loses whole rows is only masked."""
    monkeypatch.setattr("dimap_core.cut.refitting.QUICK", 10**9)  # so that every row is solved
    opened = double(tiny)
    weights, plain = (
        at_once(opened, plan, images, batch=20),
        masked_weights(opened.model, opened.anatomy, *cut(opened, plan)),
    )
    names = [name for name in (layer.name for layer in opened.anatomy.prunable) if f"{name}.weight" in plain]
    for name, x in layers_inputs(opened.model, {}, opened.info, images, names).items():
        new, old = weights[f"{name}.weight"].numpy(), opened.model.get_parameter(f"{name}.weight").detach().numpy()
        if plan is STRUCTURES and name.endswith(("qkv", "fc1")):
            third = len(old) // 3 if name.endswith("qkv") else 0  # queries are stretched
            assert torch.equal(weights[f"{name}.weight"][third:], plain[f"{name}.weight"][third:])
            continue
        covariance = np.cov(x.T, bias=True)
        covariance += 0.01 * covariance.diagonal().mean() * np.eye(len(covariance))
        for row in range(0, len(old), 5):
            kept = new[row] != 0
            best = np.linalg.solve(covariance[np.ix_(kept, kept)], (covariance @ old[row])[kept])
            assert same(torch.from_numpy(new[row, kept]), torch.from_numpy(best), 1e-3)  # float32 moments
        bias = opened.model.get_parameter(f"{name}.bias").detach().numpy() + (old - new) @ x.mean(0)
        assert same(weights[f"{name}.bias"], torch.from_numpy(bias), 1e-5)


def test_structures_refitted_at_once_give_the_same_outputs_sliced(tiny, images):
    scores, selection = cut(tiny, STRUCTURES)
    weights = at_once(tiny, STRUCTURES, images)
    smaller = slice_model(tiny.model, tiny.anatomy, scores, selection, weights)
    pixels = normalised(tiny.info, images[:10])
    with torch.inference_mode():
        assert same(smaller(pixels), functional_call(tiny.model, weights, (pixels,)))


def test_a_layer_without_bias_and_one_that_loses_nothing(opened, images):
    model = timm.create_model(
        "deit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=4, num_classes=10,
        qkv_bias=False,
    )  # fmt: skip
    found = opened(model.eval(), "deit")
    plan = replace(PLANS["half"], protected=("blocks.1.mlp.fc1",))
    for way in (in_order, at_once):
        weights = way(found, plan, images)
        assert "blocks.0.attn.qkv.bias" not in weights and "blocks.0.attn.qkv.weight" in weights
        assert not any(name.startswith("blocks.1.mlp.fc1") for name in weights)
        assert all(torch.isfinite(value).all() for value in weights.values())
    assert in_order(found, replace(plan, ratio=0.0), images) == at_once(found, replace(plan, ratio=0.0), images) == {}


def test_a_model_that_was_sliced_before_is_refitted_too(tiny, images):
    scores, selection = cut(tiny, PruningPlan("magnitude", "structure", "layer", 0.0, (((None, "v_dim"), 0.5),)))
    sliced = slice_model(tiny.model, tiny.anatomy, scores, selection)
    opened = replace(tiny, model=sliced, anatomy=build_anatomy(sliced, tiny.info.family))
    assert any(layer.name.endswith("attn.q") for layer in opened.anatomy.prunable)
    for way in (in_order, at_once):
        assert any(name.endswith("attn.q.weight") for name in way(opened, PLANS["half"], images))


@pytest.mark.parametrize("cancelled", [False, True])
def test_no_trace_is_left_even_when_cancelled(tiny, images, cancelled):
    model = copy.deepcopy(tiny.model).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random, drawn = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    work = refit_zeros(model, tiny.info, tiny.anatomy, *cut(tiny, PLANS["half"]), images, batch=16)
    next(work)
    assert model.training and not torch.is_inference_mode_enabled()  # others work while this one pauses
    work.close() if cancelled else list(work)
    assert all(module.training for module in model.modules())
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(torch.get_rng_state(), random)
    np.testing.assert_array_equal(np.random.get_state()[1], drawn)  # noqa: NPY002


def test_progress_is_told_by_layer_and_ends_with_the_last_that_loses_anything(tiny, images):
    for plan in (PLANS["half"], PLANS["one stage"]):
        scores, selection = cut(tiny, plan)
        steps = list(refit_zeros(tiny.model, tiny.info, tiny.anatomy, scores, selection, images, batch=16))
        count = sum(removed > 0 for removed in selection.removed.values())
        told = [(done, total) for done, total, _ in steps]
        assert told == sorted(told) and {done for done, _ in told} == set(range(count + 1))
        assert told.count((count, count)) == 1 and {total for _, total in told} == {count}


def test_no_images_and_a_model_that_answers_nothing_finite_are_refused(tiny, images):
    with pytest.raises(DataError, match=r"training images; give it at least one\.$"):
        in_order(tiny, PLANS["half"], images[:0])
    broken = replace(tiny, model=copy.deepcopy(tiny.model))
    broken.model.patch_embed.proj.bias.data[0] = torch.nan
    for way in (in_order, at_once):
        with pytest.raises(DataError, match=r"not finite; check its weights, or drop repair\.$"):
            way(broken, PLANS["half"], images)


@pytest.mark.parametrize(
    ("model", "plan", "floors"),
    [
        ("swin-textured", PruningPlan("taylor", "weight", "model", 0.95, images=64), (0.7, 0.85)),
        ("deit-textured", PruningPlan("magnitude", "weight", "model", 0.9, images=64), (0.8, 0.8)),
        ("deit-textured", PruningPlan("taylor", "structure", "model", None, budget=0.8, images=64), (0.75, 0.8)),
        ("swin-textured", PruningPlan("magnitude", "nm", "layer", None, nm="2:4", images=32), (0.95, 0.95)),
    ],
    ids=["swin 95 %", "deit 90 %", "structures", "swin 2:4"],
)
def test_the_study_s_figures_hold(model, plan, floors):
    """The study's Swin 44 > 86 (at once), 94 % (in order), DeiT 69 > 92 % (at once) had 256 images; here are fewer."""
    opened, data = pipeline.open_model(model), load_data("textured-digits")
    repaired = replace(plan, repair=True)
    found = pipeline.preview_weights(opened, plan), cut_weights(opened, repaired, pipeline.apply_plan(opened, plan)[0])
    for weights, least in zip(found, floors, strict=True):
        *_, (estimate, _) = evaluate(opened.model, opened.info, data, masked(opened.model, weights), limit=160)
        assert estimate.top1.value >= least
