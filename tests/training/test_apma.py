"""APMA-style pruning: every formula against a naive one, equal heads, masks that are what removal leaves, searches."""

import copy
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from dimap_core import pipeline
from dimap_core.anatomy.build import build_anatomy
from dimap_core.cut.linear_attention import linearise
from dimap_core.data.batches import normalised, training_subset
from dimap_core.data.registry import load_data
from dimap_core.measure.cost import cost_report
from dimap_core.models import checkpoints
from dimap_core.training import recovery
from dimap_core.training.loop import Training
from dimap_core.training.methods.apma import scores
from dimap_core.training.methods.apma.calibration import differences
from dimap_core.training.methods.apma.indicators import KINDS, Indicators, channel_rows
from dimap_core.training.methods.apma.method import Learner, search
from dimap_core.training.methods.apma.removal import removed
from dimap_core.training.methods.apma.settings import PARTS, SIMILARITY, WITHOUT, Search, suited_search
from dimap_core.training.methods.registry import method as method_of
from dimap_core.training.recovery import Kept
from dimap_core.training.settings import Settings
from dimap_core.types.errors import DataError, InvalidPlan, UnsupportedModel
from tests.helpers import SINGLE, drained, same, same_result

BRIEF = Settings(epochs=1, batch_size=200, distill="soft", lr=5e-4, rise=1.0, fall=1.0)


@pytest.fixture(autouse=True)
def short_curves(monkeypatch):
    """Searches on the way are judged on a few images only: it takes most of their time."""
    monkeypatch.setattr(recovery, "CURVE_IMAGES", 20)


def asked(target=0.4, **given):
    return Search(target, BRIEF, replace(BRIEF, epochs=0.3), images=20, **given)


def random_indicators(opened, seed=0, equal_heads=True):
    """Indicators about the threshold, and factors about 1, in float64."""
    found = Indicators(opened.anatomy, Search(equal_heads=equal_heads)).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for block, factors in zip(opened.anatomy.blocks, found.factors, strict=True):
            factors.copy_(0.5 + torch.rand(factors.shape, generator=generator, dtype=torch.float64))
            for kind in KINDS:
                own = found.of(block, kind)
                own.m.copy_(torch.rand(own.m.shape, generator=generator, dtype=torch.float64) + 0.2)
    return found


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_similarity_weights_are_the_mean_distance_to_the_other_channels_of_the_head():
    rows = draw(3, 5, 7)
    found = scores.similarity_weights(rows)
    for head in range(3):
        w = rows[head].numpy()
        plain = np.zeros(5)
        for c in range(5):
            for other in set(range(5)) - {c}:
                cosine = w[c] @ w[other] / np.linalg.norm(w[c]) / np.linalg.norm(w[other])
                plain[c] += (1 - abs(cosine)) / 4
        assert found[head].numpy() == pytest.approx(plain / plain.mean(), rel=1e-12)
    alike = torch.ones(2, 4, 3, dtype=torch.float64)
    assert torch.equal(scores.similarity_weights(alike), torch.ones(2, 4, dtype=torch.float64))


def test_q_and_k_are_compared_together_and_v_alone(tiny):
    block = tiny.anatomy.blocks[-1]
    attention = tiny.model.get_submodule(f"{block.name}.attn")
    heads, dim = block.heads, block.head_dim
    q, k, v = attention.qkv.weight.detach().view(3, heads, dim, -1)
    rows = channel_rows(attention)
    assert torch.equal(rows["qk_dim"][1, 0], torch.cat([q[1, 0], k[1, 0]]))
    assert torch.equal(rows["v_dim"], v)


def naive_change(a, without):
    return torch.linalg.matrix_norm(a - without)


@pytest.mark.parametrize("largest", [1, 1e9])
def test_the_difference_of_linear_attention_is_that_of_the_whole_map(largest):
    phi_q, phi_k = (draw(2, 3, 9, 6, seed=seed).abs() + 0.01 for seed in (1, 2))
    phi_q[..., 2] *= largest  # a channel that is nearly all of its row
    whole = phi_q @ phi_k.mT
    shortcut, raw = scores.linear_difference(phi_q, phi_k), scores.softmax_difference(phi_q, phi_k)
    for c in range(6):
        others = [i for i in range(6) if i != c]
        fewer = phi_q[..., others] @ phi_k[..., others].mT
        rows = whole / whole.sum(-1, keepdim=True), fewer / fewer.sum(-1, keepdim=True)
        assert torch.allclose(shortcut[..., c], naive_change(*rows), rtol=0, atol=1e-10)
        assert torch.allclose(raw[..., c], naive_change(whole, fewer), rtol=0 if largest == 1 else 1e-6, atol=1e-10)


def test_first_indicators_are_spread_by_rank_and_nothing_starts_as_removed():
    d = torch.tensor([[3.0, 1.0, 2.0, 9.0]], dtype=torch.float64)
    ones = torch.ones_like(d)
    assert scores.first_indicators(d, ones).tolist() == [[0.875, 0.625, 0.75, 1.0]]
    assert scores.first_indicators(None, ones).tolist() == [[0.75] * 4]
    w = torch.tensor([[0.4, 0.2, 1.4, 2.0]], dtype=torch.float64)
    for difference in (d, None):
        m = scores.first_indicators(difference, w)
        assert scores.keep_mask(m * w, equal=True).all()
        assert m[0, 2] == scores.first_indicators(difference, ones)[0, 2]  # raised only where needed


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.5, 2.0]), st.booleans())
def test_all_heads_lose_equally_many_and_each_keeps_its_own_best(heads, size, seed, threshold, ties):
    strength = np.random.default_rng(seed).random((heads, size))
    strength = np.round(strength, 1) if ties else strength
    keep = scores.keep_mask(torch.from_numpy(strength), True, threshold).numpy()
    wanted = max(1, round((strength >= threshold).sum(1).mean()))
    assert (keep.sum(1) == wanted).all()
    for row, kept in zip(strength, keep, strict=True):
        assert kept.all() or row[kept].min() >= row[~kept].max()
    alone = scores.keep_mask(torch.from_numpy(strength), False, threshold).numpy()
    assert (alone.sum(1) == np.maximum(1, (strength >= threshold).sum(1))).all()


def test_the_masks_gradient_goes_to_the_indicators_unchanged():
    strength = torch.tensor([[0.9, 0.2, 0.6], [0.7, 0.4, 0.1]], dtype=torch.float64, requires_grad=True)
    gate = scores.straight_through(strength, scores.keep_mask(strength.detach(), True))
    assert gate.tolist() == [[1, 0, 1], [1, 1, 0]]  # 2 and 1 above the threshold: 1.5 on average, rounded to even
    (gate * torch.tensor([[1.0, 2, 3], [4, 5, 6]])).sum().backward()
    assert strength.grad.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_the_resource_loss_by_hand():
    assert scores.resource_loss(torch.tensor(0.9), 0.6).item() == pytest.approx(5 * (0.5 + 0.25))
    assert scores.resource_loss(torch.tensor(0.5), 0.6).item() == 0
    share = torch.tensor(0.9, requires_grad=True)
    scores.resource_loss(share, 0.6).backward()
    assert share.grad.item() == pytest.approx(5 * (1 + 2 * 0.5) / 0.6)


def test_the_first_pass_measures_channels_as_the_formulas_say(tiny):
    data = load_data("digits", "train")
    found = drained(differences(tiny.model, tiny.info, data, tiny.anatomy, 40, 0))
    images = normalised(tiny.info, data.images[training_subset(tiny.info, data, 40, 0)])
    block = tiny.anatomy.blocks[-1]
    module, seen = tiny.model.get_submodule(block.name), {}
    hooks = [module.attn.qkv.register_forward_hook(lambda _, __, out: seen.update(qkv=out.double()))]
    hooks.append(module.mlp.fc2.register_forward_pre_hook(lambda _, inputs: seen.update(h=inputs[0].double())))
    with torch.no_grad():
        tiny.model(images)
    for hook in hooks:
        hook.remove()
    dim, head, c = block.head_dim, 1, block.head_dim - 1
    at = head * dim + c
    channels = block.heads * dim
    q, k, v = (seen["qkv"][..., third * channels + at] for third in range(3))
    change = [torch.linalg.matrix_norm(torch.outer(*window)) for window in zip(q, k, strict=True)]
    close = {"rel": SINGLE}
    assert found[f"{block.name}:qk_dim"][head, c].item() == pytest.approx(np.mean(change), **close)
    column = module.attn.proj.weight[:, at].norm().item()
    assert found[f"{block.name}:v_dim"][head, c].item() == pytest.approx(v.numpy().std() * column, **close)
    hidden, column = seen["h"].flatten(0, -2)[:, 5], module.mlp.fc2.weight[:, 5].norm().item()
    assert found[f"{block.name}:mlp_neuron"][0, 5].item() == pytest.approx(hidden.numpy().std() * column, **close)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in tiny.model.modules())


@pytest.mark.parametrize("equal", [True, False])
def test_removal_leaves_what_masks_and_factors_say(tiny, equal):
    compare_masked_and_removed(tiny, equal, 1e-9)


def compare_masked_and_removed(tiny, equal, within):
    model, images = copy.deepcopy(tiny.model).double(), draw(3, 3, 32, 32)
    indicators = random_indicators(tiny, equal_heads=equal)
    with torch.no_grad():
        dense = model(images)
        with indicators.on(model):
            masked = model(images)
        smaller = removed(model, indicators)
        assert same(smaller(images), masked, within)
        assert not same(masked, dense, 1e-3)
        assert same(model(images), dense)  # no hook is left
    macs = cost_report(build_anatomy(smaller, tiny.info.family)).total.macs
    whole = sum(layer.macs for layer in tiny.anatomy.layers)
    if equal:
        assert macs == pytest.approx(indicators.left() * whole, rel=1e-6)
    else:  # padded to the widest head
        assert macs > 1.01 * indicators.left() * whole


@pytest.fixture(scope="module")
def tiny_linear(make_tiny, opened):
    """A tiny Swin whose first stage has linear attention, with positions and scales that matter."""
    model = linearise(make_tiny("swin"), 1)
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if name.endswith(("positional", "channel_scale", "dwc.weight", "dwc.bias")):
            parameter.data = torch.randn(parameter.shape, generator=generator)
    return opened(model, "swin")


@pytest.mark.parametrize("equal", [True, False])
def test_removal_from_linear_attention_leaves_what_masks_say(tiny_linear, equal):
    compare_masked_and_removed(tiny_linear, equal, 1e-5)  # what is masked enters norms with FLatten's 1e-6


def test_the_first_pass_measures_linear_attention_by_its_map(tiny_linear):
    data = load_data("digits", "train")
    found = drained(differences(tiny_linear.model, tiny_linear.info, data, tiny_linear.anatomy, 4, 0))
    images = normalised(tiny_linear.info, data.images[training_subset(tiny_linear.info, data, 4, 0)])
    (block, *_), seen = tiny_linear.anatomy.blocks, []
    attention = tiny_linear.model.get_submodule(f"{block.name}.attn")
    hook = attention.qkv.register_forward_hook(lambda _, __, out: seen.append(out))
    with torch.no_grad():
        tiny_linear.model(images)
        hook.remove()
        q, k = (attention.heads(part).double() for part in attention.focused(*seen[0].chunk(3, -1)[:2]))
    whole, fewer = (a[:, 1] @ b[:, 1].mT for a, b in ((q, k), (q[..., :3], k[..., :3])))  # of head 1, without the last
    change = torch.linalg.matrix_norm(whole / whole.sum(-1, keepdim=True) - fewer / fewer.sum(-1, keepdim=True))
    assert found[f"{block.name}:qk_dim"][1, 3].item() == pytest.approx(change.mean().item(), rel=SINGLE)


def test_a_search_runs_on_linear_attention(tiny_linear, tmp_path, monkeypatch):
    for name in ("save", "check_leads_back"):  # no name leads to a model that was made by hand
        monkeypatch.setattr(recovery, name, lambda out, model, card: checkpoints.write(out, model.state_dict(), card))
    *_, last = search(tiny_linear, replace(asked(), finetuning=replace(BRIEF, epochs=0.1)), tmp_path)
    result = last["result"]
    assert result["left"] <= 0.6 and result["macs_removed"] == pytest.approx(1 - result["left"], abs=1e-5)


def test_the_share_of_macs_has_the_gradient_of_each_channels_price(tiny_swin):
    indicators = random_indicators(tiny_swin)
    indicators.share().backward()
    block = tiny_swin.anatomy.blocks[0]
    qkv, product = block.part("attn.qkv"), block.part("attn")
    channels = block.heads * block.head_dim
    price = (2 * qkv.macs / 3 + product.macs / 2) / channels / indicators.dense
    grad = indicators.of(block, "qk_dim").m.grad
    assert grad.numpy() == pytest.approx(np.full(grad.shape, price), rel=SINGLE)


def test_zero_channels_of_padded_heads_stay_zero_in_training(tiny_swin):
    smaller = removed(tiny_swin.model, random_indicators(tiny_swin, equal_heads=False).float())
    zeros = {name: value.detach() == 0 for name, value in smaller.named_parameters()}
    assert sum(int(zero.sum()) for name, zero in zeros.items() if "attn" in name and "weight" in name) > 0
    data = load_data("digits", "train")
    few = replace(data, images=data.images[:100], labels=data.labels[:100])
    training = Training(smaller, few, Settings(epochs=2, batch_size=50))
    list(training.run())
    for name, value in training.result().named_parameters():
        if name.endswith(("attn.q.weight", "attn.k.weight", "attn.v.weight", "attn.proj.weight")):
            assert (value[zeros[name]] == 0).all() and (value[~zeros[name]] != 0).all()


def test_masks_freeze_at_the_target_whatever_training_did(tiny):
    for target in (0.9, 0.6, 0.45):
        indicators = random_indicators(tiny)
        indicators.freeze(target)
        left, kept = indicators.left(), indicators.kept()
        assert left <= target
        with torch.no_grad():
            for own in indicators.own.values():
                own.m.zero_()
        assert (indicators.left(), indicators.kept()) == (left, kept)
        assert indicators.gate(tiny.anatomy.blocks[0], "v_dim").requires_grad is False
    met = random_indicators(tiny)
    before = met.left()
    met.freeze(1.0)
    assert met.left() == before  # nothing more goes than needed


def test_the_target_falls_linearly_unless_it_is_switched_off(tiny_swin):
    learner = Learner(Indicators(tiny_swin.anatomy, Search()), Search(0.4))
    learner.steps = 40
    targets = []
    for learner.done in range(40):
        targets.append(learner.target)
    assert targets[:3] == pytest.approx([1 - 0.4 / 30, 1 - 0.8 / 30, 1 - 1.2 / 30])
    assert targets[29:] == pytest.approx([0.6] * 11)
    at_once = Learner(learner.indicators, Search(0.4, anneal=False))
    assert at_once.target == pytest.approx(0.6)


def test_a_search_reaches_its_target_and_goes_on_after_a_stop(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(Kept, "_LEAST", 0.0)
    monkeypatch.setattr(Kept, "_SHARE", 1e9)
    events = [event for event in search(tiny, asked(), tmp_path / "whole") if event]
    result = events[-1]["result"]
    assert result["method"] == "apma" and 0.55 < result["left"] <= 0.6
    assert result["macs_removed"] == pytest.approx(1 - result["left"], abs=1e-6)
    assert result["macs"] == checkpoints.read_card(tmp_path / "whole")["result"]["macs_after"]
    searching = [event for event in events if "indicators" in event]
    assert searching[0]["search_steps"] == searching[-1]["step"] == 7
    for kind, rows in searching[-1]["indicators"].items():
        heads = [1 if kind == "mlp_neuron" else block.heads for block in tiny.anatomy.blocks]
        assert [len(row) for row in rows] == heads and all(0 <= share <= 100 for row in rows for share in row)
    assert all(event["step"] <= event["steps"] for event in events if "step" in event)
    similar = json.loads((tmp_path / "whole" / SIMILARITY).read_text())
    head = similar[-1]["v_dim"]
    assert [len(matrix) for matrix in head["after"]] == [len(kept) for kept in head["kept"]]
    assert {row[i] for matrix in head["before"] for i, row in enumerate(matrix)} == {100}
    stop = 4 if tiny.info.family == "deit" else 8  # while it searches, and while it fine-tunes
    for event in search(tiny, asked(), tmp_path / "out", tmp_path / "state"):
        if event.get("step") == stop:
            break
    *_, again = search(tiny, asked(), tmp_path / "out", tmp_path / "state")
    assert same_result(again["result"], result, result["n"], UNLIKE)


UNLIKE = ("seconds", "out", "latency", "latency_removed")


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_left_out(tiny_swin, part):
    wanted = asked(**{part: False})
    indicators = Indicators(tiny_swin.anatomy, wanted)
    assert WITHOUT.keys() == PARTS.keys()
    assert len(indicators.groups()[0]["params"]) == len(tiny_swin.anatomy.blocks) * (3 if part == "reweight" else 4)
    indicators.begin(tiny_swin.model, None)
    assert (part == "similarity") == all(bool((own.w == 1).all()) for own in indicators.own.values())


def test_a_search_without_any_part_is_padded_and_says_so(tiny_swin, tmp_path):
    wanted = replace(asked(**dict.fromkeys(PARTS, False)), finetuning=replace(BRIEF, epochs=0.1))
    events = [event for event in search(tiny_swin, wanted, tmp_path) if event]
    assert {"doing": "Reading training images"} not in events
    result = events[-1]["result"]
    assert result["left"] <= 0.6 and result["macs_removed"] < 1 - result["left"] - 0.01


def test_what_cannot_be_searched_is_one_sentence(tiny_swin, tmp_path):
    with pytest.raises(InvalidPlan, match="the most that can is"):
        list(search(tiny_swin, asked(0.95), tmp_path))
    with pytest.raises(InvalidPlan, match="5 to 95 %"):
        suited_search("digits", 1.5)
    with pytest.raises(DataError, match="No training images"):
        list(search(replace(tiny_swin, info=replace(tiny_swin.info, data=None)), asked(), tmp_path))
    (stage, *rest), anatomy = tiny_swin.anatomy.stages, tiny_swin.anatomy
    without = replace(stage, blocks=(replace(stage.blocks[0], mixer="skip"),))
    with pytest.raises(UnsupportedModel, match="has no attention"):
        list(search(replace(tiny_swin, anatomy=replace(anatomy, stages=(without, *rest))), asked(), tmp_path))
    wanted = suited_search("digits", 0.5, 60, anneal=False)
    assert (
        method_of("apma").search_from(json.loads(json.dumps(asdict(wanted)))) == wanted
        and wanted.training.seconds == 30
    )


def test_the_search_on_the_command_line(call, tmp_path):
    out = str(tmp_path / "found")
    words = ("search", "apma", "swin-digits", "--budget-macs", "0.4", "--seconds", "0.4", "--no-anneal", "--out", out)
    code, printed, _ = call(*words, "--json")
    result = json.loads(printed)
    assert code == 0 and result["out"] == out and result["n"] == 540 and result["model"] == "swin-digits"
    assert {"top1_before", "top1_after", "params", "macs", "kept", "left"} <= result.keys()
    assert checkpoints.read_card(tmp_path / "found")["result"]["search"]["anneal"] is False
    smaller = pipeline.open_model(out)
    assert cost_report(smaller.anatomy).total.macs == result["macs"] <= 0.6 * 19_600_000
    code, printed, told = call("search", "apma", "swin-digits", "--budget-macs", "0.99", "--out", out)
    assert (code, printed, told.count("\n")) == (2, "", 1) and "5 to 95 %" in told
