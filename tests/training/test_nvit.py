"""NViT: identities of its score, one ranking over all kinds, masks and slices, and searches that reach their target."""

import copy
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import timm
import torch
from torch.nn import functional as F

from dimap_core import pipeline
from dimap_core.anatomy.build import build_anatomy
from dimap_core.cut.slicing import BlockSizes, kept_sizes, resize
from dimap_core.measure.cost import cost_report
from dimap_core.models import checkpoints
from dimap_core.training.methods import latency_measure, latency_table
from dimap_core.training.methods.costs import MacCost
from dimap_core.training.methods.latency_table import Grid, LatencyCost, latency_cost
from dimap_core.training.methods.nvit.method import Pruner, search
from dimap_core.training.methods.nvit.ranking import ranking, remove_down_to, squared_effects
from dimap_core.training.methods.nvit.settings import Search, suited_search
from dimap_core.training.methods.registry import method as method_of
from dimap_core.training.methods.revit import epsilon, revit_shape
from dimap_core.training.methods.units import GROUP_SIZES, Units, Widths, group_size
from dimap_core.training.recovery import Kept
from dimap_core.training.settings import Settings
from dimap_core.types.errors import CheckpointError, DataError, InvalidPlan
from dimap_core.types.model import KINDS
from tests.helpers import same, same_result

BRIEF = Settings(epochs=1, batch_size=200, distill="soft", rise=1.0, fall=1.0)


def asked(target, **given):
    return Search(target, "macs", BRIEF, replace(BRIEF, epochs=0.3), cuts=3, **given)


def with_gradients(opened, dtype=torch.float64):
    """A copy in double precision after one backward pass."""
    model = copy.deepcopy(opened.model).to(dtype)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(4, 3, 32, 32, generator=generator, dtype=dtype)
    F.cross_entropy(model(images), torch.arange(4)).backward()
    return model


def some_gone(units, seed=0, embed=True):
    """Random units gone from every layer."""
    rng = np.random.default_rng(seed)
    for name, live in units.live.items():
        if embed or name != "embed":
            live[rng.permutation(len(live))[: rng.integers(0, len(live))]] = False
    return units


def random_worth(units, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.exponential(size=len(live)) for name, live in units.live.items()}


def test_the_sums_of_q_and_k_and_of_v_and_proj_are_equal(tiny):
    model = with_gradients(tiny)
    for block in tiny.anatomy.blocks:
        module = model.get_submodule(block.name)
        wg = {name: (p.grad * p).detach() for name, p in module.named_parameters()}
        rows = wg["attn.qkv.weight"].sum(1) + wg["attn.qkv.bias"]
        q, k, v = rows.chunk(3)
        assert torch.allclose(q, k, rtol=1e-9, atol=1e-14)
        assert torch.allclose(v, wg["attn.proj.weight"].sum(0), rtol=1e-9, atol=1e-14)
        fc1 = wg["mlp.fc1.weight"].sum(1) + wg["mlp.fc1.bias"]
        assert not torch.allclose(fc1, wg["mlp.fc2.weight"].sum(0), rtol=1e-2)  # GELU is between


def test_a_units_score_is_the_square_of_what_it_reads(tiny):
    model = with_gradients(tiny)
    units = Units(model, tiny.anatomy)
    found = dict(squared_effects(model, units))
    wg = {name: (p.grad * p).detach().numpy() for name, p in model.named_parameters()}
    assert found.keys() == units.live.keys()
    for block in tiny.anatomy.blocks:
        dim, heads, at = block.head_dim, block.heads, block.name
        weight, bias = wg[f"{at}.attn.qkv.weight"], wg[f"{at}.attn.qkv.bias"]
        rows = (weight.sum(1) + bias).reshape(3, heads, dim).tolist()
        for i in range(dim):
            q, v = (sum(rows[third][head][i] for head in range(heads)) for third in (0, 2))
            assert found[f"{at}:qk_dim"][i] == pytest.approx((q / 2) ** 2, rel=1e-9)
            assert found[f"{at}:v_dim"][i] == pytest.approx((v / 2) ** 2, rel=1e-9)
        for head in range(heads):
            whole = sum(rows[third][head][i] for third in range(3) for i in range(dim))
            assert found[f"{at}:head"][head] == pytest.approx((whole / 12) ** 2, rel=1e-9)
        fc1 = wg[f"{at}.mlp.fc1.weight"][5].sum() + wg[f"{at}.mlp.fc1.bias"][5]
        assert found[f"{at}:mlp_neuron"][5] == pytest.approx(fc1**2, rel=1e-9)
    if "embed" in found:
        whole = wg["patch_embed.proj.weight"][3].sum() + wg["patch_embed.proj.bias"][3]
        for block in tiny.anatomy.blocks:
            whole += sum(wg[f"{block.name}.{name}.weight"][:, 3].sum() for name in ("attn.qkv", "mlp.fc1"))
            for name in ("attn.proj", "mlp.fc2"):
                whole += wg[f"{block.name}.{name}.weight"][3].sum() + wg[f"{block.name}.{name}.bias"][3]
        assert found["embed"][3] == pytest.approx((whole / len(tiny.anatomy.blocks)) ** 2, rel=1e-9)


def masked_and_sliced(tiny, units):
    """Outputs of the masked and of the extracted model, float64."""
    model, images = copy.deepcopy(units.model), torch.randn(3, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        for name, mask in units.masks().items():
            model.get_parameter(name).mul_(mask)
        return model(images), units.extract()(images)


def test_slicing_is_masking_but_for_embedding_channels(tiny):
    model = copy.deepcopy(tiny.model).double()
    masked, sliced = masked_and_sliced(tiny, some_gone(Units(model, tiny.anatomy), embed=False))
    assert same(sliced, masked)
    units = Units(model, tiny.anatomy)
    if units.embed is not None:
        units.live["embed"][[1, 4, 7, 8]] = False
        masked, sliced = masked_and_sliced(tiny, units)
        assert not same(sliced, masked, 1e-3)  # a masked norm still divides by the dense width


def test_a_zero_mean_stream_survives_the_loss_of_embedding_channels(make_tiny):
    # What the rescaling of norms is for: where means are zero, masked and sliced norms agree.
    from dimap_core.cut.embed import slice_embed

    model = make_tiny("deit").double()
    keep = np.arange(16) % 4 != 0
    smaller = slice_embed(model, keep)
    x = torch.randn(5, 16, dtype=torch.float64) * torch.from_numpy(keep)
    x[:, keep] -= x[:, keep].mean(1, keepdim=True)
    assert torch.allclose(model.norm(x)[:, keep], smaller.norm(x[:, keep]), atol=1e-5)


def test_macs_by_widths_are_the_extracted_models(tiny):
    for seed in range(3):
        units = some_gone(Units(tiny.model, tiny.anatomy), seed)
        cost = MacCost(tiny.anatomy, len(units.live.get("embed", [])))
        anatomy = build_anatomy(units.extract(), tiny.info.family)
        assert cost.total(units.all_widths()) == pytest.approx(cost_report(anatomy).total.macs)
        assert cost.share(units.all_widths()) < 1


def test_groups_are_as_published_at_full_size():
    sizes = {"embed": 768, "head": 12, "qk_dim": 64, "v_dim": 64, "mlp_neuron": 3072}
    assert {kind: group_size(kind, size) for kind, size in sizes.items()} == GROUP_SIZES
    assert [group_size("embed", 96), group_size("head", 6), group_size("mlp_neuron", 3)] == [4, 1, 1]


def test_all_kinds_and_layers_are_in_one_ranking(tiny):
    units = some_gone(Units(tiny.model, tiny.anatomy), 3)
    units.sizes = {name: 2 if len(live) > 8 else 1 for name, live in units.live.items()}
    cost, worth = MacCost(tiny.anatomy, len(units.live.get("embed", []))), random_worth(units)
    brute, now = [], cost.total(units.all_widths())
    for name, live in units.live.items():
        alive = sorted(np.flatnonzero(live), key=lambda unit: worth[name][unit])
        less = Units(tiny.model, tiny.anatomy)
        less.live = {key: value.copy() for key, value in units.live.items()}
        less.live[name][alive[: units.sizes[name]]] = False
        gain = now - cost.total(less.all_widths())
        starts = range(0, len(alive), units.sizes[name])
        chunks = [tuple(alive[at : at + units.sizes[name]]) for at in starts]
        floor = len(alive) - units.sizes[name]
        going = [chunk for at, chunk in enumerate(chunks) if (at + 1) * units.sizes[name] <= floor]
        brute += [(sum(worth[name][unit] for unit in chunk), gain, name, chunk) for chunk in going]
    eta = 0.7 * np.median([score for score, *_ in brute]) / np.median([gain for _, gain, *_ in brute])
    brute.sort(key=lambda group: group[0] - eta * group[1])
    found = ranking(worth, units, cost, 0.7)
    assert [(group.layer, tuple(group.members)) for group in found] == [(name, chunk) for *_, name, chunk in brute]
    assert len({group.layer.rpartition(":")[2] for group in found}) == len(KINDS) + ("embed" in units.live)


def test_every_layer_keeps_one_group_and_no_more_goes_than_needed(tiny):
    units = Units(tiny.model, tiny.anatomy)
    cost = MacCost(tiny.anatomy, units.embed or 0)
    remove_down_to(0.6, random_worth(units), units, cost, 1.0)
    assert 0.55 < cost.share(units.all_widths()) <= 0.6
    remove_down_to(0.0, random_worth(units), units, cost, 1.0)
    assert units.all_widths() == units.least_widths()
    assert all(live.sum() == units.sizes[name] for name, live in units.live.items())


def test_the_average_over_cuts_is_corrected_for_its_start(tiny_swin):
    units = Units(tiny_swin.model, tiny_swin.anatomy)
    pruner = Pruner(units, MacCost(tiny_swin.anatomy), Search(0.1, cuts=2), 6)
    assert pruner.every == 3
    for value in (2.0, 5.0):
        for total in pruner.sums.values():
            total += 3 * value
        pruner.seen = 3
        pruner.cut()
        expected = {1: 2.0, 2: (0.9 * 0.1 * 2.0 + 0.1 * 5.0) / 0.19}[pruner.done]
        assert all(found == pytest.approx(expected) for found in pruner.worth().values())
    assert pruner.left <= 0.9 and not any(total.any() for total in pruner.sums.values())


def test_latency_is_exact_on_the_grid_and_multilinear_between():
    axes = ((0,), (2, 6), (1, 3), (2, 4), (2, 4))
    values = np.random.default_rng(0).random([len(axis) for axis in axes])
    grid = Grid(axes, values)
    for index in np.ndindex(values.shape):
        point = Widths(*(axis[i] for axis, i in zip(axes, index, strict=True)))
        assert grid.at([point])[0] == pytest.approx(values[index], rel=1e-12)
    middle = grid.at([Widths(0, 4, 2, 3, 3)])[0]
    assert middle == pytest.approx(values.mean())
    dense, large, least = Widths(0, 6, 3, 4, 4), Widths(0, 6, 3, 4, 2), Widths(0, 2, 1, 2, 2)
    values[0, 1, 1, 1, 0], values[0, 0, 0, 0, 0] = 3.0, 1.0
    cost = LatencyCost((grid,), (0, 0), (0,), (0.5,), 16, (dense,) * 2, 10.0, (2.0, 0.25))
    assert cost.summed([large, least]) == pytest.approx(0.5 + 3 + 1)
    assert cost.total([large, least]) == 2 * 4.5 + 0.25
    assert cost.share([large, least]) == 0.925 and cost.share(cost.dense) == 1


def test_the_latency_table_is_measured_once(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path))
    monkeypatch.setattr(latency_measure, "REPEATS", 1)
    ends = coarse(latency_measure.axes)
    monkeypatch.setattr(latency_measure, "axes", ends)
    monkeypatch.setattr(latency_table, "axes", ends)
    units = Units(tiny.model, tiny.anatomy)
    *told, first = latency_cost(tiny.model, tiny.info, units)
    (again,) = latency_cost(tiny.model, tiny.info, units)
    assert told and all("Measuring" in event["doing"] for event in told)
    assert first.total(units.all_widths()) == again.total(units.all_widths()) > 0
    (path,) = (tmp_path / "latency").iterdir()
    assert json.loads(path.read_text())["measured"]["batch"] == first.batch == 16
    assert first.share(units.all_widths()) == 1


def coarse(axes):
    """Ends only of each axis."""
    return lambda *given: tuple((axis[0], axis[-1]) if len(axis) > 1 else axis for axis in axes(*given))


def test_a_search_reaches_its_target_and_goes_on_after_a_stop(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(Kept, "_LEAST", 0.0)
    monkeypatch.setattr(Kept, "_SHARE", 1e9)
    events = [event for event in search(tiny, asked(0.5), tmp_path / "whole") if event]
    result = events[-1]["result"]
    lefts = [event["cut"] for event in events if "cut" in event]
    assert lefts == sorted(lefts, reverse=True) and lefts[0] == 1 and lefts[-1] == result["left"]
    assert 0.4 < result["left"] <= 0.5 and result["macs_removed"] == pytest.approx(1 - result["left"])
    assert all(event["step"] <= event["steps"] for event in events if "step" in event)
    card = checkpoints.read_card(tmp_path / "whole")
    assert card.get("embed") == result["kept"]["embed"] and (card.get("embed") is None) == (tiny.info.family == "swin")
    for stop in (4, 7) if tiny.info.family == "deit" else (4,):  # while it searches, and while it fine-tunes
        for event in search(tiny, asked(0.5), tmp_path / "out", tmp_path / f"state{stop}"):
            if event.get("step") == stop:
                break
        for event in search(tiny, asked(0.5), tmp_path / "out", tmp_path / f"state{stop}"):
            again = event
        assert same_result(again["result"], result, result["n"], UNLIKE)


UNLIKE = ("seconds", "out", "latency", "latency_removed")


def test_what_cannot_be_searched_is_one_sentence(tiny_swin, tmp_path):
    with pytest.raises(InvalidPlan, match="the most that can is"):
        list(search(tiny_swin, asked(0.95), tmp_path))
    with pytest.raises(InvalidPlan, match="5 to 95 %"):
        suited_search("digits", 1.5)
    with pytest.raises(InvalidPlan, match="macs or latency"):
        suited_search("digits", 0.5, "params")
    with pytest.raises(DataError, match="No training images"):
        list(search(replace(tiny_swin, info=replace(tiny_swin.info, data=None)), asked(0.5), tmp_path))
    wanted = suited_search("digits", 0.5, "latency", 60, strength=2.0)
    assert method_of("nvit").search_from(json.loads(json.dumps(asdict(wanted)))) == wanted
    assert wanted.training.seconds == 30 and wanted.training.rise == wanted.training.fall == 1


def test_revits_counts_and_the_shape_of_its_rule():
    # Widths of ReViT-S as the released code builds them; published: 4.7 G, 23 M.
    heads, qk, hidden = [10, 4, 4, *[8] * 6, 4, 4, 10], [32, 16, 16, *[32] * 6, 16, 16, 32], [1152] * 12
    hidden[3:9] = [2304] * 6
    for name, params, macs in (
        ("deit_small_patch16_224", 22_737_512, 4_679_800_448),
        ("deit_small_distilled_patch16_224", 23_123_280, 4_705_190_400),
    ):
        model = timm.create_model(name, device="meta")
        sizes = {f"blocks.{i}": BlockSizes(hidden[i], heads[i], qk[i], 64) for i in range(12)}
        resize(model, sizes)
        total = cost_report(build_anatomy(model, "deit")).total
        assert (total.params, total.macs) == (params, macs)
    assert epsilon(12) == [1] * 3 + [2] * 6 + [1] * 3
    rule = revit_shape(12)
    assert [round(1152 * 1.5 * share) for share in rule["mlp_neuron"]] == hidden and set(rule["v_dim"]) == {1.0}


def test_a_model_without_some_embedding_channels_comes_back_bit_by_bit(tmp_path):
    opened = pipeline.open_model("deit-digits")
    units = some_gone(Units(opened.model, opened.anatomy))
    smaller = units.extract()
    card = {**pipeline.origin(opened, 0), "kept": kept_sizes(smaller, opened.anatomy), "embed": units.embed}
    checkpoints.write(tmp_path, smaller.state_dict(), card)
    again, images = pipeline.open_model(str(tmp_path)), torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        assert same(again.model(images), smaller(images))
    total = cost_report(again.anatomy).total
    assert total.macs == MacCost(opened.anatomy, 96).total(units.all_widths()) < 64_300_000
    assert total.params == sum(parameter.numel() for parameter in smaller.parameters())


def test_a_damaged_width_is_refused(tmp_path):
    opened = pipeline.open_model("deit-digits")
    for name, width in (("deit-digits", 97), ("deit-digits", "8"), ("swin-digits", 8)):
        card = {"model": name, "weights": "trained", "embed": width}
        checkpoints.write(tmp_path, opened.model.state_dict(), card)
        with pytest.raises(CheckpointError, match="embedding width"):
            pipeline.open_model(str(tmp_path))


def test_the_search_on_the_command_line(call, tmp_path):
    out = str(tmp_path / "found")
    words = ("search", "nvit", "swin-digits", "--budget-macs", "0.3", "--seconds", "0.4", "--cuts", "2", "--out", out)
    code, printed, _ = call(*words, "--json")
    result = json.loads(printed)
    assert code == 0 and result["out"] == out and result["n"] == 540 and result["model"] == "swin-digits"
    assert {"top1_before", "top1_after", "params", "macs", "kept", "left"} <= result.keys()
    code, printed, _ = call("evaluate", out, "--json")
    judged = json.loads(printed)
    keys = ("top1_after", "params", "macs")
    assert (judged["top1"], judged["params"], judged["macs"]) == tuple(result[key] for key in keys)
    assert judged["macs"] <= 0.7 * 19_600_000 and result["kept"]["embed"] is None
    code, printed, told = call("search", "nvit", "swin-digits", "--out", out)
    assert (code, printed, told.count("\n")) == (2, "", 1) and "one target" in told


def test_figures_of_a_search_show_every_block():
    from dimap_core.figures.look import Look
    from dimap_core.figures.redistribution import redistribution

    dense = [dict.fromkeys(KINDS, 8) for _ in range(4)]
    kept = [{**row, "head": at + 1} for at, row in enumerate(dense)]
    figure = redistribution(kept, dense, Look(), revit_shape(4))
    bars = {trace.yaxis: trace for trace in figure.data if trace.type == "bar"}
    assert list(bars["y2"].y) == [12.5, 25, 37.5, 50] and list(bars["y"].y) == [100] * 4
    lines = [trace for trace in figure.data if trace.type == "scatter"]
    assert len(lines) == 4 and sum(lines[1].y) == pytest.approx(125)
    assert len(redistribution(kept, dense, Look()).data) == 4
