"""One meaning of `params` and `macs` wherever they are told: those of the tensors that are there, zeros too.

Where single weights were cut `params_nonzero` and `macs_nonzero` stand beside them; elsewhere a zero is chance."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from dimap_core import pipeline
from dimap_core.anatomy.build import build_anatomy
from dimap_core.cut.convolution import fold
from dimap_core.cut.derivation import derived
from dimap_core.cut.linear_attention import linearise
from dimap_core.data.registry import load_data
from dimap_core.models.bundled import BUNDLED, bundled, bundled_card
from dimap_core.models.to_onnx import plain_attention
from dimap_core.pipeline import results
from dimap_core.training import comparison, recovery
from dimap_core.types.cost import Part
from dimap_core.types.folders import ASSETS
from dimap_core.types.plan import PruningPlan
from pages.ui.export import tried_points
from pages.ui.session import Setting, Tried

ZEROS = PruningPlan("dimap", ratio=0.5)
PATTERN = PruningPlan("magnitude", "nm", ratio=None, nm="2:4")
SMALLER = PruningPlan("magnitude", "structure", ratio=0.5)
PLANS = {"zeroed": (ZEROS,), "patterned": (PATTERN,), "smaller": (SMALLER,), "zeroed, then smaller": (ZEROS, SMALLER)}
VARIANTS = ("dense", *PLANS, "convolved", "linear")
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
CHANCE = 5  # zeros of a trained model that nobody cut


def with_zeros(model):
    """Five weights happen to be zero."""
    with torch.no_grad():
        model.layers[0].blocks[0].attn.qkv.weight.view(-1)[:CHANCE] = 0
    return model


@pytest.fixture(scope="module")
def variant(make_tiny, opened):
    """variant("zeroed") -> (the model, its family, whether single weights of it were cut)."""

    def make(kind):
        if kind == "convolved":
            dense = make_tiny("deit")
            units = {block.name: np.arange(50) for block in build_anatomy(dense, "deit").blocks}
            mixers = {"blocks.0": "conv3", "blocks.1": "conv1", "blocks.2": "skip"}
            return fold(derived(dense, build_anatomy(dense, "deit"), mixers, units)).eval(), "deit", False
        model = with_zeros(linearise(make_tiny("swin"), 1) if kind == "linear" else make_tiny("swin"))
        plans = {
            "zeroed": [ZEROS],
            "patterned": [PATTERN],
            "smaller": [SMALLER],
            "zeroed, then smaller": [ZEROS, SMALLER],
        }
        for plan in plans.get(kind, []):
            model = pipeline.prune(opened(model, "swin"), plan)[0]
        return model, "swin", kind.startswith(("zeroed", "patterned"))

    return make


def there(model):
    """Params and MACs of the tensors, without this project's counting."""
    side = model.patch_embed.img_size[0]
    with plain_attention(model), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, side, side))
    return sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops() // 2


@pytest.mark.parametrize("kind", VARIANTS)
def test_counts_are_those_of_the_tensors_in_every_precision(variant, kind):
    model, family, zeroed = variant(kind)
    params, macs = there(model)
    for dtype in DTYPES:
        anatomy = build_anatomy(model.to(dtype), family)
        told = results.counted(model, anatomy, zeroed)
        assert (told["params"], told["macs"]) == (params, macs), dtype
        assert ("params_nonzero" in told) == ("macs_nonzero" in told) == zeroed
        if zeroed:
            gone = {layer: model.get_parameter(f"{layer.name}.weight").eq(0).sum().item() for layer in anatomy.prunable}
            assert told["params_nonzero"] == params - sum(gone.values()) < params
            assert told["macs_nonzero"] == macs - sum(n * layer.macs // layer.size for layer, n in gone.items())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """What --data takes: twenty digits in one folder a class."""
    data, root = load_data("digits"), tmp_path_factory.mktemp("pictures")
    for number in range(20):
        place = root / str(number % 10)
        place.mkdir(exist_ok=True)
        Image.fromarray(data.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
    return f"folder:{root}"


@pytest.fixture
def ask(call):
    """The JSON object that a command prints, or without --json its text."""

    def run(*arguments, text=False):
        code, out, err = call(*arguments, *([] if text else ["--json"]))
        assert code == 0, err
        return out if text else json.loads(out)

    return run


def counts(told):
    return {key: told[key] for key in ("params", "macs", "params_nonzero", "macs_nonzero") if key in told}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_command_tells_the_same_counts_of_a_file_and_its_cuts(make_tiny, ask, tmp_path, pictures, dtype):
    model, file = (
        with_zeros(make_tiny("swin", img_size=16)),
        tmp_path / "tiny.safetensors",
    )  # the size that weights tell
    params, macs = there(model)
    save_file({key: value.to(dtype).contiguous() for key, value in model.state_dict().items()}, file)
    dense = {"params": params, "macs": macs}
    assert counts(ask("describe", file)) == counts(ask("evaluate", file, "--data", pictures)) == dense
    cuts = ["--ratio", 0], ["--ratio", 0.5], ["--criterion", "random", "--ratio", 0.3], ["--nm", "2:4"]
    for cut in (*cuts, ["--granularity", "structure", "--ratio", 0.4]):
        out = tmp_path / "-".join(map(str, cut)).strip("-")
        found = ask("prune", file, *cut, "--out", out)
        assert (found["params_before"], found["macs_before"]) == (params, macs)
        after = {"params": found["params_after"], "macs": found["macs_after"]}
        expected = after if "structure" in cut else dense | {f"{key}_nonzero": value for key, value in after.items()}
        expected = dense if 0 in cut else expected
        assert counts(ask("describe", out)) == counts(ask("evaluate", out, "--data", pictures)) == expected
        assert there(pipeline.open_model(str(out)).model) == (expected["params"], expected["macs"])


def test_tables_and_sentences_call_what_is_not_zero_so(make_tiny, ask, tmp_path):
    file = tmp_path / "tiny.safetensors"
    save_file(make_tiny("swin").state_dict(), file)
    zeros = ask("prune", file, "--ratio", 0.5, "--out", tmp_path / "zeros", text=True)
    smaller = ask("prune", file, "--granularity", "structure", "--ratio", 0.4, "--out", tmp_path / "smaller", text=True)
    assert "params_nonzero" in zeros and "macs_nonzero" in zeros and "nonzero" not in smaller
    described = [ask("describe", tmp_path / name, text=True).splitlines()[0] for name in ("zeros", "smaller")]
    assert "; not zero: " in described[0] and "zero" not in described[1]


def test_weights_cut_in_a_bare_file_are_told_apart_and_five_zeros_are_not(make_tiny, opened, tmp_path):
    for kind, model in (
        ("chance", with_zeros(make_tiny("swin"))), ("cut", pipeline.prune(opened(make_tiny("swin"), "swin"), ZEROS)[0])
    ):  # fmt: skip
        save_file(model.state_dict(), tmp_path / f"{kind}.safetensors")
        assert pipeline.open_model(str(tmp_path / f"{kind}.safetensors")).info.zeroed == (kind == "cut")


def test_the_bundled_linear_model_smaller_counts_its_tensors(ask, tmp_path):
    # 5 of its weights are zero by chance: the sum was told 1 short, MACs 16 short.
    opened = pipeline.open_model("swin-flatten")
    pipeline.save_pruned(tmp_path, opened, replace(SMALLER, ratio=None, budget=0.6))
    told, model = ask("evaluate", tmp_path, "--limit", 30), pipeline.open_model(str(tmp_path)).model
    assert counts(told) == counts(ask("describe", tmp_path))
    assert counts(told) == dict(zip(("params", "macs"), there(model), strict=True))


def test_a_smaller_model_with_zeros_from_before_tells_them_and_keeps_them(ask, tmp_path):
    pipeline.save_pruned(tmp_path / "zeros", pipeline.open_model("deit-digits"), ZEROS)
    pipeline.save_pruned(tmp_path / "both", pipeline.open_model(str(tmp_path / "zeros")), SMALLER)
    told = ask("describe", tmp_path / "both")
    model = pipeline.open_model(str(tmp_path / "both")).model
    assert (told["params"], told["macs"]) == there(model)
    assert told["params_nonzero"] < 0.8 * told["params"] and told["macs_nonzero"] < told["macs"]
    held = recovery.from_directory(tmp_path / "both").held()
    assert told["params"] - told["params_nonzero"] == sum((~where).sum().item() for where in held.values())


def test_a_second_cut_of_single_weights_counts_the_zeros_of_the_first(ask, tmp_path):
    pipeline.save_pruned(tmp_path / "once", pipeline.open_model("deit-digits"), ZEROS)
    for name, cut in (("pattern", ["--nm", "2:4"]), ("less", ["--ratio", 0.3])):
        found = ask("prune", tmp_path / "once", *cut, "--out", tmp_path / name)
        told = ask("describe", tmp_path / name)
        assert (told["params"], told["macs"]) == (found["params_before"], found["macs_before"])
        assert (told["params_nonzero"], told["macs_nonzero"]) == (found["params_after"], found["macs_after"])
        assert found["params_removed"] > 0.45


def test_sweeps_tell_zeros_apart_and_so_does_their_file(ask, tmp_path):
    rows = {}
    for granularity in ("weight", "structure"):
        options = ("--criteria", "dimap", "--scopes", "module", "--ratios", "0.5", "--limit", 30)
        out = tmp_path / f"{granularity}.csv"
        (rows[granularity],) = ask(
            "sweep", "deit-digits", *options, "--granularity", granularity, "--out", out
        )["rows"]  # fmt: skip
        assert counts(pd.read_csv(out).iloc[0]) == counts(rows[granularity])
    dense = there(pipeline.open_model("deit-digits").model)
    zeros, smaller = rows["weight"], rows["structure"]
    assert (zeros["params"], zeros["macs"]) == dense
    assert zeros["params_removed"] == pytest.approx(1 - zeros["params_nonzero"] / dense[0])
    assert zeros["macs_removed"] == pytest.approx(1 - zeros["macs_nonzero"] / dense[1])
    assert "params_nonzero" not in smaller
    assert smaller["params_removed"] == pytest.approx(1 - smaller["params"] / dense[0])


def test_the_table_of_tried_cuts_tells_zeros_apart():
    total = Part(1_000, 5_000, 400, 2_000, 900, 600)
    tried = [Tried(place, Setting(plan=plan), total) for place, plan in enumerate((ZEROS, SMALLER))]
    table = tried_points.table(tried)
    assert table["params"].tolist() == [1_000, 400] and table["macs"].tolist() == [5_000, 2_000]
    assert table["params_nonzero"].fillna(0).tolist() == [400, 0]
    assert table.to_csv(index=False).splitlines()[1].count(",400,") == 1  # no 400.0
    assert table["params_kept"].tolist() == [0.4, 0.4]


@pytest.mark.parametrize("name", [spec.name for spec in BUNDLED])
def test_what_ships_tells_the_counts_of_its_tensors(name):
    card = bundled_card(next(spec for spec in BUNDLED if spec.name == name))
    model = pipeline.open_model(name)
    assert (card["params"], card["macs"]) == there(model.model) and not model.info.zeroed
    file = ASSETS / "curves" / f"{name}.json"
    assert file.exists() or bundled(name).judged, "only models of photographs may wait for theirs"
    curves = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.exists() else []
    for row in curves:
        assert (row["params"], row["macs"]) == (card["params"], card["macs"]) and row["granularity"] == "weight"
        assert row["params_nonzero"] == sum(part["params_after"] for _, _, part in row["cells"])
    rows = [vars(row) for row in comparison.read() if row.model == name]
    for row in [*curves, *rows]:
        for what in ("params", "macs"):
            assert 1 - results.kept_count(row, what) / card[what] == pytest.approx(row[f"{what}_removed"])
    for row in rows:
        zeros = comparison.way(row["method"]).zeros
        assert (row["params"] == card["params"]) == (row["params_nonzero"] is not None) == zeros


def test_the_longer_studies_that_ship_are_of_smaller_models():
    cards = {spec.name: bundled_card(spec) for spec in BUNDLED}
    nvit, spvit, apma = (
        json.loads((ASSETS / f"{key}.json").read_text(encoding="utf-8")) for key in ("nvit", "spvit", "apma")
    )
    told = [(row["model"], row[part]) for row in nvit for part in ("NViT", "DIMAP")]
    told += [(row["model"], row[part]) for row in spvit for part in ("plain", "distilled")]
    told += [(row["model"], found) for row in apma for found in (row["full"], *row["without"])]
    assert len(told) > 5
    for name, found in told:
        assert 0 < found["params"] < cards[name]["params"] and 0 < found["macs"] < cards[name]["macs"]
        assert "params_nonzero" not in found
