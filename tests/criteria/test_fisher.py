"""Reconstruction and its Fisher-weighted form: what is felt against autograd image by image, curves against refits, the
Q/K scale against a cut, and no labels anywhere."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from dimap_core.anatomy.groups import group_sets
from dimap_core.criteria import arrays
from dimap_core.criteria.reconstruction import outputs, qk_scale, weights
from dimap_core.criteria.reconstruction.moments import observe
from dimap_core.criteria.reconstruction.outputs import feel
from dimap_core.criteria.reconstruction.weighed import curves, root, shrunk
from dimap_core.criteria.registry import criterion
from dimap_core.cut.keep import keep_mask
from dimap_core.data.batches import normalised, unlabelled_subset
from dimap_core.data.registry import load_data
from dimap_core.pipeline.chain import apply_plan, prepare_scores, prune
from dimap_core.types.errors import DataError, UnsupportedModel
from dimap_core.types.plan import PruningPlan
from tests.helpers import EXACT, SINGLE, same

IMAGES, SEED = 12, 3


def gathered(gather, opened, data=None, **options):
    data = data or load_data("digits", "train")
    *_, (_, _, found) = gather(
        opened.model, opened.info, data, opened.anatomy, **{"images": IMAGES, "seed": SEED, **options}
    )
    return found


@pytest.fixture(scope="module")
def doubled(tiny):
    return replace(tiny, model=copy.deepcopy(tiny.model).double())


@pytest.fixture(scope="module")
def felt(doubled):
    return gathered(feel, doubled, batch=5)


@pytest.fixture(scope="module")
def pixels(doubled):
    data = load_data("digits", "train")
    return normalised(doubled.info, data.images[unlabelled_subset(doubled.info, data, IMAGES, SEED)]).double()


def watched(opened, image):
    """(logits, layer -> (input, output)) of one forward pass that gradients can be taken of."""
    model, seen = copy.deepcopy(opened.model), {}
    for layer in opened.anatomy.prunable:
        model.get_submodule(layer.name).register_forward_hook(
            lambda _, inputs, output, name=layer.name: seen.update({name: (inputs[0], output)})
        )
    return model(image[None]), seen


def test_what_is_felt_is_the_mean_over_images_of_autograds_outer_products(doubled, felt, pixels):
    """Answers drawn at temperature 2 by the same uniform numbers; gradients of log p(y) taken image by image."""
    draws = np.random.default_rng(SEED).random(IMAGES)
    sums, answers = {}, []
    for image, draw in zip(pixels, draws, strict=True):
        logits, seen = watched(doubled, image)
        shares = (logits[0] / outputs.TEMPERATURE).softmax(0).detach().numpy()
        answers.append(int(np.searchsorted(np.cumsum(shares), draw, "right")))
        made = [output for _, output in seen.values()]
        gradients = torch.autograd.grad(logits.log_softmax(-1)[0, answers[-1]], made)
        for name, gradient in zip(seen, gradients, strict=True):
            g = gradient.flatten(0, -2)
            sums[name] = sums.get(name, 0) + g.T @ g / IMAGES
    assert len(set(answers)) > 2
    assert set(felt.outputs) == {name for name in sums if name.endswith((".attn.proj", ".mlp.fc2"))}
    for name, square in sums.items():
        assert same(felt.diagonals[name], square.diagonal().numpy(), EXACT), name
        if name in felt.outputs:
            assert same(felt.outputs[name], square, SINGLE), name


def test_answers_are_drawn_as_often_as_the_model_holds_them_possible():
    logits = torch.tensor([[2.0, 0.0, -4.0]]).expand(1000, 3)
    found = outputs.drawn(logits, (np.arange(1000) + 0.5) / 1000).bincount(minlength=3) / 1000
    assert same(found.double(), (logits[0] / 2).softmax(-1).double(), 1.1e-3)
    assert outputs.drawn(logits[:1], np.array([1 - 1e-17])).item() == 2


def test_weighed_curves_are_what_the_answer_feels_of_the_refits_error(doubled, felt):
    """tr(G E[e e^T]) / 2, e what the refit by the units that stay leaves of the output."""
    for block in doubled.anatomy.blocks[:2]:
        found = dict(curves(doubled.model, doubled.anatomy, felt))
        for part, kind in (("mlp.fc2", "mlp_neuron"), ("attn.proj", "v_dim")):
            name, curve = f"{block.name}.{part}", found[f"{block.name}:{kind}"]
            weight = doubled.model.get_parameter(f"{name}.weight").detach().numpy().astype(np.float32).astype(float)
            damped = arrays.damped_inputs(doubled.model, name, felt.inputs)
            for count in (1, len(curve.errors) // 2, len(curve.errors) - 2):
                gone = curve.order[..., :count]
                if kind == "v_dim":
                    gone = np.arange(block.heads)[:, None] * block.head_dim + gone
                kept = np.setdiff1d(np.arange(weight.shape[1]), gone)
                error = weight.copy()
                error[:, kept] -= weight @ damped[:, kept] @ np.linalg.inv(damped[np.ix_(kept, kept)])
                nats = np.trace(shrunk(felt.outputs[name]) @ error @ damped @ error.T) / 2
                assert curve.errors[count] == pytest.approx(nats, rel=1e-6)


def test_plain_curves_order_logits_head_by_head_as_the_greedy_refit_of_their_sum(doubled, pixels):
    found = gathered(observe, doubled)
    block = doubled.anatomy.blocks[-1]
    _, seen = zip(*(watched(doubled, image) for image in pixels), strict=True)
    packed = torch.cat([of_image[f"{block.name}.attn.qkv"][1] for of_image in seen]).detach()
    q, k, _ = packed.unflatten(-1, (3, block.heads, block.head_dim)).permute(2, 3, 0, 1, 4)
    shares = (block.head_dim**-0.5 * q[..., :, None, :] * (k - k.mean(2, keepdim=True))[..., None, :, :]).numpy()
    curve = qk_scale.curve_of(found.logits[block.name])
    total = np.zeros(block.head_dim + 1)
    for f, order in zip(shares.reshape(block.heads, -1, block.head_dim), curve.order, strict=True):
        f = np.vstack([f / len(f) ** 0.5, (arrays.DAMPING * np.square(f).mean()) ** 0.5 * np.eye(block.head_dim)])
        left = list(range(block.head_dim))
        for place, gone in enumerate(order):
            errors = [refit(f, [i for i in left if i != j]) for j in left]
            assert left[int(np.argmin(errors))] == gone
            left.remove(gone)
            total[place + 1] += min(errors)
    assert same(curve.errors, total, SINGLE)


def refit(f, kept):
    """Squared distance of the sum of all columns from its best fit by those kept."""
    whole = f.sum(1)
    return np.square(whole - f[:, kept] @ np.linalg.lstsq(f[:, kept], whole, rcond=None)[0]).sum()


def test_the_qk_scale_turns_the_curve_into_the_divergence_of_that_cut(doubled, felt, pixels):
    """The cut made by hand, by factors in the rows of q; every block alone."""
    dense = doubled.model(pixels).log_softmax(-1).detach()
    for block in doubled.anatomy.blocks:
        curve = qk_scale.curve_of(felt.logits[block.name])
        cut = copy.deepcopy(doubled.model)
        factors = torch.from_numpy(qk_scale.factors(curve, felt.logits[block.name]).ravel())
        count = qk_scale.removed(block)
        assert (factors == 0).sum() == block.heads * count > 0
        qkv = cut.get_submodule(f"{block.name}.attn.qkv")
        with torch.no_grad():
            qkv.weight[: len(factors)] *= factors[:, None]
            qkv.bias[: len(factors)] *= factors
            answers = cut(pixels).log_softmax(-1)
        divergence = float((dense.exp() * (dense - answers)).sum(-1).mean())
        assert felt.qk[block.name] * curve.errors[count] == pytest.approx(divergence, rel=1e-6)
        assert divergence > 1e-9


def test_factors_are_the_least_squares_of_the_logits_that_are_left():
    rng = np.random.default_rng(0)
    f = rng.standard_normal((2, 300, 6)) @ rng.standard_normal((2, 6, 6))
    products = np.stack([part.T @ part / 300 for part in f])
    curve = qk_scale.curve_of(products)
    for part, order, found in zip(f, curve.order, qk_scale.factors(curve, products), strict=True):
        kept, damping = order[3:], (arrays.DAMPING * np.square(part).mean()) ** 0.5
        design = np.vstack([part / 300**0.5, damping * np.eye(6)])
        np.testing.assert_allclose(
            found[kept], np.linalg.lstsq(design[:, kept], design.sum(1), rcond=None)[0], rtol=1e-9
        )


@pytest.mark.parametrize("key", ["reconstruction", "fisher"])
def test_labels_say_nothing(tiny, key):
    gather, data = {"reconstruction": observe, "fisher": feel}[key], load_data("digits", "train")
    shuffled = replace(data, labels=np.random.default_rng(0).permutation(data.labels))
    first, second = (gathered(gather, tiny, some) for some in (data, shuffled))
    for granularity in criterion(key).scores:
        scores = [criterion(key).fn(tiny.model, tiny.anatomy, granularity, found, 0) for found in (first, second)]
        for name, layer in scores[0].layers.items():
            np.testing.assert_array_equal(layer.keys, scores[1].layers[name].keys)


def test_the_seed_draws_images_and_answers(tiny):
    first, again, other = (gathered(feel, tiny, seed=seed).outputs for seed in (1, 1, 2))
    for name, square in first.items():
        np.testing.assert_array_equal(square, again[name])
        assert not np.array_equal(square, other[name])


def test_refit_errors_of_single_weights_are_those_of_least_squares_row_by_row():
    rng = np.random.default_rng(1)
    weight, counts = rng.standard_normal((weights.ROWS - 4, 9)), rng.random(weights.ROWS - 4)
    x = np.vstack([rng.standard_normal((50, 9)) @ rng.standard_normal((9, 9)), 0.5 * np.eye(9)])
    found = weights.refit_errors(weight, x.T @ x, counts, (0.2, 0.6, 0.95))
    for ratio, error in zip((0.2, 0.6, 0.95), found, strict=True):
        keep = np.abs(weight) >= np.sort(np.abs(weight), axis=None)[int(ratio * weight.size)]
        left = 0.0
        for row, kept, count in zip(weight, keep, counts, strict=True):
            rest = np.linalg.lstsq(x[:, kept], x @ row, rcond=None)[0] if kept.any() else np.zeros(0)
            left += count * np.square(x @ row - x[:, kept] @ rest).sum()
        assert error == pytest.approx(left, rel=1e-9)


def test_scores_of_single_weights_follow_magnitude_and_add_up_to_the_curve():
    weight = np.random.default_rng(2).standard_normal((60, 50)).astype(np.float32)
    ends = np.array([0, *weights.RATIOS])
    errors = 7 * ends[1:] ** 6
    keys = weights.keys(weight, errors)
    order = np.argsort(np.abs(weight), axis=None)
    assert (np.diff(keys.ravel()[order]) >= 0).all() and keys.dtype == np.float32
    grown = np.concatenate([[0], np.cumsum(keys.ravel()[order], dtype=float)])
    at = (ends * weight.size).astype(int)
    np.testing.assert_allclose(np.diff(grown[at])[2:], np.diff([0, *errors])[2:], rtol=0.15)
    assert keys.max() >= 1 > np.sort(keys, axis=None)[-2]  # so that no layer is emptied
    flat = weights.keys(weight, np.zeros(len(errors)))
    assert (np.diff(flat.ravel()[order]) >= 0).all() and np.isfinite(flat).all()
    assert weights.keys(np.zeros((2, 3), np.float32), errors).max() == 0


def test_masks_of_single_weights_are_magnitudes(tiny):
    found = gathered(feel, tiny)
    scores, sizes = (
        criterion(key).fn(tiny.model, tiny.anatomy, "weight", evidence, 0).layers
        for key, evidence in (("fisher", found), ("magnitude", None))
    )
    for name, layer in scores.items():
        for removed in (1, layer.size // 3, layer.size - 1):
            np.testing.assert_array_equal(keep_mask(layer, removed), keep_mask(sizes[name], removed))


def test_root_and_half_way_to_the_mean_diagonal():
    half = np.random.default_rng(0).standard_normal((5, 3))
    square = half @ half.T  # singular
    assert same(shrunk(square) - square / 2, np.trace(square) / 10 * np.eye(5))
    found = root(square)
    assert same(found @ found, square) and same(found, found.T)


@pytest.mark.parametrize("gather", [observe, feel])
def test_gathering_leaves_no_trace_even_when_cancelled(tiny, gather):
    model = copy.deepcopy(tiny.model).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    data = load_data("digits", "train")
    for steps in range(1, 5):
        work = gather(model, tiny.info, data, tiny.anatomy, images=8, batch=3)
        for _ in range(steps):
            next(work, None)
        work.close()
        assert all(m.training for m in model.modules())
        assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    told = [step[:2] for step in gather(model, tiny.info, data, tiny.anatomy, images=8, batch=3)]
    assert told[-1][0] == told[-1][1] and [done for done, _ in told] == sorted({done for done, _ in told})


@pytest.mark.parametrize("gather", [observe, feel])
def test_the_same_is_gathered_in_a_process_under_inference_mode(make_tiny, opened, gather):
    expected = gathered(gather, opened(make_tiny("swin"), "swin"))
    with torch.inference_mode():
        got = gathered(gather, opened(make_tiny("swin"), "swin"))  # all its parameters are inference tensors
    for known, found in zip(expected.arrays(), got.arrays(), strict=True):
        assert same(found, known, SINGLE)


@pytest.mark.parametrize("gather", [observe, feel])
def test_what_is_not_finite_and_no_images_are_one_sentence(make_tiny, opened, gather):
    broken = opened(make_tiny("deit"), "deit")
    with pytest.raises(DataError, match="no images"):
        gathered(gather, broken, images=0)
    with torch.no_grad():
        broken.model.get_parameter("blocks.1.mlp.fc1.weight").view(-1)[0] = float("nan")
    with pytest.raises(DataError, match=r"^What 'tiny-deit' answers .* is not finite; .* reads weights only\.$"):
        gathered(gather, broken, images=4)


def test_a_sliced_model_has_scores_of_weights_and_none_of_groups(tiny, opened):
    pruned, _, _ = prune(tiny, PruningPlan("magnitude", "structure", "layer", 0.0, (((None, "qk_dim"), 0.5),)))
    smaller = opened(pruned, tiny.info.family)
    _, cost = apply_plan(smaller, PruningPlan("fisher", scope="layer", ratio=0.5, images=4))
    assert cost.total.ratio == pytest.approx(0.5, abs=0.01)
    for key in ("fisher", "reconstruction"):
        with pytest.raises(UnsupportedModel, match="sliced already"):
            apply_plan(smaller, PruningPlan(key, "structure", ratio=0.5, images=4))


def test_each_pass_is_made_once_for_its_images(tiny_swin, opened):
    fresh = opened(tiny_swin.model, "swin")
    for key, granularity in (("fisher", "weight"), ("reconstruction", "structure")):
        plan = PruningPlan(key, granularity, images=8)
        assert list(prepare_scores(fresh, plan)) and not list(prepare_scores(fresh, plan))
    assert not list(prepare_scores(fresh, PruningPlan("fisher", "structure", images=8)))


def test_curves_cover_every_set_of_groups(tiny):
    found = dict(curves(tiny.model, tiny.anatomy, gathered(feel, tiny)))
    assert list(found) == [group.name for group in group_sets(tiny.anatomy)]
    for group in group_sets(tiny.anatomy):
        curve = found[group.name]
        assert curve.order.shape[-1] == group.size == len(curve.errors) - 1
        assert curve.errors[0] == 0 and (np.diff(curve.errors) >= 0).all()
