"""Convolutions in attention's place: the equivalence they start from, taps one by one, folding, counts,
and everything that opens, cuts, scores, explains and exports such a model."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dimap_core import pipeline
from dimap_core.anatomy.build import build_anatomy
from dimap_core.anatomy.groups import group_sets
from dimap_core.criteria.registry import CRITERIA
from dimap_core.cut import slicing
from dimap_core.cut.convolution import ALPHA, ConvMixer, Place, Shared, UnmergedMixer, fold, over_map
from dimap_core.cut.derivation import derived
from dimap_core.measure import prefix
from dimap_core.measure.cost import cost_report
from dimap_core.models import checkpoints
from dimap_core.models.bundled import bundled
from dimap_core.models.load import load_model
from dimap_core.models.named_models import load_bundled, load_named, skeleton
from dimap_core.models.presets import presets
from dimap_core.models.published import publication
from dimap_core.models.to_onnx import write_onnx
from dimap_core.pipeline.opened import Opened
from dimap_core.studies import summaries
from dimap_core.studies.architectures import spvit
from dimap_core.studies.leave_one_out import leave_one_out
from dimap_core.training import recovery
from dimap_core.training.methods.nvit import method
from dimap_core.training.methods.nvit.settings import suited_search
from dimap_core.types.errors import CheckpointError, PruningError, UnsupportedModel
from dimap_core.types.plan import PruningPlan
from tests.helpers import double, same

DOUBLE = torch.float64


class Packed(nn.Module):
    """timm's packed attention, as far as convolutions look at it."""

    def __init__(self, width=12, heads=3, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.num_heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width, dtype=DOUBLE), nn.Linear(width, width, dtype=DOUBLE)


def test_attention_to_one_offset_a_head_is_a_convolution():
    # Cordonnier et al. 2020: nine heads, each with all its attention at one offset, make one 3x3 convolution.
    packed, side = Packed(36, 9), 5
    shared = Shared.of(packed)
    x = torch.randn(2, 36, side, side, dtype=DOUBLE)
    values = shared.values.unflatten(0, (9, 4))
    outs = shared.proj.unflatten(1, (9, 4)).permute(1, 0, 2)
    kernel = torch.einsum("hod,hdi->hoi", outs, values).unflatten(0, (3, 3)).permute(2, 3, 0, 1)
    found = F.conv2d(x, kernel, padding=1)
    expected = torch.zeros_like(found)
    for head in range(9):
        dy, dx = head // 3 - 1, head % 3 - 1
        attention = torch.zeros(side, side, side, side, dtype=DOUBLE)  # query row, column -> key row, column
        for row in range(max(0, -dy), min(side, side - dy)):
            for column in range(max(0, -dx), min(side, side - dx)):
                attention[row, column, row + dy, column + dx] = 1
        seen = torch.einsum("yxij,bcij->bcyx", attention, x)
        expected += torch.einsum("od,di,biyx->boyx", outs[head], values[head], seen)
    assert (found - expected).abs().max() < 1e-12


def by_taps(packed, mixture, norm, image):
    """Values mixed for each tap, gathered from the zero-padded map, summed: the note's equations, tap by tap."""
    heads, width = packed.num_heads, packed.proj.in_features
    d, shared = width // heads, Shared.of(packed)
    shares = (mixture / ALPHA).softmax(0)
    inner, outer = 0, 0
    for p in range(9):
        dy, dx = p % 3 - 1, p // 3 - 1
        value = sum(shares[h, p] * shared.values[h * d : (h + 1) * d] for h in range(heads))
        bias = sum(shares[h, p] * shared.bias[h * d : (h + 1) * d] for h in range(heads))
        outer = outer + sum(shares[h, p] * shared.proj[:, h * d : (h + 1) * d] for h in range(heads))
        mixed = F.pad(torch.einsum("di,biyx->bdyx", value, image), (1, 1, 1, 1))
        rows, columns = image.shape[2:]
        inner = inner + mixed[:, :, 1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns] + bias[:, None, None]
    return torch.einsum("od,bdyx->boyx", outer, norm(inner).relu()) + shared.shift[:, None, None]


def test_a_kernel_is_what_the_taps_say_and_the_centre_tap_is_its_1x1():
    packed, place = Packed(), Place(0, (5, 4))
    image = torch.randn(3, 12, 5, 4, dtype=DOUBLE)
    for mixer in ("conv3", "conv1"):
        made = UnmergedMixer(mixer, packed, place)
        assert torch.allclose(made.mixture, torch.ones(3, 9, dtype=DOUBLE))
        with torch.no_grad():
            made.mixture.copy_(torch.randn(3, 9) * ALPHA)
        made.train()
        made(image.flatten(2).mT)  # the batch norm has seen something
        made.eval()
        found = made(image.flatten(2).mT).mT.unflatten(2, (5, 4))
        if mixer == "conv3":
            expected = by_taps(packed, made.mixture, made.batchnorm, image)
        else:
            shares, shared = (made.mixture[:, 4] / ALPHA).softmax(0), Shared.of(packed)
            value = torch.einsum("h,hdi->di", shares, shared.values.unflatten(0, (3, 4)))
            bias = torch.einsum("h,hd->d", shares, shared.bias.unflatten(0, (3, 4)))
            out = torch.einsum("h,ohd->od", shares, shared.proj.unflatten(1, (3, 4)))
            inner = made.batchnorm(torch.einsum("di,biyx->bdyx", value, image) + bias[:, None, None]).relu()
            expected = torch.einsum("od,bdyx->boyx", out, inner) + shared.shift[:, None, None]
        assert (found - expected).abs().max() < 1e-12


def test_equal_taps_in_the_beginning_make_a_box_filter():
    weight = Shared.of(Packed()).kernels(torch.ones(3, 9, dtype=DOUBLE), "conv3").weight
    assert torch.allclose(weight, weight[:, :, :1, :1].expand_as(weight))


@pytest.mark.parametrize("mixer", ["conv3", "conv1"])
def test_folding_changes_no_output(mixer):
    torch.manual_seed(3)
    made = UnmergedMixer(mixer, Packed(), Place(1, (4, 4)))
    x = torch.randn(2, 17, 12, dtype=DOUBLE)
    made.train()
    with torch.no_grad():
        made.mixture.copy_(torch.randn(3, 9) * ALPHA)
        made(x)
    made.eval()
    folded = made.folded()
    assert (made(x) - folded(x)).abs().max() < 1e-13
    assert isinstance(folded, ConvMixer) and not folded.training


def test_prefix_tokens_pass_by():
    x = torch.randn(2, 6, 3)
    found = over_map(x, Place(2, (2, 2)), lambda image: -image)
    assert torch.equal(found[:, :2], x[:, :2]) and torch.equal(found[:, 2:], -x[:, 2:])


@pytest.fixture(scope="module")
def mixed(tiny, opened):
    """The tiny model with a 3x3, a 1x1 and a skip in its first blocks (a Swin has three) and fewer hidden units."""
    names = [block.name for block in tiny.anatomy.blocks]
    mixers = dict(zip(names[:2] if tiny.info.family == "swin" else names[:3], ("conv3", "skip", "conv1"), strict=False))
    hidden = {b.name: np.arange(0, b.part("mlp.fc1").shape[0], 2) for b in tiny.anatomy.blocks}
    model = derived(tiny.model, tiny.anatomy, mixers, hidden)
    model.train()
    with torch.no_grad():
        model(torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    return opened(fold(model.eval()), tiny.info.family)


def test_a_derived_model_keeps_the_rest_and_answers_like_its_parts(tiny):
    model = derived(tiny.model, tiny.anatomy, {}, {b.name: np.arange(8) for b in tiny.anatomy.blocks})
    sliced, dense = model.state_dict(), tiny.model.state_dict()
    for name, value in sliced.items():
        expected = dense[name]
        if name.endswith(("mlp.fc1.weight", "mlp.fc1.bias")):
            expected = expected[:8]
        elif name.endswith("mlp.fc2.weight"):
            expected = expected[:, :8]
        assert torch.equal(value, expected), name


def test_the_anatomy_lists_convolutions_and_counts_what_hooks_count(mixed):
    assert [b.mixer for b in mixed.anatomy.blocks][:2] == ["conv3", "skip"]
    assert all(b.heads == 0 for b in mixed.anatomy.blocks if b.mixer != "softmax")
    counted: dict[str, int] = {}

    def count(name):
        def see(module, _, out):
            positions = out.shape[2] * out.shape[3] if isinstance(module, nn.Conv2d) else out[..., 0].numel()
            counted[name] = counted.get(name, 0) + module.weight.numel() * positions

        return see

    hooks = [
        module.register_forward_hook(count(name))
        for name, module in mixed.model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    ]
    with torch.no_grad():
        mixed.model(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    listed = {layer.name: layer.macs for layer in mixed.anatomy.layers if layer.shape}
    assert listed == counted
    params = sum(parameter.numel() for parameter in mixed.model.parameters())
    assert cost_report(mixed.anatomy).total.params == params


@pytest.mark.parametrize("name", presets())
def test_published_architectures_have_exactly_the_counted_params_and_macs(name):
    model, info = skeleton(name)
    total = cost_report(build_anatomy(model, info.family)).total
    found = presets()[name].published
    assert (total.params, total.macs) == spvit(publication("spvit").content["architectures"][found])
    assert len(presets()) == 7 and info.name == name


def test_deit_bs_published_figures():
    model, info = skeleton("spvit-deit-b")
    total = cost_report(build_anatomy(model, info.family)).total
    assert (round(total.macs / 1e9, 3), round(total.params / 1e6, 3)) == (8.409, 41.584)


def test_a_published_architecture_starts_from_the_dense_weights():
    small, info = load_named("spvit-deit-ti", "random")
    dense, _ = load_named("deit_tiny_patch16_224", "random")
    assert torch.equal(small.blocks[0].mlp.fc1.weight, dense.blocks[0].mlp.fc1.weight[:744])
    kernel = small.blocks[0].attn.conv.weight[:, :, 0, 0]
    mean = dense.blocks[0].attn.qkv.weight[384:].unflatten(0, (3, 64)).mean(0)
    assert same(kernel, mean)  # equal shares of all heads
    assert info.weights == "random" and small(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)


def test_a_checkpoint_comes_back_bit_by_bit(mixed, tmp_path, monkeypatch):
    base = bundled("swin-digits" if mixed.info.family == "swin" else "deit-digits")
    dense, info = load_bundled(base)
    anatomy = build_anatomy(dense, info.family)
    names = [block.name for block in anatomy.blocks]
    mixers = {names[0]: "conv3", names[1]: "conv1", names[2]: "skip"}
    units = {b.name: np.arange(b.part("mlp.fc1").shape[0] - 5) for b in anatomy.blocks}
    model = fold(derived(dense, anatomy, mixers, units)).eval()
    opened = Opened(model, info, build_anatomy(model, info.family))
    card = {"model": info.name, "weights": "trained", "mixers": mixers}
    checkpoints.write(tmp_path / "whole", model.state_dict(), card | {"kept": slicing.kept_sizes(model, anatomy)})
    again, _ = load_model(str(tmp_path / "whole"))
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(again(images), model(images))
        # Cut once more, single weights and hidden units, and back again.
        found = pipeline.open_model(str(tmp_path / "whole"))
        for place, plan in enumerate((PruningPlan(ratio=0.5), PruningPlan(ratio=0.5, granularity="structure"))):
            pipeline.save_pruned(tmp_path / str(place), found, plan)
            cut, _ = load_model(str(tmp_path / str(place)))
            assert torch.equal(cut(images), pipeline.prune(found, plan)[0](images))
            held = recovery.from_directory(tmp_path / str(place)).held()
            assert bool(held) == (plan.granularity == "weight")
    assert [b.mixer for b in opened.anatomy.blocks][:4] == ["conv3", "conv1", "skip", "softmax"]


@pytest.mark.parametrize("wrong", [{"blocks.0": "conv5"}, {"blocks.99": "skip"}, {"blocks.0": ["skip"]}, ["skip"]])
def test_a_card_with_other_mixers_is_refused_in_one_sentence(tmp_path, wrong):
    model, _ = load_named("deit-digits")
    checkpoints.write(tmp_path, model.state_dict(), {"model": "deit-digits", "weights": "trained", "mixers": wrong})
    with pytest.raises(CheckpointError, match=r"in the place of attention .* conv3, conv1, skip in each block\.$"):
        load_model(str(tmp_path))


def test_only_hidden_units_are_cut_where_there_is_no_attention(mixed):
    mixed = double(mixed)
    kinds = {b.name: [g.module for g in group_sets(mixed.anatomy) if g.block == b.index and g.stage == b.stage]
             for b in mixed.anatomy.blocks}  # fmt: skip
    assert all((kinds[b.name] == ["mlp_neuron"]) == (b.mixer != "softmax") for b in mixed.anatomy.blocks)
    plan = PruningPlan("magnitude", "structure", "module", None, budget=0.3)
    smaller, selection, cost = pipeline.prune(mixed, plan)
    counted = cost_report(build_anatomy(smaller, mixed.info.family)).total
    assert (cost.total.params_after, cost.total.macs_after) == (counted.params, counted.macs)
    assert 1 - cost.total.macs_after / cost.total.macs == pytest.approx(0.3, abs=0.03)
    run = pipeline.runner(mixed, pipeline.default_data(mixed), plan, None)
    images = torch.randn(2, 3, 32, 32).double()
    with torch.inference_mode():
        assert same(smaller(images), run(0, lambda: images))
    assert np.isnan(summaries.kept_by_block(mixed.anatomy, selection)[0, 1:]).all()
    assert summaries.kept_by_head(mixed.anatomy, mixed.anatomy.blocks[0], None, selection) == {}


@pytest.mark.parametrize("key", [info.key for info in CRITERIA])
def test_every_criterion_scores_it(mixed, key):
    info = next(found for found in CRITERIA if found.key == key)
    for granularity in sorted(info.scores):
        plan = PruningPlan(key, granularity, "module", 0.3, images=16)
        selection, _ = pipeline.apply_plan(mixed, plan)
        assert sum(selection.removed.values()) > 0


def test_a_prefix_cache_repair_and_leave_one_out_know_convolutions(mixed):
    data = pipeline.default_data(mixed)
    plan = PruningPlan("magnitude", "structure", "module", 0.3, repair=True, images=32)
    images = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        plain = pipeline.runner(mixed, data, plan, None)(0, lambda: images)
        cached = pipeline.runner(mixed, data, plan, prefix.PrefixCache())(0, lambda: images)
    assert same(plain, cached)
    effects = [effect for effect in leave_one_out(mixed, data, 20) if effect is not None]
    places = {effect.piece.block for effect in effects if effect.piece.kind == "head"}
    assert places == {at for at, block in enumerate(mixed.anatomy.blocks) if block.heads}


def test_explanations_work_or_say_why_not(mixed):
    from dimap_core.studies.attribution import explain

    data = pipeline.default_data(mixed)
    for key in ("grad-cam", "rollout"):
        try:
            *_, (_, found) = explain(mixed, data, PruningPlan(ratio=0.2), 0, key, 3)
            assert np.ptp(found.dense.values) > 0
        except PruningError as error:
            assert key == "rollout" and str(error).endswith(".")


def test_onnx_runs_it_with_the_same_answers(mixed, tmp_path):
    if mixed.info.family == "swin":
        pytest.skip("takes seconds, and knows the same convolutions")
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    write_onnx(copy.deepcopy(mixed.model), mixed.info, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = torch.randn(3, 3, 32, 32)
    (found,) = session.run(None, {"images": images.numpy()})
    with torch.inference_mode():
        assert same(found, mixed.model(images))


def test_nvits_search_says_that_it_needs_attention(mixed):
    with pytest.raises(UnsupportedModel, match="needs attention in every block"):
        list(method.search(mixed, suited_search("digits", 0.3), Path("unused")))


def test_a_card_of_a_model_cut_before_is_plain_data(mixed):
    facts = slicing.shape_facts(mixed.model, mixed.anatomy)
    assert json.loads(json.dumps(facts))["mixers"][mixed.anatomy.blocks[0].name] == "conv3"
