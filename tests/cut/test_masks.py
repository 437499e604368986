"""Masks: exactly the selected weights become zeros, on a copy, and nothing else changes."""

import numpy as np
import torch
from torch.func import functional_call

from dimap_core.cut.keep import keep_mask
from dimap_core.cut.masks import masked_weights
from dimap_core.pipeline.chain import score
from dimap_core.plan.selection import select
from dimap_core.types.plan import PruningPlan
from tests.helpers import mask_model, same

PLAN = PruningPlan(ratio=0.6, overrides=(((0, "QKV-M"), 0.0),))


def cut(opened, plan=PLAN):
    scores = score(opened, plan)
    return scores, select(scores, opened.anatomy, plan)


def snapshot(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_masked_weights_are_the_weights_with_zeros_where_the_mask_says(tiny):
    scores, selection = cut(tiny)
    masked = masked_weights(tiny.model, tiny.anatomy, scores, selection)
    assert set(masked) == {f"{name}.weight" for name, gone in selection.removed.items() if gone}
    assert not any(name.startswith(("layers.0.blocks.0.attn.qkv", "blocks.0.attn.qkv")) for name in masked)
    for name, weight in masked.items():
        layer = name.removesuffix(".weight")
        keep = keep_mask(scores.layers[layer], selection.removed[layer])
        original = tiny.model.get_parameter(name).detach().numpy()
        np.testing.assert_array_equal(weight.numpy(), np.where(keep, original, 0))
        assert int((weight == 0).sum()) == selection.removed[layer]


def test_ties_lose_exactly_as_many_weights_as_selected(tiny_ties):
    scores, selection = cut(tiny_ties)
    for name, gone in selection.removed.items():
        assert int((~keep_mask(scores.layers[name], gone)).sum()) == gone


def test_a_masked_copy_differs_in_the_selected_weights_only(tiny):
    scores, selection = cut(tiny)
    before = snapshot(tiny.model)
    pruned = mask_model(tiny.model, tiny.anatomy, scores, selection)
    assert pruned is not tiny.model and not pruned.training
    masked = masked_weights(tiny.model, tiny.anatomy, scores, selection)
    for name, value in pruned.state_dict().items():
        assert torch.equal(value, masked.get(name, before[name])), name
        assert value.data_ptr() != tiny.model.state_dict()[name].data_ptr() or not value.numel()
    for name, value in tiny.model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_masked_copy_and_masked_parameters_give_the_same_outputs(tiny):
    scores, selection = cut(tiny)
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        copied = mask_model(tiny.model, tiny.anatomy, scores, selection)(images)
        called = functional_call(tiny.model, masked_weights(tiny.model, tiny.anatomy, scores, selection), (images,))
        dense = tiny.model(images)
    assert same(copied, called) and not same(copied, dense, 0.01)


def test_an_empty_selection_leaves_the_outputs_as_they_are(tiny):
    scores, selection = cut(tiny, PruningPlan(ratio=0.0))
    assert masked_weights(tiny.model, tiny.anatomy, scores, selection) == {}
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert same(mask_model(tiny.model, tiny.anatomy, scores, selection)(images), tiny.model(images))


def test_random_scores_mask_weights_of_every_size(tiny):
    scores, selection = cut(tiny, PruningPlan("random", scope="layer", ratio=0.5))
    name = next(iter(selection.removed))
    weights = tiny.model.get_parameter(f"{name}.weight").detach().abs().numpy().ravel()
    keep = keep_mask(scores.layers[name], selection.removed[name]).ravel()
    assert 0.8 < weights[keep].mean() / weights[~keep].mean() < 1.25  # magnitude would give about 4
