"""How images enter a model that came as a file: what a folder's config or the user says is done, and kept; what nobody
says is told."""

import json

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from dimap_core import pipeline
from dimap_core.data.batches import normalised
from dimap_core.data.from_source import transform_of
from dimap_core.models.load import load_model
from dimap_core.types.errors import UnsupportedModel
from dimap_core.types.plan import PruningPlan
from tests.helpers import assert_refused, same
from tests.models.foreign import DEIT, named

SMALL = {"img_size": 32, "num_classes": 3}
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)
HF_CONFIG = {"num_attention_heads": 3, "image_size": 32}
MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]


def saved(tmp_path, **files):
    folder = tmp_path / "a"
    folder.mkdir()
    save_file(named(DEIT, **SMALL).state_dict(), folder / "model.safetensors")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def entering(source):
    """What the model gets of a picture, and what is known of it."""
    model, info = load_model(str(source))
    return normalised(info, transform_of(model, info)[0](Image.fromarray(PIXELS))[None])[0], info


def wanted(**config):
    return timm.data.create_transform((3, 32, 32), **config)(Image.fromarray(PIXELS))


def test_transformers_processor_is_followed(tmp_path):
    """As ViTImageProcessor does: both sides at once, bilinear, no crop."""
    processor = {"image_mean": MEAN, "image_std": STD, "resample": 2, "size": {"height": 32, "width": 32}}
    found, info = entering(saved(tmp_path, config=HF_CONFIG, preprocessor_config=processor))
    assert (info.mean, info.std) == (tuple(MEAN), tuple(STD)) and not any("normalised" in note for note in info.notes)
    small = np.asarray(Image.fromarray(PIXELS).resize((32, 32), Image.Resampling.BILINEAR), np.float32) / 255
    assert same(found.movedim(0, -1), (small - np.array(MEAN, np.float32)) / np.array(STD, np.float32), 1e-6)


def test_a_processor_that_crops_is_followed(tmp_path):
    processor = {"image_mean": MEAN, "image_std": STD, "resample": 3, "size": {"shortest_edge": 40}}
    processor |= {"do_center_crop": True, "crop_size": {"height": 32, "width": 32}}
    found, _ = entering(saved(tmp_path, config=HF_CONFIG, preprocessor_config=processor))
    assert same(found, wanted(mean=MEAN, std=STD, crop_pct=0.8, interpolation="bicubic"), 1e-6)


def test_timms_config_is_followed(tmp_path):
    config = {"architecture": "deit_tiny_patch16_224", "pretrained_cfg": {
        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "crop_pct": 1.0, "interpolation": "bilinear",
        "crop_mode": "center", "input_size": [3, 32, 32],
    }}  # fmt: skip
    found, info = entering(saved(tmp_path, config=config))
    assert info.mean == (0.5, 0.5, 0.5)
    assert same(found, wanted(mean=(0.5,) * 3, std=(0.5,) * 3, crop_pct=1.0, interpolation="bilinear"), 1e-6)


@pytest.mark.parametrize("damaged", [{}, [], {"image_mean": "a", "size": 3}, {"image_mean": [], "crop_size": {}}])
def test_a_processor_that_says_nothing_is_left_alone(tmp_path, damaged):
    found, info = entering(saved(tmp_path, config=HF_CONFIG, preprocessor_config=damaged))
    assert info.mean == timm.data.IMAGENET_DEFAULT_MEAN and found.isfinite().all()
    assert any("normalised by mean 0.485, 0.456, 0.406" in note for note in info.notes)


def test_what_is_said_of_a_bare_file_is_done_and_kept_through_a_cut(tmp_path):
    path = saved(tmp_path) / "model.safetensors"
    plain, info = entering(path)
    assert any("FILE@?mean=0.5&std=0.5" in note for note in info.notes)
    source = f"{path}@?mean=0.5&std=0.4,0.5,0.6&crop_pct=1&interpolation=bilinear"
    found, said = entering(source)
    config = {"mean": (0.5,) * 3, "std": (0.4, 0.5, 0.6), "crop_pct": 1.0, "interpolation": "bilinear"}
    assert same(found, wanted(**config), 1e-6) and not same(plain, found, 1e-2)
    assert said.fingerprint != info.fingerprint and not any("normalised" in note for note in said.notes)
    opened = pipeline.open_model(source)
    for granularity in ("weight", "structure"):
        plan = PruningPlan(ratio=0.3, granularity=granularity, scope="layer")
        pipeline.save_pruned(tmp_path / granularity, opened, plan)
        again, kept = entering(tmp_path / granularity)
        assert same(again, found) and (kept.mean, kept.std) == (said.mean, said.std)
        assert same(normalised(kept, np.zeros((1, 3, 2, 2), np.uint8))[0, :, 0, 0], -torch.tensor([1.25, 1, 5 / 6]))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("mean=0.5,0.5", "says nothing"),
        ("mean=a", "says nothing"),
        ("mean=9", "No model of mean"),
        ("std=0", "No model of std"),
        ("crop_pct=2", "No model of crop_pct"),
        ("crop_mode=random", "No model of crop_mode"),
        ("interpolation=Bicubic", "says nothing"),
    ],
)
def test_what_is_said_is_checked(tmp_path, said, answer):
    path = saved(tmp_path) / "model.safetensors"
    assert_refused(UnsupportedModel, lambda: load_model(f"{path}@?{said}"), answer)


def test_a_mean_of_other_channels_is_refused(tmp_path):
    torch.save(named(DEIT, **SMALL, in_chans=1).state_dict(), tmp_path / "a.pth")
    said = f"{tmp_path}/a.pth@?mean=0.4,0.5,0.6"
    assert_refused(UnsupportedModel, lambda: load_model(said), "1 channel, and mean is said of 3")
    info = load_model(f"{tmp_path}/a.pth@?mean=0.13&std=0.31")[1]
    assert (info.mean, info.std, info.channels) == ((0.13,), (0.31,), 1)
