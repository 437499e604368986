"""Back to the layout a model came in: what is written is the source itself where nothing was cut, and reads as the cut
model where something was; nothing of a file but what was trained with it is lost."""

import copy
import json
import re

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import parametrizations, prune

from dimap_core import pipeline
from dimap_core.models.exports.source import write_source
from dimap_core.models.load import load_model
from dimap_core.types.errors import CheckpointError, UnsupportedModel
from dimap_core.types.plan import PruningPlan
from tests.helpers import SINGLE, assert_refused, full_disk, same
from tests.models.foreign import DEIT, SWIN, VIT, lively, logits, named, prefixed, written
from tests.models.test_foreign_files import OPENMMLAB, SMALL, hugging_face
from tests.models.test_model_folders import CONFIG, SETTINGS, write
from tests.models.test_npz import TINY, flax
from tests.models.test_recorded import drawn, recorded

ZEROS = PruningPlan("magnitude", ratio=0.5)
MICROSOFT = ((r"^layers\.(\d)\.downsample", lambda at: f"layers.{int(at[1]) - 1}.downsample"), (r"^head\.fc", "head"))


def openmmlab():
    return written(named(SWIN, **SMALL).state_dict(), OPENMMLAB)


def torchvisions(kind):
    torch.manual_seed(0)
    if kind == "vit":
        wide = {"num_layers": 12, "num_heads": 3, "hidden_dim": 192, "mlp_dim": 768}
        return lively(torchvision.models.VisionTransformer(image_size=32, patch_size=16, num_classes=7, **wide))
    sizes = {"patch_size": [2, 2], "embed_dim": 12, "depths": [2, 2, 2], "num_heads": [1, 2, 3], "num_classes": 7}
    parts = torchvision.models.swin_transformer
    second = {"block": parts.SwinTransformerBlockV2, "downsample_layer": parts.PatchMergingV2}
    more = second if kind == "swin 2" else {}
    return lively(torchvision.models.SwinTransformer(**sizes, window_size=[4, 4], **more))


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def masked_and_normed():
    model = named(DEIT, **VIT)
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for number, layer in enumerate(layers[:-1]):
        if number % 3 == 0:
            prune.random_unstructured(layer, "weight", 0.3)
        elif number % 3 == 1:
            parametrizations.weight_norm(layer)
    return model.state_dict()


def dinov2():
    state = named("vit_small_patch14_reg4_dinov2", img_size=28, num_classes=0).state_dict()
    state = {name: value for name, value in state.items() if name not in ("reg_token", "pos_embed")}
    return state | {
        "mask_token": torch.ones(1, 384), "pos_embed": torch.randn(1, 5, 384), "register_tokens": torch.randn(1, 4, 384)
    }  # fmt: skip


def deit(kind=torch.float32):
    return {name: value.to(kind) for name, value in named(DEIT, **VIT).state_dict().items()}


def training(state, **more):
    optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}}
    return {"model": state, "optimizer": optimizer, "epoch": 3, **more}


FILES = {
    "timm": deit,
    "timm in float64": lambda: {**deit(torch.float64), "head.bias": torch.full((7,), 1 / 3, dtype=torch.float64)},
    "timm in bfloat16": lambda: deit(torch.bfloat16),
    "DeiT's training": lambda: training(deit(), args={"lr": 0.1}),
    "Microsoft's Swin": lambda: {"model": written(named(SWIN, **SMALL).state_dict(), MICROSOFT)},
    "Lightning": lambda: {"state_dict": prefixed(deit(), "net."), "global_step": 5},
    "averaged by torch": lambda: {"n_averaged": torch.tensor(3), **prefixed(deit(), "module.")},
    "OpenMMLab": lambda: {"state_dict": openmmlab(), "meta": {"CLASSES": [*"abcdefg"]}},
    "a detector": lambda: {
        "state_dict": {
            **prefixed(written(named(SWIN, **{**SMALL, "num_classes": 0}).state_dict(), MICROSOFT[:1]), "backbone."),
            "neck.convs.0.weight": torch.ones(3),
        }
    },
    "torchvision's Swin": lambda: torchvisions("swin").state_dict(),
    "torchvision's SwinV2": lambda: torchvisions("swin 2").state_dict(),
    "torchvision's ViT": lambda: torchvisions("vit").state_dict(),
    "DINO": lambda: {"teacher": prefixed(deit(), "backbone."), "student": prefixed(deit(), "module.backbone.")},
    "DINOv2": dinov2,
    "MAE": lambda: {"model": {re.sub("^norm", "fc_norm", name): value for name, value in deit().items()}},
    "masks and weight norms": masked_and_normed,
    "DeiT without its teacher": lambda: hugging_face(named(DEIT, **VIT, reg_tokens=1).state_dict(), 5, "deit"),
    "ViT with a pooler": lambda: {
        **hugging_face(deit(), 4, "vit"), "vit.pooler.dense.weight": torch.randn(192, 192)
    },
}  # fmt: skip
TIMMS = ("timm", "timm in float64", "timm in bfloat16", "DeiT's training", "Lightning", "averaged by torch", "DINO",
         "masks and weight norms")  # fmt: skip


def opened_file(tmp_path, content):
    torch.save(content, tmp_path / "theirs.pth")
    return pipeline.open_model(str(tmp_path / "theirs.pth"))


def flat(content):
    """Every tensor by the keys that lead to it."""
    if isinstance(content, torch.Tensor):
        return {(): content}
    return {(key, *rest): one for key, value in content.items() if isinstance(value, dict | torch.Tensor)
            for rest, one in flat(value).items()}  # fmt: skip


def assert_equal(found, wanted):
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape), name
        assert torch.equal(found[name], tensor), name


def within(content):
    """The state dict that counts, as `foreign` wraps them."""
    return next((content[key] for key in ("teacher", "model", "state_dict") if key in content), content)


@pytest.fixture(scope="module", params=FILES)
def case(request, tmp_path_factory):
    """(name of a file, what it holds, the model it opens as)"""
    content = FILES[request.param]()
    return request.param, content, opened_file(tmp_path_factory.mktemp("source"), content)


def test_an_uncut_files_tensors_come_back_bit_by_bit(tmp_path, case):
    _, content, opened = case
    write_source(opened.model, opened.info, tmp_path / "out.pth")
    found = torch.load(tmp_path / "out.pth", weights_only=True)
    assert_equal(flat(within(found)), flat(within(content)))
    assert ("student" in found, "optimizer" in found) == (False, False)


def redrawn(model):
    """A copy with other values everywhere, half of the blocks' weights zero."""
    model = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        parameter.data = parameter.data * 0.5 + 0.01 * torch.randn(parameter.shape, generator=generator)
        if "blocks" in name:
            parameter.data *= torch.rand(parameter.shape, generator=generator) > 0.5
    return model


def test_any_values_are_read_back_as_they_were(tmp_path, case):
    name, content, opened = case
    model = redrawn(opened.model)
    returned = write_source(model, opened.info, tmp_path / "out.pth")
    again, info = load_model(str(tmp_path / "out.pth"))
    rounded = {"timm in bfloat16": 2**-8, "masks and weight norms": SINGLE, "DINOv2": SINGLE}.get(name, 0)
    for key, value in model.state_dict().items():
        found = again.state_dict()[key]
        assert torch.equal(found == 0, value == 0) and (found - value).abs().max() <= rounded * value.abs().max(), key
    assert info.settings == opened.info.settings and info.class_names == opened.info.class_names
    before, after = flat(within(content)), flat(within(torch.load(tmp_path / "out.pth", weights_only=True)))
    kept = {".".join(name) for name in before if torch.equal(before[name], after[name])}
    assert (returned.layout == "timm's") == (name in TIMMS)
    assert kept == {*returned.untouched} | {name for name in kept if name.endswith("_mask")}
    assert before.keys() == after.keys()


@pytest.mark.parametrize("kind", ["swin", "swin 2", "vit"])
def test_torchvision_loads_what_was_cut(tmp_path, kind):
    theirs = torchvisions(kind)
    opened = opened_file(tmp_path, theirs.state_dict())
    pipeline.save_pruned(tmp_path / "cut", opened, ZEROS)
    model, info = load_model(str(tmp_path / "cut"))
    returned = write_source(model, info, tmp_path / "out.pth")
    theirs.load_state_dict(torch.load(tmp_path / "out.pth", weights_only=True))
    assert same(logits(theirs, 32), logits(model, 32))
    assert "torchvision" in returned.layout and returned.types == ("float32",)


def test_openmmlabs_order_of_merged_channels_comes_back(tmp_path):
    opened = opened_file(tmp_path, {"state_dict": openmmlab()})
    reduction = opened.model.layers[1].downsample.reduction.weight
    reduction.data[0] = torch.arange(48.0)  # timm's channels run [column, row, C]
    write_source(opened.model, opened.info, tmp_path / "out.pth")
    found = torch.load(tmp_path / "out.pth")["state_dict"]["backbone.stages.0.downsample.reduction.weight"]
    wanted = [24.0 * column + 12 * row + channel for channel in range(12) for row in (0, 1) for column in (0, 1)]
    assert found[0].tolist() == wanted


@pytest.mark.parametrize("name", recorded())
def test_a_folder_of_transformers_comes_back_whole(tmp_path, name):
    """The config beside it, and a pooler and mask token that timm's model has no place for."""
    row = recorded()[name]
    source = write(tmp_path / "a", drawn(row["shapes"]), row["config"])
    opened = pipeline.open_model(source)
    write_source(opened.model, opened.info, tmp_path / "b")
    assert_equal(load_file(tmp_path / "b" / "model.safetensors"), load_file(tmp_path / "a" / "model.safetensors"))
    assert json.loads((tmp_path / "b" / "config.json").read_text()) == row["config"]
    model = redrawn(opened.model)
    returned = write_source(model, opened.info, tmp_path / "c")
    again, _ = load_model(str(tmp_path / "c"))
    for key, value in model.state_dict().items():
        assert same(again.state_dict()[key], value) if value.any() else not again.state_dict()[key].any(), key
    assert "Hugging Face" in returned.layout
    assert all("mask_token" in key or "pooler" in key for key in returned.untouched)


def test_shards_index_and_metadata_come_back(tmp_path):
    state = hugging_face(named(DEIT, **SETTINGS).state_dict(), 5, "vit")
    source = write(tmp_path / "a", state, files=3)
    opened = pipeline.open_model(source)
    write_source(opened.model, opened.info, tmp_path / "b")
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert {path.name for path in (tmp_path / "b").iterdir()} == names and len(names) == 5
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    told = {"format": "pt", "class_to_idx": json.dumps({"a": 0, "b": 1, "c": 2})}
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "one.safetensors", told)
    opened = pipeline.open_model(f"{tmp_path}/one.safetensors@?num_heads=6")
    write_source(opened.model, opened.info, tmp_path / "two.safetensors")
    with safe_open(tmp_path / "two.safetensors", "pt") as file:
        assert file.metadata() == told


def test_a_cut_a_repair_and_a_cut_of_a_cut_go_back(tmp_path, call):
    state = hugging_face(named(DEIT, **SETTINGS).state_dict(), 4, "vit")
    state["vit.pooler.dense.weight"] = torch.ones(48, 48)
    source = write(tmp_path / "a", state, CONFIG)
    for number, (model, ratio) in enumerate(((source, "0.3"), (tmp_path / "0", "0.5"))):
        assert (
            call("prune", model, "--ratio", ratio, "--criterion", "magnitude", "--out", tmp_path / str(number))[0] == 0
        )
    code, out, told = call("export", tmp_path / "1", "--format", "source", "--out", tmp_path / "b", "--json")
    result = json.loads(out)
    assert code == 0 and result["untouched"] == ["vit.pooler.dense.weight"] and result["bytes"] > 0
    assert "Hugging Face" in told and "vit.pooler.dense.weight" in told
    model, info = load_model(str(tmp_path / "1"))
    again, found = load_model(str(tmp_path / "b"))
    assert torch.equal(logits(again, 32), logits(model, 32)) and found.class_names == info.class_names
    assert found.settings == info.settings


def test_what_lay_beside_the_weights_is_told_and_what_names_them_stays(tmp_path):
    more = {"model_ema": deit(), "arch": DEIT, "class_to_idx": {name: n for n, name in enumerate("abcdefg")}}
    opened = opened_file(tmp_path, training(deit(), meta={"epoch": 3, "hooks": torch.zeros(1)}, **more))
    returned = write_source(redrawn(opened.model), opened.info, tmp_path / "out.pth")
    found = torch.load(tmp_path / "out.pth", weights_only=True)
    assert returned.left_out == ("optimizer", "epoch", "meta")
    assert found.keys() == {"model", "model_ema", "arch", "class_to_idx"} and found["arch"] == DEIT
    assert_equal(found["model"], found["model_ema"])
    assert "left out: optimizer, epoch, meta" in returned.sentence


def refusal(opened, out, *parts, kind=CheckpointError, model=None):
    assert_refused(kind, lambda: write_source(model or opened.model, opened.info, out), *parts)
    assert not out.exists()


def test_what_cannot_go_back_is_one_sentence(tmp_path, tiny_swin):
    opened = opened_file(tmp_path, deit())
    out = tmp_path / "out.pth"
    for ratios in ((((None, "qk_dim"), 0.5),), (((None, "mlp_neuron"), 0.5),)):
        smaller = pipeline.prune(opened, PruningPlan("magnitude", "structure", "module", 0.0, ratios))[0]
        refusal(opened, out, "was made smaller", "prune --out", "load_pruned.py", kind=UnsupportedModel, model=smaller)
    refusal(tiny_swin, out, "made from no file", kind=UnsupportedModel)
    torch.save({name: value + 1 for name, value in deit().items()}, tmp_path / "theirs.pth")
    refusal(opened, out, "has changed since")
    (tmp_path / "theirs.pth").unlink()
    refusal(opened, out, "no longer there", "theirs.pth", "prune --out")
    half = opened_file(tmp_path, deit(torch.float16))
    half.model.head.weight.data[0] = 1e6
    refusal(half, out, "float16", "float32")


@pytest.mark.parametrize("form", ["theirs.pth", "theirs.safetensors", "theirs"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, form):
    if form == "theirs":
        source = write(tmp_path / form, hugging_face(named(DEIT, **SETTINGS).state_dict(), 5, "vit"))
    else:
        source = str(tmp_path / form)
        torch.save(deit(), source) if form.endswith("pth") else save_file(deit(), source)
    opened = pipeline.open_model(source)
    (tmp_path / "out").mkdir()
    with full_disk(4096):
        refusal(opened, tmp_path / "out" / "b", "no space left", "make room there")
    assert list((tmp_path / "out").iterdir()) == []


def test_one_net_of_two_goes_back_and_the_other_stays(tmp_path):
    both = prefixed(deit(), "base_encoder.") | prefixed(deit(), "momentum_encoder.")
    opened = opened_file(tmp_path, {"state_dict": both})
    model = redrawn(opened.model)
    returned = write_source(model, opened.info, tmp_path / "out.pth")
    found = torch.load(tmp_path / "out.pth", weights_only=True)["state_dict"]
    assert {*returned.untouched} == {name for name in both if name.startswith("momentum")}
    for name, value in model.state_dict().items():
        assert torch.equal(found[f"base_encoder.{name}"], value)
        assert torch.equal(found[f"momentum_encoder.{name}"], both[f"momentum_encoder.{name}"])


def test_a_repository_goes_back_as_a_folder(tmp_path, monkeypatch):
    """Where the hub's cache has it."""
    source = write(tmp_path / "a", hugging_face(named(DEIT, **SETTINGS).state_dict(), 5, "vit"))
    folders = {"someone/vit": tmp_path / "a"}
    monkeypatch.setattr("dimap_core.models.hub.repositories.folder_of", folders.get)
    monkeypatch.setattr("dimap_core.models.hub.fetch_repository", lambda name: iter(()))
    opened = pipeline.open_model("someone/vit")
    write_source(opened.model, opened.info, tmp_path / "b")
    files = sorted(path.name for path in (tmp_path / "b").iterdir())
    assert files == ["config.json", "model.safetensors"] and source
    assert (tmp_path / "a" / files[1]).read_bytes() == (tmp_path / "b" / files[1]).read_bytes()
    folders.clear()
    refusal(opened, tmp_path / "c", "no longer there ('someone/vit')")


def test_googles_arrays_are_only_read(tmp_path):
    model = lively(timm.create_model(DEIT, **TINY))
    np.savez(tmp_path / "a.npz", **flax(model))
    refusal(pipeline.open_model(str(tmp_path / "a.npz")), tmp_path / "out", "only read here", kind=UnsupportedModel)
