"""SPViT: gates and their gradients by hand, the cost as the derived model's own, searches that meet the budget, go on
after a stop to the same result, and come back from their checkpoints."""

import copy
import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dimap_core import pipeline
from dimap_core.anatomy.build import build_anatomy
from dimap_core.anatomy.groups import hidden_cut
from dimap_core.cut import convolution
from dimap_core.cut.convolution import UnmergedMixer, fold
from dimap_core.cut.linear_attention import linearise
from dimap_core.cut.slicing import slice_blocks
from dimap_core.data.registry import load_data
from dimap_core.figures import spvit as figures
from dimap_core.figures.look import Look
from dimap_core.measure.cost import cost_report
from dimap_core.training import recovery
from dimap_core.training.loop import Training
from dimap_core.training.methods.registry import method as method_of
from dimap_core.training.methods.spvit import compare, gates as spvit_gates
from dimap_core.training.methods.spvit.derived import Found, build, measure_batchnorms
from dimap_core.training.methods.spvit.gates import Gated, drawn, hidden_price, likeliest, nested
from dimap_core.training.methods.spvit.method import search
from dimap_core.training.methods.spvit.pictures import by_offset, taps
from dimap_core.training.methods.spvit.settings import Search, suited_search
from dimap_core.training.settings import Settings
from dimap_core.types.errors import InvalidPlan, UnsupportedModel
from tests.helpers import same, same_result

DOUBLE = torch.float64
BRIEF = Settings(epochs=0.5, batch_size=200, rise=1.0, fall=1.0, lr=1e-3)


@pytest.fixture(autouse=True)
def glances(monkeypatch):
    """Few images judged on the way."""
    monkeypatch.setattr(recovery, "CURVE_IMAGES", 20)


def gated(tiny, seed=None):
    """A gated copy in double precision; with a seed its gates stand at random."""
    found = Gated(copy.deepcopy(tiny.model).double(), tiny.anatomy)
    found.model.double()
    if seed is not None:
        torch.manual_seed(seed)
        for logits in found.logits():
            nn.init.normal_(logits, std=2.0)
    return found


def images(seed=1, count=3):
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def test_gates_are_zero_or_one_with_the_soft_ones_gradient():
    logits = torch.tensor([1.5, -0.5, 0.0, 3.0], dtype=DOUBLE, requires_grad=True)
    torch.manual_seed(0)
    u = torch.rand_like(logits).detach()
    noisy = logits.detach() + (u / (1 - u)).log()
    torch.manual_seed(0)
    gates = drawn(logits)
    assert gates.tolist() == pytest.approx((noisy > 0).double().tolist())
    gates.sum().backward()
    soft = torch.sigmoid(noisy)
    assert torch.allclose(logits.grad, soft * (1 - soft), atol=1e-12)


def test_gates_are_open_as_often_as_their_logit_says():
    torch.manual_seed(0)
    assert drawn(torch.full((20_000,), 1.5)).mean().item() == pytest.approx(1 / (1 + math.exp(-1.5)), abs=0.01)


def test_the_likeliest_gates_gradient_is_that_of_the_shifted_sigmoid():
    for theta, gradient in ((0.0, 0.0625), (1.5, 0.03636)):  # the note's figures
        logit = torch.tensor([theta], dtype=DOUBLE, requires_grad=True)
        gate = likeliest(logit)
        assert gate.item() == pytest.approx(float(theta > 0))
        gate.backward()
        assert logit.grad.item() == pytest.approx(gradient, abs=5e-6)


@pytest.mark.parametrize(
    ("bits", "found"),
    [((0, 1, 1), "skip"), ((1, 0, 1), "conv1"), ((1, 1, 0), "conv3"), ((1, 1, 1), "softmax")],
)
def test_a_slots_output_is_that_of_the_highest_gate_open(tiny, bits, found):
    model = gated(tiny)
    slot = model.slots[0]
    slot.eval()
    with torch.no_grad():
        slot.logits.copy_(torch.tensor(bits) * 2.0 - 1)
        tokens = math.prod(slot.place.grid) + slot.place.prefix
        x = torch.randn(2, tokens, slot.mixture.shape[0] * slot.batchnorms["conv1"].num_features, dtype=DOUBLE)
        out = slot(x)
        expected = {
            "skip": torch.zeros_like(x), "softmax": slot.attention(x),
            **{mixer: slot.convolution(x, mixer) for mixer in ("conv1", "conv3")},
        }[found]  # fmt: skip
    assert slot.mixer() == found and same(out, expected)


def test_a_lower_gate_has_no_gradient_where_a_higher_one_is_open(tiny):
    # The published mixture g3 M + g2 (1 - g3) C3 + g1 (1 - g2) (1 - g3) C1, differentiated by hand.
    slot = gated(tiny).slots[0]
    torch.manual_seed(2)
    tokens = math.prod(slot.place.grid) + slot.place.prefix
    x = torch.randn(2, tokens, slot.mixture.shape[0] * slot.batchnorms["conv1"].num_features, dtype=DOUBLE)
    slot.eval()
    c1, c3, m = slot.convolution(x, "conv1"), slot.convolution(x, "conv3"), slot.attention(x)
    for bits in ((1.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 1.0), (0.0, 1.0, 1.0)):
        gates = torch.tensor(bits, dtype=DOUBLE, requires_grad=True)
        g1, g2, g3 = nested(gates)
        expected = g3 * m + g2 * (1 - g3) * c3 + g1 * (1 - g2) * (1 - g3) * c1
        wanted = torch.autograd.grad(expected.sum(), gates, retain_graph=True)[0]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spvit_gates, "drawn", lambda _, gates=gates: gates)
            slot.training = True  # its batch norms stay in evaluation mode
            found = slot(x)
            slot.training = False
        assert torch.allclose(found, expected, atol=1e-12)
        assert torch.allclose(torch.autograd.grad(found.sum(), gates)[0], wanted, atol=1e-9)


def test_open_gates_change_nothing(tiny):
    # On a Swin this also says that windows, shifts and masks around attention alone are timm's.
    model = gated(tiny).model.eval()
    with torch.no_grad():
        assert same(model(images()), copy.deepcopy(tiny.model).double()(images()))


def test_a_closed_unit_is_a_deleted_one(tiny):
    found = gated(tiny)
    torch.manual_seed(4)
    for units in found.units:
        nn.init.normal_(units.logits)
    dense = copy.deepcopy(tiny.model).double()
    kept = found.derived()[1]
    cuts = {}
    for block in tiny.anatomy.blocks:
        heads, dims = np.arange(block.heads), np.tile(np.arange(block.head_dim), (block.heads, 1))
        cuts[block.name] = replace(hidden_cut(kept[block.name]), heads=heads, qk=dims, v=dims)
    with torch.no_grad():
        smaller = slice_blocks(dense, tiny.anatomy, cuts)
        assert same(smaller(images()), found.model.eval()(images()))
    assert len({len(units) for units in kept.values()}) > 1


@pytest.mark.parametrize("seed", range(4))
def test_the_cost_is_that_of_the_derived_model(tiny, seed):
    found = gated(tiny, seed)
    mixers, hidden = found.derived()
    plain = Found(mixers, {name: units.tolist() for name, units in hidden.items()}, [], 0, 0.0, found.left(), True)
    total = cost_report(build_anatomy(fold(build(tiny, plain)), tiny.info.family)).total
    assert found.left() * found.dense == pytest.approx(total.macs)
    if all(len(units.logits) > 1 and (units.logits > 0).any() for units in found.units):
        assert found.share().item() == pytest.approx(found.left(), abs=1e-9)


def test_the_costs_gradient_reaches_every_gate_and_nothing_else(tiny):
    found = gated(tiny)
    found.share().backward()
    block, units = tiny.anatomy.blocks[0], found.units[0]
    slope = 0.03636 * hidden_price(block) / found.dense
    assert units.logits.grad.tolist() == pytest.approx([slope] * len(units.logits), rel=1e-3)
    assert all((logits.grad > 0).all() for logits in found.logits())
    known = {id(logits) for logits in found.logits()}
    assert all(p.grad is None for p in found.model.parameters() if id(p) not in known)


def test_a_convolution_as_dear_as_attention_is_left_out(make_tiny, opened):
    alone = opened(make_tiny("deit", num_heads=1), "deit")
    assert [slot.candidates for slot in gated(alone).slots] == [("conv1",)] * 6
    assert [slot.candidates for slot in gated(opened(make_tiny("deit"), "deit")).slots] == [("conv1", "conv3")] * 6
    slot = gated(alone).slots[0]
    with torch.no_grad():
        slot.logits.copy_(torch.tensor([1.0, -1.0]))
    assert slot.mixer() == "conv1"


def test_batch_norms_know_the_training_images(make_tiny, opened):
    tiny, data = opened(make_tiny("deit"), "deit"), load_data("digits", "train")
    few = replace(data, images=data.images[:128], labels=data.labels[:128])
    names = [block.name for block in tiny.anatomy.blocks]
    found = Found({names[0]: "conv3"}, {n: list(range(64)) for n in names}, [], 0, 0.0, 1.0, True)
    model = build(tiny, found)
    seen = []
    mixer = model.get_submodule(names[0]).attn
    assert isinstance(mixer, UnmergedMixer)
    hook = mixer.batchnorm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    mixer.batchnorm.running_mean.fill_(5)  # of a training
    mixer.batchnorm.num_batches_tracked.fill_(7)
    measure_batchnorms(model, tiny.info, few)
    hook.remove()
    means = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    assert same(mixer.batchnorm.running_mean, means)
    assert mixer.batchnorm.momentum == 0.1 and not any(module.training for module in model.modules())


def brief(target=0.3, **given):
    return Search(target, BRIEF, replace(BRIEF, epochs=0.3), **{"gate_lr": 0.8, **given})


def test_a_search_meets_its_budget(tiny_swin, tmp_path):
    steps = []
    for last in search(tiny_swin, brief(), tmp_path):
        if "step" in last:
            steps.append(last)
    result = last["result"]
    assert result["met"] and result["macs_removed"] >= 0.3 and steps[-1]["step"] == steps[-1]["steps"]
    assert steps[0]["cut"] == 1.0 and steps[0]["blocks"][0]["mixer"] == "softmax"
    assert result["left"] == pytest.approx(1 - result["macs_removed"])
    assert result["pictures"].keys() == {name for name, mixer in result["mixers"].items() if mixer != "skip"}


def test_a_stopped_search_goes_on_to_the_same_result_and_is_compared(make_tiny, opened, tmp_path):
    tiny = opened(make_tiny("deit"), "deit")
    *_, whole = search(tiny, brief(), tmp_path / "whole")
    for event in search(tiny, brief(), tmp_path / "again", tmp_path / "state"):
        if event.get("step", 0) > whole["result"]["search_steps"]:
            break  # the search is over, fine-tuning has begun
    *_, again = search(tiny, brief(compare=True), tmp_path / "again", tmp_path / "state")
    result, keys = again["result"], ("mixers", "hidden", "top1_before", "top1_after", "macs", "params", "search_steps")
    assert same_result({k: result[k] for k in keys}, {k: whole["result"][k] for k in keys}, result["n"])
    own, *rivals = result["comparison"]["rows"]
    assert [row["key"] for row in result["comparison"]["rows"]] == ["spvit", "random", "one-shot"]
    assert own["top1"] == result["top1_after"] and rivals[0]["macs"] == own["macs"]
    assert rivals[0]["steps"] == result["steps"] and result["comparison"]["verdict"].endswith(".")
    assert "why" in rivals[1] or rivals[1]["macs"] == pytest.approx(own["macs"], rel=0.1)


def test_a_stopped_gate_training_goes_on_to_the_same_gates(make_tiny, opened, tmp_path):
    tiny, data = opened(make_tiny("deit"), "deit"), load_data("digits", "train")

    def begun():
        found = Gated(copy.deepcopy(tiny.model), tiny.anatomy)
        group = {"params": list(found.logits()), "lr": 0.1, "weight_decay": 0.0}
        loss = {"extra_loss": lambda: 30 * (found.share() - 0.5) ** 2, "extra_groups": [group]}
        return found, Training(found.model, data, replace(BRIEF, epochs=0.5), **loss)

    whole, training = begun()
    for _ in training.run():
        pass
    _, training = begun()
    for step in training.run():
        if step.step == 2:
            break
    training.save(tmp_path)
    rest, training = begun()
    training.load(tmp_path)
    assert [step.step for step in training.run()] == list(range(3, training.steps + 1))
    # Gates move by about 0.1 a step: another order of images or other noise would show.
    assert all((one - other).abs().max() < 0.01 for one, other in zip(whole.logits(), rest.logits(), strict=True))


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        ((1, 2), (1, 2), "ahead of what"),
        ((-1, 1), (1, 2), "no difference"),
        ((-3, -1), (1, 2), "hidden units did better"),
    ],
)
def test_the_verdict_follows_the_paired_intervals(low, high, told):
    rows = [{"key": "spvit"}, {"key": "random", "difference": [0, *low]}, {"key": "one-shot", "difference": [0, *high]}]
    assert told in compare.verdict(rows)


def test_attention_by_offset_and_the_kernels_taps_by_hand():
    weights = torch.zeros(6, 6)  # a map of 2 rows, 3 columns; every patch attends to the one right of it, if any
    for query in (0, 1, 3, 4):
        weights[query, query + 1] = 1.0
    picture = by_offset(weights, (2, 3))
    assert np.array(picture).shape == (3, 5)
    assert picture[1][3] == 1.0 and picture[1][1] == 0.0 and picture[0][3] == 0.0
    mixer = UnmergedMixer("conv3", _packed(), convolution.Place(0, (4, 4))).folded().eval()
    with torch.no_grad():
        mixer.batchnorm.weight.copy_(torch.tensor([2.0, -1.0]))
        mixer.batchnorm.running_var.copy_(torch.tensor([0.25, 4.0]))
    scale = torch.tensor([2.0, -1.0]) / (torch.tensor([0.25, 4.0]) + mixer.batchnorm.eps).sqrt()
    expected = (mixer.out.weight[:, :, 0, 0] @ torch.diag(scale) @ mixer.conv.weight[:, :, 0, 2]).norm()
    assert taps(mixer)[0][2] == pytest.approx(expected.item(), rel=1e-5)


def _packed():
    packed = nn.Module()
    packed.num_heads, packed.qkv, packed.proj = 2, nn.Linear(4, 12), nn.Linear(4, 4)
    return packed


def test_settings_round_trip_and_refuse_what_cannot_be():
    asked = suited_search("digits", 0.4, distill=True, compare=True)
    assert method_of("spvit").search_from(json.loads(json.dumps(asdict(asked)))) == asked
    assert [asked.reached(left) for left in (0.61, 0.6, 0.55, 0.53)] == [False, True, True, False]
    assert asked.finetuning.distill == "soft" and asked.training.distill == "none" and asked.training.rise == 1
    with pytest.raises(InvalidPlan, match="removes 5 to 90 %"):
        suited_search("digits", 0.99)


def test_a_norm_on_queries_is_refused(make_tiny, opened, tmp_path):
    normed = opened(make_tiny("deit", qk_norm=True), "deit")
    with pytest.raises(UnsupportedModel):
        list(search(normed, brief(), tmp_path))


def test_linear_attention_is_refused(make_tiny, opened, tmp_path):
    linear = opened(linearise(make_tiny("swin"), 1), "swin")
    with pytest.raises(UnsupportedModel, match="some of it is linear here; choose another model"):
        list(search(linear, brief(), tmp_path))


def test_the_cli_searches_and_its_checkpoint_is_opened_again(call, tmp_path, monkeypatch):
    import dimap_core.training.methods.spvit.settings as settings

    monkeypatch.setattr(settings, "_STEPS", 2)
    out = tmp_path / "found"
    code, printed, _ = call("search", "spvit", "swin-digits", "--budget-macs", "0.05", "--out", out, "--json")
    result = json.loads(printed)
    assert code == 0 and result["method"] == "spvit" and result["n"] == 540
    assert not result["met"] and result["macs_removed"] == 0  # two steps move no gate by 1.5, and it says so
    assert {"top1_before", "top1_after", "params", "macs", "out", "mixers", "hidden", "latency"} <= result.keys()
    found = pipeline.open_model(str(out))
    assert cost_report(found.anatomy).total.macs == result["macs"]


def test_figures_show_every_block():
    chances = {"conv1": 0.9, "conv3": 0.4, "softmax": 0.8}
    blocks = [{"mixer": "conv1", "hidden": 3, "of": 12, "chances": chances},
              {"mixer": "softmax", "hidden": 12, "of": 12, "chances": {"conv1": 0.9, "softmax": 0.8}}]  # fmt: skip
    figure = figures.path(blocks, Look())
    bars = next(trace for trace in figure.data if trace.type == "bar")
    assert list(bars.x) == [25, 100] and bars.text[0] == "3 of 12"
    assert "1×1" in figure.layout.yaxis.ticktext[0] and "attention" in figure.layout.yaxis.ticktext[1]
    three = {"attention": np.eye(7).tolist(), "kernel": np.eye(3).tolist()}
    found = figures.kernels({"a": three, "b": {**three, "kernel": [[1.0]]}}, {"a": "block 1", "b": "block 2"}, Look())
    assert [trace.type for trace in found.data] == ["heatmap"] * 4
    assert list(found.data[1].x) == [-1, 0, 1] and list(found.data[3].x) == [0]


def test_the_search_is_drawn_before_anything_is_decided(tiny):
    shown = gated(tiny).shown()
    assert all(set(row) == {"mixer", "hidden", "of", "chances"} for row in shown) and json.dumps(shown)
    assert F.sigmoid(torch.tensor(1.5)).item() == pytest.approx(shown[0]["chances"]["conv1"], abs=1e-3)
