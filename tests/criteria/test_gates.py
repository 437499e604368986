"""Gates: captum's attributions are complete, equal a float64 integral, and leave no trace."""

import copy

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import nn
from torch.func import functional_call

from dimap_core.anatomy.running import plain_tensor, tensors
from dimap_core.anatomy.segments import embed
from dimap_core.criteria.gates import KINDS, Suffix, attribute
from dimap_core.data.batches import balanced_subset, normalised
from dimap_core.data.registry import load_data
from dimap_core.pipeline.chain import prune
from dimap_core.types.errors import DataError, UnsupportedModel
from dimap_core.types.plan import PruningPlan
from tests.helpers import SINGLE, same

IMAGES = 3


@pytest.fixture(scope="module")
def few():
    data = load_data("digits", "train")
    chosen = balanced_subset(data.labels, IMAGES, 0)
    return data.images[chosen], torch.from_numpy(data.labels[chosen])


def suffixes(opened):
    weights = {f"model.{name}": plain_tensor(value) for name, value in tensors(opened.model)}
    blocks = enumerate(opened.anatomy.blocks)
    return [Suffix(opened.model, weights, opened.info.family, block, place) for place, block in blocks]


def entering(opened, images, place):
    """What enters the block at that place, and its suffix."""
    with torch.no_grad():
        x = embed(opened.model, opened.info.family, normalised(opened.info, images))
        for before in suffixes(opened)[:place]:
            x = before.through(before.merged(x))
        suffix = suffixes(opened)[place]
        return suffix.merged(x), suffix


def attributed(opened, **options):
    data = load_data("digits", "train")
    *_, (_, _, found) = attribute(opened.model, opened.info, data, opened.anatomy, **options)
    return found


def scaled(block, kind, gates):
    """The block's parameter that gates of one image stand on, as (name, gated value) of a float64 model: closing a gate
    is scaling a column of fc2 or proj, or a row of q."""
    part = {"mlp_neuron": "mlp.fc2", "v_dim": "attn.proj", "qk_dim": "attn.qkv"}[kind]

    def gated(model):
        layer = model.get_submodule(f"{block.name}.{part}")
        if kind != "qk_dim":
            return {f"{block.name}.{part}.weight": layer.weight * gates}
        factor = torch.cat([gates, torch.ones(len(layer.bias) - len(gates), dtype=gates.dtype)])
        names = (f"{block.name}.{part}.weight", f"{block.name}.{part}.bias")
        return dict(zip(names, (layer.weight * factor[:, None], layer.bias * factor), strict=True))

    return gated


@pytest.mark.parametrize("kind", KINDS)
def test_attributions_sum_to_what_the_gates_do_together(tiny, few, kind):
    """Completeness: the sum over a set's units is f(all open) - f(all shut), image by image, for every block."""
    images, labels = few
    for place in range(len(tiny.anatomy.blocks)):
        x, suffix = entering(tiny, images, place)
        found = suffix.attributions(kind, x, labels, steps=128)
        with torch.no_grad():
            opened, shut = (suffix.answer(kind, torch.full((IMAGES, suffix.units(kind)), g), x, labels) for g in (1, 0))
            whole = tiny.model(normalised(tiny.info, images)).log_softmax(-1)[torch.arange(IMAGES), labels]
        assert same(opened, whole)
        assert same(found.sum(1), opened - shut, 1e-3)  # of 128 steps
        assert (opened - shut).abs().max() > 2e-3  # there is something to attribute


@pytest.mark.parametrize("kind", KINDS)
def test_attributions_equal_a_float64_integral_over_scaled_weights(tiny, few, kind):
    images, labels = few
    block, steps = tiny.anatomy.blocks[1], 6
    x, suffix = entering(tiny, images, 1)
    found = suffix.attributions(kind, x, labels, steps=steps)
    model, units = copy.deepcopy(tiny.model).double(), suffix.units(kind)
    places, shares = np.polynomial.legendre.leggauss(steps)
    for image in range(IMAGES):
        expected = torch.zeros(units, dtype=torch.float64)
        for place, share in zip((1 + places) / 2, shares / 2, strict=True):
            gates = torch.full((units,), place, dtype=torch.float64, requires_grad=True)
            pixels = normalised(tiny.info, images[image : image + 1]).double()
            logits = functional_call(model, scaled(block, kind, gates)(model), (pixels,))
            answer = logits.log_softmax(-1)[0, labels[image]]
            expected += share * torch.autograd.grad(answer, gates)[0]
        assert same(found[image], expected, 10 * SINGLE)  # gradients in float32, through the network twice and more


def test_gates_agree_with_captums_own_layer_integrated_gradients(tiny, few):
    """captum's path over a layer's input is the gates' path where the baseline's input to that layer is zero: here the
    model input is a dimmer on the hidden units themselves."""
    images, labels = few
    block = tiny.anatomy.blocks[-1]
    x, suffix = entering(tiny, images, len(tiny.anatomy.blocks) - 1)
    fc2 = tiny.model.get_submodule(f"{block.name}.mlp.fc2")

    class Dimmed(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = tiny.model

        def forward(self, dimmer, images):
            act = self.model.get_submodule(f"{block.name}.mlp.act")
            hook = act.register_forward_hook(lambda _, __, hidden: hidden * dimmer[:, :, None])
            logits = self.model(images)
            hook.remove()
            return logits.log_softmax(-1)

    method = LayerIntegratedGradients(Dimmed(), fc2)
    theirs = method.attribute(
        torch.ones(IMAGES, 1), torch.zeros(IMAGES, 1), target=labels,
        additional_forward_args=(normalised(tiny.info, images),), n_steps=16, attribute_to_layer_input=True,
    )  # fmt: skip
    ours = suffix.attributions("mlp_neuron", x, labels, steps=16)
    assert same(ours, theirs.sum(1), 10 * SINGLE)


def test_scores_are_means_of_absolute_attributions_and_heads_add_up_their_dimensions(tiny):
    data, found = load_data("digits", "train"), attributed(tiny, images=24, seed=2)
    assert (found.data, found.images, found.seed) == ("digits", 3, 2)  # one image in eight
    chosen = balanced_subset(data.labels, 3, 2)
    labels = torch.from_numpy(data.labels[chosen])
    for place in (0, len(tiny.anatomy.blocks) - 1):
        block = tiny.anatomy.blocks[place]
        x, suffix = entering(tiny, data.images[chosen], place)
        parts = {kind: suffix.attributions(kind, x, labels) for kind in KINDS}
        v = parts["v_dim"].reshape(3, block.heads, block.head_dim)
        expected = {
            "mlp_neuron": parts["mlp_neuron"].abs().mean(0),
            "head": v.sum(2).abs().mean(0),
            "qk_dim": parts["qk_dim"].reshape(v.shape).abs().mean(0),
            "v_dim": v.abs().mean(0),
        }
        for kind, value in expected.items():
            assert same(found.units[f"{block.name}:{kind}"], value, SINGLE)


def test_progress_comes_after_every_path_and_attributions_with_the_last(tiny_swin):
    data = load_data("digits", "train")
    steps = list(attribute(tiny_swin.model, tiny_swin.info, data, tiny_swin.anatomy, images=80, batch=8))
    total = 2 * 3 * len(tiny_swin.anatomy.blocks)
    assert [(done, of) for done, of, _ in steps] == [(done, total) for done in range(1, total + 1)]
    assert [found is None for *_, found in steps] == [True] * (total - 1) + [False]


@pytest.mark.parametrize("cancelled", [False, True])
def test_attributing_leaves_no_trace_even_when_cancelled(tiny, cancelled):
    model = copy.deepcopy(tiny.model).train()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    work = attribute(model, tiny.info, load_data("digits", "train"), tiny.anatomy, images=8)
    next(work)
    work.close() if cancelled else list(work)
    assert all(module.training for module in model.modules())
    assert all(p.requires_grad and torch.equal(p.grad, torch.full_like(p, 0.5)) for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_attributions_are_the_same_in_a_process_under_inference_mode(make_tiny, opened):
    expected = attributed(opened(make_tiny("swin"), "swin"), images=8)
    with torch.inference_mode():
        got = attributed(opened(make_tiny("swin"), "swin"), images=8)
    for name, value in expected.units.items():
        assert same(got.units[name], value, SINGLE)


def test_what_cannot_be_attributed_is_one_sentence(make_tiny, opened, tiny):
    with pytest.raises(DataError, match="no images"):
        attributed(tiny, images=0)
    broken = opened(make_tiny("deit"), "deit")
    with torch.no_grad():
        broken.model.get_parameter("head.bias")[0] = float("nan")
    with pytest.raises(DataError, match="is not finite"):
        attributed(broken, images=8)
    pruned, _, _ = prune(tiny, PruningPlan("magnitude", "structure", "layer", 0.0, (((None, "qk_dim"), 0.5),)))
    with pytest.raises(UnsupportedModel, match="sliced already"):
        attributed(opened(pruned, tiny.info.family), images=8)
