"""Attribution against what the papers' formulas give by brute force, on dense, masked and sliced models."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from scipy.stats import rankdata

from dimap_core import pipeline
from dimap_core.cut.attention import SplitAttention
from dimap_core.data.registry import load_data
from dimap_core.plan.recipe import from_recipe
from dimap_core.plan.selection import select
from dimap_core.studies import attribution
from dimap_core.studies.explanations import METHODS, Attribution, Explanation, in_words, method, rank_agreement
from dimap_core.types.errors import DataError, PruningError
from dimap_core.types.plan import PruningPlan
from tests.helpers import SINGLE, drained, mask_model, same

DIGITS = load_data("digits")
KEYS = [info.key for info in METHODS]
CUT = PruningPlan(ratio=0.8, scope="layer")
IMAGE, TARGET = 7, 4


def here(opened):
    """The methods that this family has."""
    return [info for info in METHODS if opened.info.family not in info.missing]


def mapped(model, info, key, image=IMAGE, target=TARGET):
    """One method's map of one model, all steps taken at once."""
    return drained(attribution._METHODS[key](model, info, DIGITS.images[image], target))


def explained(opened, key, plan=CUT, image=IMAGE, target=TARGET):
    *_, (_, found) = attribution.explain(opened, DIGITS, plan, image, key, target)
    return found


def pixels(image=IMAGE):
    """A black image and the image as the tiny models take them, float64 [1, 3, H, W]."""
    x = torch.from_numpy(DIGITS.images[image].astype(np.float64))[None] / 255
    return torch.full_like(x, -1.0), (x - 0.5) / 0.5


@pytest.fixture
def quick(monkeypatch):
    """Few steps and large windows, where not their number is tested."""
    for name, value in (("PIECES", 2), ("STEPS", 2), ("TOLERANCE", np.inf), ("WINDOWS", 4)):
        monkeypatch.setattr(attribution, name, value)


@pytest.fixture(scope="module")
def exact(tiny):
    """The tiny model in float64."""
    return copy.deepcopy(tiny.model).double().requires_grad_(False)


def test_integrated_gradients_are_the_gradients_mean_on_the_way_from_black(tiny, exact, monkeypatch):
    monkeypatch.setattr(attribution, "TOLERANCE", 1e-3)
    found = mapped(tiny.model, tiny.info, "integrated-gradients")
    black, x = pixels()
    total = torch.zeros_like(x)
    steps = 600
    for start in range(0, steps, 60):
        shares = ((torch.arange(start, start + 60, dtype=torch.float64) + 0.5) / steps).view(-1, 1, 1, 1)
        between = (black + (x - black) * shares).requires_grad_()
        total += torch.autograd.grad(exact(between)[:, TARGET].sum(), between)[0].sum(0)
    expected = ((x - black) * total / steps).sum(1)[0].numpy()
    assert same(found.values, expected, 2e-3)  # of the steps
    change = float(exact(x)[0, TARGET] - exact(black)[0, TARGET])
    rounding = SINGLE * float(exact(x).abs().max())
    assert found.change == pytest.approx(change, abs=rounding)
    assert found.values.sum() - change == pytest.approx(found.error, abs=2 * rounding)
    assert abs(found.error) < 1e-3 < 0.01 * abs(change)


@pytest.mark.parametrize(("windows", "side"), [(16, 1), (4, 2)])
def test_occlusion_is_what_the_logit_loses_when_a_window_is_black(tiny, exact, monkeypatch, windows, side):
    monkeypatch.setattr(attribution, "WINDOWS", windows)
    patch = tiny.model.patch_embed.patch_size[0]
    cells = 32 // patch
    side = patch * math.ceil(cells / windows)
    found = mapped(tiny.model, tiny.info, "occlusion")
    _, x = pixels()
    whole, expected = float(exact(x)[0, TARGET]), np.zeros((32, 32))
    for top in range(0, 32, side):
        for left in range(0, 32, side):
            hidden = x.clone()
            hidden[:, :, top : top + side, left : left + side] = -1
            expected[top : top + side, left : left + side] = whole - float(exact(hidden)[0, TARGET])
    assert np.abs(found.values - expected).max() < SINGLE * float(exact(x).abs().max())
    assert len(np.unique(found.values)) > 10 and found.cells == (32 // side) ** 2


def hand_grad_cam(model, family):
    """ReLU(sum over channels of mean gradient x activation) [h, w], channels last as timm has them."""
    kept = []
    if family == "swin":
        handle = model.layers[-1].register_forward_hook(lambda _, __, out: kept.append(out))
    else:
        handle = model.blocks[-1].register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    _, x = pixels()
    logit = model(x.requires_grad_())[0, TARGET]
    handle.remove()
    gradient = torch.autograd.grad(logit, kept[0])[0][0].numpy()
    maps = kept[0][0].detach().numpy()
    if family == "deit":  # without the class token
        side = math.isqrt(len(maps) - 1)
        gradient, maps = (a[1:].reshape(side, side, -1) for a in (gradient, maps))
    weights = gradient.mean((0, 1))
    return np.maximum((maps * weights).sum(-1), 0)


def test_grad_cam_is_the_one_worked_out_by_hand_with_channels_last(tiny, exact):
    expected = hand_grad_cam(exact, tiny.info.family)
    found = mapped(tiny.model, tiny.info, "grad-cam")
    times = 32 // len(expected)
    assert same(found.values, np.kron(expected, np.ones((times, times))), 10 * SINGLE)  # gradients in float32
    assert found.values.min() == 0 < found.values.max() and found.cells == expected.size


def test_captums_own_reading_of_swins_maps_would_be_another(tiny_swin):
    _, x = pixels()
    wrong = LayerGradCam(tiny_swin.model, tiny_swin.model.layers[-1]).attribute(
        x.float(), TARGET, relu_attributions=True
    )
    assert wrong.shape[-1] == 16  # channels where the width should be
    assert mapped(tiny_swin.model, tiny_swin.info, "grad-cam").values.shape == (32, 32)


def plain_attention(model):
    """A copy of a ViT that computes its attention in the open, and the list of weights that each forward adds."""
    shown, seen = copy.deepcopy(model).double(), []
    for block in shown.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda _, __, out: seen.append(out[0].detach().numpy()))
    return shown, seen


@pytest.mark.parametrize("kinds", [{}, {"qk_dim": 0.5}, {"head": 0.5}, {"v_dim": 0.25, "qk_dim": 0.25}])
def test_rollout_multiplies_the_attention_that_timm_computes(make_tiny, opened, kinds):
    tiny = opened(make_tiny("deit"), "deit")
    model = tiny.model
    if kinds:
        model, _, _ = pipeline.prune(tiny, from_recipe({"version": 1, "granularity": "structure", "kinds": kinds}))
        assert isinstance(model.blocks[0].attn, SplitAttention) == (kinds == {"qk_dim": 0.5})
    shown, seen = plain_attention(model)
    with torch.no_grad():
        shown(pixels()[1])
    assert len(seen) == 6
    joint = np.eye(17)
    for weights in seen:
        mixed = weights.mean(0) + np.eye(17)
        joint = (mixed / mixed.sum(1, keepdims=True)) @ joint
    expected = joint[0, 1:].reshape(4, 4)
    found = mapped(model, tiny.info, "rollout").values
    assert same(found, np.kron(expected, np.ones((8, 8))), SINGLE)


@pytest.mark.parametrize("kind", ["mlp_neuron", "qk_dim", "v_dim", "head"])
def test_masked_and_sliced_models_explain_alike(quick, tiny, kind):
    plan = from_recipe({"version": 1, "granularity": "structure", "kinds": {kind: 0.5}})
    scores = pipeline.score(tiny, plan)
    masked = mask_model(tiny.model, tiny.anatomy, scores, select(scores, tiny.anatomy, plan))
    sliced, _, _ = pipeline.prune(tiny, plan)
    for info in here(tiny):
        first, second, dense = (mapped(model, tiny.info, info.key).values for model in (masked, sliced, tiny.model))
        if (info.key, kind) == ("rollout", "head"):
            continue  # heads of zeros attend to everything alike; those that are gone do not
        assert same(first, second, 10 * SINGLE), info.key
        if (info.key, kind) != ("rollout", "v_dim"):
            assert not np.allclose(first, dense, rtol=1e-2), info.key


@pytest.mark.parametrize(
    "plan",
    [CUT, PruningPlan("dimap", "nm", ratio=None, nm="2:4"), PruningPlan("magnitude", "structure", ratio=0.5)],
    ids=["weights", "pattern", "structure"],
)
def test_an_explanation_holds_the_maps_of_the_dense_and_of_the_pruned_model(quick, tiny, plan):
    pruned, _, _ = pipeline.prune(tiny, plan)
    for info in here(tiny):
        found = explained(tiny, info.key, plan)
        for part, model in ((found.dense, tiny.model), (found.pruned, pruned)):
            assert same(part.values, mapped(model, tiny.info, info.key).values, SINGLE)
            assert part.values.shape == (32, 32)
        ranks = [rankdata(part.values) for part in (found.dense, found.pruned)]
        assert found.moved == pytest.approx(np.corrcoef(*ranks)[0, 1])
        assert found.moved < 0.999
        again = explained(tiny, info.key, plan).event()
        assert json.loads(json.dumps(again)).keys() == found.event().keys()
        assert (again["error_dense"] is None) == (info.key != "integrated-gradients")
        assert same(np.array(again["pruned"]), found.pruned.values, 1e-3)  # as many digits as are sent


def traces(model):
    """Everything about a model that an explanation could leave changed."""
    hooks = [
        len(getattr(module, name))
        for module in model.modules()
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    ]
    flags = [module.training for module in model.modules()]
    parameters = [(p.requires_grad, p.grad is None, p.detach().clone()) for p in model.parameters()]
    return hooks, flags, sorted(vars(model)), [name for name, _ in model.named_modules()], parameters


@pytest.mark.parametrize("key", KEYS)
def test_an_explanation_leaves_no_trace_even_half_way(quick, make_tiny, opened, key):
    for family in ("deit",) if key == "rollout" else ("swin", "deit"):
        tiny = opened(make_tiny(family), family)
        tiny.model.train()
        tiny.model.norm.eval()
        before = traces(tiny.model)
        steps = attribution.explain(tiny, DIGITS, CUT, IMAGE, key, TARGET)
        for _ in steps:
            assert torch.is_grad_enabled() and traces(tiny.model)[1] == before[1]
        half = attribution.explain(tiny, DIGITS, CUT, IMAGE, key, TARGET)
        next(half)
        half.close()
        with torch.inference_mode():
            other = explained(tiny, key)
        assert same(other.dense.values, explained(tiny, key).dense.values, SINGLE)
        for old, new in zip(before[:4], traces(tiny.model)[:4], strict=True):
            assert old == new
        for old, new in zip(before[4], traces(tiny.model)[4], strict=True):
            assert old[:2] == new[:2] and torch.equal(old[2], new[2])


def test_a_model_built_under_inference_mode_is_explained_like_any_other(quick, make_tiny, opened, tiny_swin):
    with torch.inference_mode():
        built = opened(make_tiny("swin"), "swin")
    assert next(built.model.parameters()).is_inference()
    for key in ("integrated-gradients", "grad-cam"):
        assert same(explained(built, key).pruned.values, explained(tiny_swin, key).pruned.values, SINGLE)


def test_models_whose_parameters_are_frozen_are_explained_alike(quick, make_tiny, opened, tiny_swin):
    frozen = opened(make_tiny("swin").requires_grad_(False), "swin")
    for key in ("integrated-gradients", "grad-cam"):
        assert same(explained(frozen, key).dense.values, explained(tiny_swin, key).dense.values, SINGLE)


@pytest.mark.parametrize(("name", "image"), [("swin-textured", 25), ("deit-digits", 11)])
def test_integrated_gradients_of_bundled_models_are_complete_within_the_tolerance(name, image):
    opened = pipeline.open_model(name)
    data = pipeline.default_data(opened)
    steps = attribution.explain(opened, data, CUT, image, "integrated-gradients", int(data.labels[image]))
    *_, (_, found) = steps
    for part in (found.dense, found.pruned):
        assert abs(part.error) < attribution.TOLERANCE and abs(part.change) > 1
        assert part.values.sum() == pytest.approx(part.change, abs=2 * attribution.TOLERANCE)


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"image": 540}, DataError, r"no image 540 in 'digits'; choose one from 0 to 539"),
        ({"image": -1}, DataError, "no image -1"),
        ({"image": None}, DataError, "no image None"),
        ({"target": 10}, DataError, r"no class 10 in 'digits'; choose one from 0 to 9"),
        ({"key": "deep-lift"}, PruningError, "no method 'deep-lift'; choose one of integrated-gradients, occlusion"),
        ({"key": "rollout"}, PruningError, "Swin has no class token"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(tiny_swin, changed, error, words):
    with pytest.raises(error, match=words) as told:
        explained(tiny_swin, **{"key": "grad-cam", **changed})
    assert "\n" not in str(told.value) and str(told.value).endswith(".")


def test_random_weights_and_strange_data_are_refused(tiny_swin):
    random = replace(tiny_swin, info=replace(tiny_swin.info, weights="random"))
    with pytest.raises(DataError, match="means nothing on random weights"):
        explained(random, "grad-cam")
    strange = replace(tiny_swin, info=replace(tiny_swin.info, data="flowers"))
    with pytest.raises(DataError, match="does not know the classes"):
        explained(strange, "grad-cam")


def test_every_listed_method_is_there_and_the_other_way_round():
    assert list(attribution._METHODS) == KEYS
    for info in METHODS:
        assert "arXiv" in info.paper and info.summary.endswith(".")
        assert method(info.key, "deit") is info


def test_how_far_an_explanation_moved_is_spearmans_rank_correlation():
    first, second = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[10.0, 30.0], [20.0, 40.0]])
    assert rank_agreement(first, second) == pytest.approx(0.8)  # 1 - 6 * (1 + 1) / (4 * 15)
    assert rank_agreement(first, -first) == -1
    wide = [np.kron(values, np.ones((8, 8))) for values in (first, second)]
    assert rank_agreement(*wide) == pytest.approx(0.8)
    assert rank_agreement(first, np.zeros((2, 2))) is None
    found = Explanation("grad-cam", 0, Attribution(first, 4), Attribution(np.zeros((2, 2)), 4)).event()
    assert found["moved"] is None and found["dense"] == [[1, 2], [3, 4]]
    told = [in_words(moved) for moved in (1.0, 0.8, 0.5, 0.2, -0.5, None)]
    assert len(set(told)) == 6
