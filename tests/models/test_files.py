"""Checkpoint files: every layout gives timm's own logits, bit by bit, and what cannot be told is asked for."""

import argparse
import collections
import json
import re

import pytest
import timm
import torch
from safetensors.torch import save_file

from dimap_core import pipeline
from dimap_core.models import checkpoints
from dimap_core.models.bundled import bundled
from dimap_core.models.catalogue import builds
from dimap_core.models.files.layouts import renamed
from dimap_core.models.load import load_model
from dimap_core.models.shapes.architectures import architecture
from dimap_core.types.errors import CheckpointError, PruningError, UnsupportedModel
from dimap_core.types.folders import ASSETS
from dimap_core.types.plan import PruningPlan

SWIN, DEIT = "swin_tiny_patch4_window7_224", "deit_tiny_patch16_224"
SMALL_SWIN = {"img_size": 64, "window_size": 4, "embed_dim": 12, "depths": (2, 2, 2), "num_heads": (1, 2, 3)}
CUSTOM = {
    "swin": (SWIN, {**SMALL_SWIN, "num_classes": 7}),
    "swin clamped": (
        SWIN,
        {**SMALL_SWIN, "img_size": 32, "patch_size": 2, "depths": (1, 1, 2, 1), "num_heads": (1,) * 4},
    ),
    "swin two stages": (SWIN, {**SMALL_SWIN, "img_size": 32, "depths": (1, 2), "num_heads": (1, 2), "mlp_ratio": 3.0}),
}


def custom(kind="swin"):
    """A small Swin that no name fits, in timm's layout."""
    torch.manual_seed(3)
    name, settings = CUSTOM[kind]
    return lively(timm.create_model(name, **settings))


def named(name, **settings):
    torch.manual_seed(4)
    return lively(timm.create_model(name, **settings))


def lively(model):
    """Larger weights than timm begins with, so that logits differ."""
    for parameter in model.parameters():
        parameter.data += torch.randn_like(parameter) * 0.1
    return model.eval()


def to_microsoft(state):
    """timm's Swin layout as Microsoft's: merging at the end of the stage before, a bare head, buffers saved along."""
    found = {}
    for key, value in state.items():
        key = re.sub(r"^layers\.(\d+)\.downsample", lambda at: f"layers.{int(at[1]) - 1}.downsample", key)
        found[key.replace("head.fc.", "head.")] = value
    return found


def with_buffers(model):
    buffers = {}
    for name, module in model.named_modules():
        for part in ("relative_position_index", "attn_mask", "relative_coords_table"):
            if getattr(module, part, None) is not None:
                buffers[f"{name}.{part}"] = getattr(module, part)
    return {**to_microsoft(model.state_dict()), **buffers}


def to_facebook(state):
    """timm's DeiT-3 layout as Facebook's."""
    return {re.sub(r"ls([12])\.gamma$", r"gamma_\1", key): value for key, value in state.items()}


def assert_same(model, source):
    """The file at `source` gives the logits of `model` at its own input size."""
    loaded, info = load_model(str(source))
    size = model.patch_embed.img_size[0]
    assert (info.input_size, info.source, info.weights, info.data) == (size, "file", "trained", None)
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted, got = model(images), loaded(images)
    assert wanted.std() > 0.01
    torch.testing.assert_close(got, wanted, rtol=0, atol=0)
    return info


LAYOUTS = {
    "timm": lambda model: model.state_dict(),
    "under model": lambda model: {"model": model.state_dict(), "epoch": 3, "lr": 0.1},
    "under state_dict": lambda model: {"state_dict": model.state_dict(), "args": argparse.Namespace(lr=1)},
    "averaged first": lambda model: {"model": named(DEIT).state_dict(), "model_ema": model.state_dict()},
    "under state_dict_ema": lambda model: {"state_dict": {}, "state_dict_ema": model.state_dict()},
    "DataParallel": lambda model: {f"module.{key}": value for key, value in model.state_dict().items()},
    "compiled in parallel": lambda model: {f"module._orig_mod.{k}": v for k, v in model.state_dict().items()},
    "lightning": lambda model: {"state_dict": {f"model.{key}": value for key, value in model.state_dict().items()}},
    "backbone": lambda model: {f"backbone.{key}": value for key, value in model.state_dict().items()},
    "Microsoft": lambda model: {"model": to_microsoft(model.state_dict())},
    "Microsoft with buffers": lambda model: {"model": with_buffers(model)},
    "parameters": lambda model: collections.OrderedDict(model.named_parameters()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_timms_logits(tmp_path, layout):
    model = custom()
    torch.save(LAYOUTS[layout](model), tmp_path / "a.pth")
    info = assert_same(model, tmp_path / "a.pth")
    assert (info.name, info.architecture, info.settings["num_classes"]) == ("a.pth", SWIN, 7)


@pytest.mark.parametrize("kind", CUSTOM)
def test_a_swin_without_a_name_is_found_from_its_shapes(tmp_path, kind):
    model = custom(kind)
    save_file(model.state_dict(), tmp_path / "a.safetensors")
    if kind != "swin two stages":  # its windows fit a smaller image too, and nothing in the file tells
        assert_same(model, tmp_path / "a.safetensors")
    else:
        assert load_model(str(tmp_path / "a.safetensors"))[1].input_size == 32


@pytest.mark.parametrize(
    ("name", "settings", "layout"),
    [
        (DEIT, {"num_classes": 5, "depth": 12}, LAYOUTS["timm"]),
        (DEIT, {"img_size": 64, "num_classes": 3}, LAYOUTS["under model"]),
        ("deit_tiny_distilled_patch16_224", {"img_size": 64}, LAYOUTS["under model"]),
        ("deit3_small_patch16_224", {"img_size": 32}, lambda model: {"model": to_facebook(model.state_dict())}),
        ("test_vit", {"num_classes": 11}, LAYOUTS["timm"]),
        ("vit_wee_patch16_reg1_gap_256", {"img_size": 32}, LAYOUTS["timm"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_named_architectures_are_found_with_other_classes_and_sizes(tmp_path, name, settings, layout):
    model = named(name, **settings)
    torch.save(layout(model), tmp_path / "a.pt")
    assert assert_same(model, tmp_path / "a.pt").architecture == name


@pytest.mark.parametrize("name", [build.name for build in builds() if build.name.startswith("swin_")])
def test_a_swin_is_called_by_the_name_that_has_its_windows(name):
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=3)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert architecture(shapes, {}).name == name


def test_a_swin_of_windows_that_no_name_has_is_called_by_a_name_of_equal_windows(tmp_path):
    model = timm.create_model(SWIN, img_size=448, window_size=14, num_classes=10)
    save_file(model.state_dict(), tmp_path / "a.safetensors")
    info = load_model(str(tmp_path / "a.safetensors"))[1]
    assert (info.architecture, info.input_size, info.settings["window_size"]) == (SWIN, 448, (14,) * 4)


def test_a_swin_v2_is_told_by_its_buffers_or_by_name(tmp_path):
    settings = {"img_size": 64, "window_size": 4, "embed_dim": 12, "depths": (2, 2), "num_heads": (1, 2)}
    model = named("swinv2_tiny_window8_256", **settings)
    torch.save({"model": with_buffers(model)}, tmp_path / "a.pth")
    loaded, info = load_model(str(tmp_path / "a.pth"))
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), model(images))
    assert info.settings["window_size"] == (4, 4)
    torch.save(model.state_dict(), tmp_path / "b.pth")
    with pytest.raises(UnsupportedModel, match="window"):
        load_model(str(tmp_path / "b.pth"))


def test_half_precision_is_loaded_in_float32(tmp_path):
    model = custom()
    save_file({key: value.half() for key, value in model.state_dict().items()}, tmp_path / "a.safetensors")
    loaded, _ = load_model(str(tmp_path / "a.safetensors"))
    for key, value in loaded.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, model.state_dict()[key].half().float())


def test_a_file_of_a_bundled_architecture_is_judged_on_its_data():
    loaded, info = load_model(str(ASSETS / "swin-digits.safetensors"))
    assert (info.data, info.architecture, info.source, len(info.class_names)) == ("digits", "swin-digits", "file", 10)
    dense = load_model("swin-digits")[0].state_dict()
    assert all(torch.equal(value, dense[key]) for key, value in loaded.state_dict().items())


def test_heads_of_a_vit_are_asked_for_and_taken_from_the_named_architecture(tmp_path):
    model = named(DEIT, img_size=32, embed_dim=48, depth=2, num_heads=3)
    torch.save(model.state_dict(), tmp_path / "a@b.pth")
    with pytest.raises(UnsupportedModel, match=r"width 48 and depth 2.*number of heads"):
        load_model(str(tmp_path / "a@b.pth"))
    loaded, info = load_model(f"{tmp_path}/a@b.pth@{DEIT}.fb_in1k")
    images = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(loaded(images), model(images))
    assert (info.architecture, info.settings["depth"]) == (DEIT, 2)
    said, told = load_model(f"{tmp_path}/a@b.pth@?num_heads=3")
    with torch.inference_mode():
        assert torch.equal(said(images), model(images))
    assert told.settings["num_heads"] == 3
    other = load_model(f"{tmp_path}/a@b.pth@deit_small_patch16_224")[1]  # twice the heads
    assert other.fingerprint != info.fingerprint
    with pytest.raises(UnsupportedModel, match="did you mean"):
        load_model(f"{tmp_path}/a@b.pth@deit_tinny_patch16_224")
    with pytest.raises(CheckpointError, match="does not hold the weights of 'swin-digits'"):
        load_model(f"{tmp_path}/a@b.pth@swin-digits")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"patch_embed.proj.weight": torch.zeros(192, 4, 16, 16)}, r"4 channels \(patch_embed.proj.weight is \[192, 4"),
        ({"extra.weight": torch.zeros(3)}, r"of extra.weight it has \[3\], the model needs none"),
        ({"blocks.3.mlp.fc1.bias": None}, r"of blocks.3.mlp.fc1.bias it has none, the model needs \[768\]"),
        ({"pos_embed": torch.zeros(1, 1 + 4 * 5, 192)}, "not square"),
    ],
)
def test_what_keeps_a_vit_from_fitting_is_named(tmp_path, change, said):
    state = {**named(DEIT, img_size=64, num_classes=3).state_dict(), **change}
    torch.save({name: value for name, value in state.items() if value is not None}, tmp_path / "a.pth")
    with pytest.raises((CheckpointError, UnsupportedModel), match=said):
        load_model(str(tmp_path / "a.pth"))


def test_weights_that_fit_models_of_different_behaviour_are_asked_about():
    clip = [build for build in builds() if build.name.startswith("vit_base_patch32_clip_")]
    assert len({build.signature for build in clip}) == 1 and len({build.behaviour for build in clip}) == 2
    model = timm.create_model("vit_base_patch32_clip_224", device="meta")
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    with pytest.raises(UnsupportedModel, match="vit_base_patch32_clip_quickgelu_224"):
        architecture(shapes, {})
    assert architecture(shapes, {}, "vit_base_patch32_clip_quickgelu_224").settings["img_size"] == 224


@pytest.mark.parametrize(
    ("arch", "found"), [("vit_tiny_patch16_224", "vit_tiny_patch16_224"), ("resnet50", DEIT), ([1], DEIT)]
)
def test_the_architecture_that_a_training_script_wrote_is_believed_where_it_fits(tmp_path, arch, found):
    state = named(DEIT, img_size=64, num_classes=3).state_dict()
    torch.save({"arch": arch, "state_dict": state}, tmp_path / "a.pth.tar")
    assert load_model(str(tmp_path / "a.pth.tar"))[1].architecture == found
    (tmp_path / "hub").mkdir()
    save_file(state, tmp_path / "hub" / "model.safetensors")
    (tmp_path / "hub" / "config.json").write_text(json.dumps({"architecture": arch, "pretrained_cfg": {}}))
    assert load_model(str(tmp_path / "hub"))[1].architecture == found


def test_names_that_become_one_are_refused():
    with pytest.raises(CheckpointError, match=r"holds 'a\.weight' twice"):
        renamed(["module.a.weight", "a.weight"])


def test_an_input_size_that_no_shape_tells_can_be_said(tmp_path):
    name, settings = CUSTOM["swin"]
    torch.manual_seed(3)
    model = lively(timm.create_model(name, **{**settings, "img_size": 128}))
    torch.save(model.state_dict(), tmp_path / "a.pth")
    assert load_model(f"{tmp_path}/a.pth")[1].input_size == 64  # the smallest that fits the windows
    loaded, info = load_model(f"{tmp_path}/a.pth@?img_size=128")
    images = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        assert torch.equal(loaded(images), model(images))
    assert info.input_size == 128
    opened = pipeline.open_model(f"file:{tmp_path}/a.pth@?img_size=128")
    pipeline.save_pruned(tmp_path / "cut", opened, PruningPlan(ratio=0.3, granularity="structure"))
    assert load_model(str(tmp_path / "cut"))[1].input_size == 128


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("img_size", "says nothing of an architecture"),
        ("img_size=a", "says nothing of an architecture"),
        ("img_size=64&act_layer=os", "says nothing of an architecture"),
        ("img_size=100000", "No model of img_size 100000"),
        ("window_size=5", "of no window_size 5, they tell"),
        ("num_heads=7", "of no num_heads 7, they tell"),
    ],
)
def test_what_is_said_beside_the_weights_is_checked(tmp_path, said, answer):
    torch.save(custom().state_dict(), tmp_path / "a.pth")
    with pytest.raises(UnsupportedModel, match=answer):
        load_model(f"{tmp_path}/a.pth@?{said}")
    with pytest.raises(UnsupportedModel, match=answer):
        load_model(f"{tmp_path}/a.pth@{SWIN}?{said}")


@pytest.mark.parametrize("granularity", ["weight", "structure"])
def test_a_pruned_file_is_written_zipped_and_opened_again(tmp_path, granularity):
    import shutil

    save_file(custom().state_dict(), tmp_path / "mine.safetensors")
    opened = pipeline.open_model(str(tmp_path / "mine.safetensors"))
    plan = PruningPlan(ratio=0.5, granularity=granularity, scope="layer")
    pipeline.save_pruned(tmp_path / "out", opened, plan)
    pruned = pipeline.prune(opened, plan)[0]
    path = shutil.make_archive(str(tmp_path / "mine-pruned"), "zip", tmp_path / "out")
    for source in (path, tmp_path / "out"):
        loaded, info = load_model(str(source))
        images = torch.randn(1, 3, 64, 64)
        with torch.inference_mode():
            torch.testing.assert_close(loaded(images), pruned(images))
    assert (info.architecture, load_model(path)[1].name) == (SWIN, "mine-pruned.zip")


def test_a_bundled_models_zip_opens_with_its_data(tmp_path):
    import shutil

    opened = pipeline.open_model("deit-digits")
    pipeline.save_pruned(tmp_path / "out", opened, PruningPlan(ratio=0.98))  # packs well: mostly zeros
    path = shutil.make_archive(str(tmp_path / "z"), "zip", tmp_path / "out")
    info = load_model(path)[1]
    assert (info.data, info.source, info.architecture) == ("digits", "file", "deit-digits")


@pytest.mark.parametrize("layout", ["pth", "safetensors"])
def test_names_of_classes_saved_along_are_kept_through_a_cut(tmp_path, layout):
    model, numbers = custom(), {"zebra": 2, "ape": 0, "10": 1, **{f"x{n}": n for n in range(3, 7)}}
    file = tmp_path / f"a.{layout}"
    if layout == "pth":
        torch.save({"model": model.state_dict(), "class_to_idx": numbers}, file)
    else:
        save_file(model.state_dict(), file, {"class_to_idx": json.dumps(numbers)})
    opened = pipeline.open_model(str(file))
    assert opened.info.class_names == ("ape", "10", "zebra", "x3", "x4", "x5", "x6")
    pipeline.save_pruned(tmp_path / "cut", opened, PruningPlan(ratio=0.5))
    card, again = checkpoints.read_card(tmp_path / "cut"), load_model(str(tmp_path / "cut"))[1]
    assert again.class_names == tuple(card["class_names"]) == opened.info.class_names
    assert (card["mean"], card["std"], card["input_size"]) == (list(again.mean), list(again.std), 64)


def test_a_class_that_is_called_markup_is_written_without_any(tmp_path):
    names = ["![x](http://host/x.png)", "<b>", "a\ud800", "z" * 999, "d", "e", "f"]
    torch.save(
        {"model": custom().state_dict(), "class_to_idx": {name: n for n, name in enumerate(names)}}, tmp_path / "a"
    )
    found = load_model(str(tmp_path / "a"))[1].class_names
    assert found[:3] == ("!(x)(http://host/x.png)", "‹b›", "a?") and len(found[3]) == 200


@pytest.mark.parametrize("numbers", [{"a": 0}, {"a": 1, "b": 1}, {"a": "0"}, {"a": True}, ["a"] * 7, "{", 7])
def test_what_names_no_classes_is_left_alone(tmp_path, numbers):
    torch.save({"model": custom().state_dict(), "class_to_idx": numbers}, tmp_path / "a.pth")
    assert load_model(str(tmp_path / "a.pth"))[1].class_names == ()


def test_a_file_that_went_away_is_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match="no longer here"):
        load_model(f"file:{tmp_path}/gone.pth")
    assert bundled("swin-digits") and issubclass(CheckpointError, PruningError)
