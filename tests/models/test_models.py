"""Models: every name leads to a model or to one clear sentence; cached weights load without a network."""

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from dimap_core.anatomy.build import build_anatomy
from dimap_core.models.bundled import BUNDLED, bundled, bundled_card
from dimap_core.models.load import load_model
from dimap_core.models.named_models import build, fingerprint, load_bundled
from dimap_core.types.errors import CheckpointError, Offline, UnsupportedModel
from tests.helpers import assert_refused

CACHED = "test_vit.r160_in1k"  # timm's smallest ViT with weights on the hub


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty cache of the model hub, and a hub at a port where nothing listens: offline on every machine."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("nope", ["no model 'nope'", "did you mean"]),
        ("swin_tiny_patch4_window7_22", ["did you mean swin_tiny_patch4_window7_224?"]),
        ("swin-digit", ["did you mean swin-digits?"]),
        ("resnet50", ["not a Swin or DeiT", "resnet"]),
        ("convnext_tiny", ["not a Swin or DeiT", "convnext"]),
        ("swinv2_cr_tiny_ns_224", ["not a Swin or DeiT"]),
        ("vit_small_resnet26d_224", ["not a Swin or DeiT"]),
        ("swin_tiny_patch4_window7_224.nonsense", ["no weights", "drop what follows the dot"]),
        ("swin_tiny_patch4_window7_224.ms_in1k/../x", ["no weights"]),
        ("vit_small_patch16_36x1_224", ["no pretrained weights", "random"]),
        ("../swin-digits", ["no model '../swin-digits'"]),
        ("/no/such/directory", ["no model '/no/such/directory'"]),
        ("hf-hub:someone/something", ["no model"]),
        ("", ["no model ''"]),
        ("x" * 5000, ["no model"]),
        ("two\nlines", ["no model"]),
        ("nul\0byte", ["no model"]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_name_that_is_no_supported_model_is_refused(name, parts):
    assert_refused(UnsupportedModel, lambda: load_model(name), *parts)


def test_a_directory_that_is_no_checkpoint_is_refused(tmp_path):
    assert_refused(CheckpointError, lambda: load_model(str(tmp_path)), "not a pruned checkpoint", "prune --out")


def test_unknown_kinds_of_weights_are_refused():
    assert_refused(UnsupportedModel, lambda: load_model("swin-digits", "imagenet"), "'pretrained' or 'random'")


def test_without_a_network_and_a_cache_pretrained_weights_are_refused_with_the_remedy(hub_cache):
    offline = constants.HF_HUB_OFFLINE
    for name in ("deit_tiny_patch16_224", "swin_tiny_patch4_window7_224.ms_in1k"):
        assert_refused(Offline, lambda name=name: load_model(name), f"'{name}'", "not cached", "random weights")
    assert offline == constants.HF_HUB_OFFLINE


@pytest.fixture
def cached_weights(hub_cache):
    """Random weights of a small ViT in the hub client's cache layout."""
    torch.manual_seed(5)
    tensors = {key: torch.randn_like(value) for key, value in timm.create_model("test_vit").state_dict().items()}
    repository = hub_cache / f"models--timm--{CACHED}"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    save_file(tensors, snapshot / "model.safetensors")
    return tensors


@pytest.mark.parametrize("name", [CACHED, CACHED.split(".")[0], f"timm/{CACHED}"])
def test_cached_pretrained_weights_load_without_a_network(cached_weights, name):
    model, info = load_model(name)
    assert (info.weights, info.source, info.family, info.input_size) == ("pretrained", "timm", "deit", 160)
    state = model.state_dict()
    assert state.keys() == cached_weights.keys()
    assert all(torch.equal(state[key], value) for key, value in cached_weights.items())
    assert not model.training and build_anatomy(model, info.family).prunable


def test_random_weights_follow_the_seed():
    first, second, other = (load_model("test_vit", "random", seed) for seed in (1, 1, 2))
    assert first[1] == second[1]
    assert first[1].fingerprint == fingerprint(second[0]) != other[1].fingerprint
    assert (first[1].weights, first[1].data, first[1].class_names) == ("random", None, ())


def test_the_fingerprint_notices_a_single_weight(make_tiny):
    model = make_tiny("swin")
    before = fingerprint(model)
    with torch.no_grad():
        model.head.fc.weight[0, 0] += 1e-3
    assert fingerprint(model) != before


@pytest.mark.parametrize("spec", BUNDLED, ids=lambda spec: spec.name)
def test_a_bundled_model_is_what_its_row_says(spec):
    model, info = load_model(spec.name, "random")
    assert bundled(spec.name) is spec
    assert (info.name, info.family, info.data, info.source) == (
        spec.name,
        spec.family,
        None if spec.judged else spec.data,
        "bundled",
    )
    assert len(info.class_names) == spec.classes
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, spec.input_size, spec.input_size)).shape == (1, spec.classes)


@pytest.mark.parametrize("spec", BUNDLED, ids=lambda spec: spec.name)
def test_the_bundled_weights_are_trained_and_match_their_card(spec):
    model, info = load_model(spec.name)
    card = bundled_card(spec)
    assert info.weights == "trained" and not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert card["params"] == sum(parameter.numel() for parameter in model.parameters())
    least, n = {"digits": (0.9, 540), "textured-digits": (0.9, 1080), "cifar10": (0.8, 5000)}[spec.data]
    assert card["top1"] > least and card["n"] == n
    assert info.fingerprint != load_model(spec.name, "random")[1].fingerprint


def test_a_missing_asset_names_the_command_that_makes_it(tmp_path):
    spec = BUNDLED[0]
    command = f"python -m dimap_core train {spec.name}"
    assert_refused(CheckpointError, lambda: load_bundled(spec, tmp_path), "missing", command)


@pytest.mark.parametrize("damage", ["garbage", "truncated", "another model"])
def test_a_damaged_asset_is_refused(tmp_path, make_tiny, damage):
    spec = bundled("swin-digits")
    path = tmp_path / "swin-digits.safetensors"
    tensors = (make_tiny("deit") if damage == "another model" else build(spec)).state_dict()
    save_file({key: value.half() for key, value in tensors.items()}, path)
    if damage != "another model":
        path.write_bytes(b"garbage" if damage == "garbage" else path.read_bytes()[:1000])
    assert_refused(CheckpointError, lambda: load_bundled(spec, tmp_path), "swin-digits")


def test_assets_are_fp16_on_disk_and_their_values_survive(tmp_path):
    spec = bundled("deit-digits")
    original = build(spec)
    save_file({key: value.half() for key, value in original.state_dict().items()}, tmp_path / "deit-digits.safetensors")
    loaded, info = load_bundled(spec, tmp_path)
    for key, value in loaded.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), original.state_dict()[key].half().float().numpy())
    assert info.weights == "trained"
