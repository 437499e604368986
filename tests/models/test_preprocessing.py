"""How pictures become a file's input: learned from what lies beside it, its layout or the user, told, kept, and equal
to what the source library does."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import get_model_weights

from dimap_core import pipeline
from dimap_core.data.from_source import transform_of
from dimap_core.models import checkpoints
from dimap_core.models.load import load_model, read_as
from dimap_core.models.told import in_a_line
from dimap_core.plan.recipe import from_recipe, reading, to_recipe
from dimap_core.types.errors import InvalidPlan, UnsupportedModel
from dimap_core.types.model_name import ModelName
from dimap_core.types.plan import PruningPlan
from tests.helpers import assert_refused
from tests.models.foreign import DEIT, named
from tests.models.test_foreign_files import hugging_face
from tests.models.test_model_folders import CONFIG, SETTINGS, write

HALF, IMAGENET = (0.5,) * 3, (0.485, 0.456, 0.406)
SQUASHED = {"size": {"height": 32, "width": 32}, "resample": 2, "image_mean": [0.5] * 3, "image_std": [0.25, 0.5, 1]}
CROPPED = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}
SAID = "?mean=0.1,0.2,0.3&std=0.5&crop_pct=0.8&crop_mode=squash&interpolation=nearest"


def folder(tmp_path, processor=None, config=CONFIG):
    place = write(tmp_path / "a", hugging_face(named(DEIT, **SETTINGS).state_dict(), 5, "vit"), config)
    if processor is not None:
        (tmp_path / "a" / "preprocessor_config.json").write_text(json.dumps(processor))
    return place


def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 80, 3), dtype=np.uint8))


def test_a_folders_processor_tells_and_pixels_are_as_transformers_makes_them(tmp_path):
    model, info = load_model(folder(tmp_path, SQUASHED))
    assert (info.mean, info.std, info.crop_mode, info.interpolation) == (HALF, (0.25, 0.5, 1), "squash", "bilinear")
    assert {info.learned[key] for key in ("mean", "std", "crop_pct", "interpolation", "img_size")} == {"its config"}
    wanted = np.asarray(picture().resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.array_equal(transform_of(model, info)[0](picture()), wanted)


def test_a_crop_of_the_middle_is_told_as_its_share(tmp_path):
    info = load_model(folder(tmp_path, CROPPED))[1]
    assert (info.crop_mode, info.crop_pct, info.learned["crop_pct"]) == ("center", 0.8, "its config")
    assert info.learned["mean"].endswith("a guess") and "mean" in in_a_line(
        info, pipeline.open_model(str(tmp_path / "a")).anatomy
    )


@pytest.mark.parametrize(
    "wrong", [{"image_mean": [0.5, 0.5]}, {"image_mean": "x", "image_std": [0, 0, 0]}, {"size": [], "resample": []}]
)
def test_a_processor_that_says_nothing_usable_changes_nothing(tmp_path, wrong):
    info = load_model(folder(tmp_path, wrong))[1]
    assert all(info.learned[key].endswith("a guess") for key in ("mean", "std", "crop_pct"))


def test_a_squashed_pictures_middle_is_cut_as_transformers_does_for_deit(tmp_path):
    told = {"size": 40, "crop_size": 32, "do_center_crop": True, "resample": 3, "do_normalize": False}
    model, info = load_model(folder(tmp_path, told))
    assert (info.crop_mode, info.crop_pct, info.mean, info.std) == ("squash", 0.8, (0.0,) * 3, (1.0,) * 3)
    wanted = picture().resize((40, 40), Image.Resampling.BICUBIC).crop((4, 4, 36, 36))
    assert np.array_equal(transform_of(model, info)[0](picture()), np.asarray(wanted).transpose(2, 0, 1))


def test_timms_own_config_tells(tmp_path):
    told = {"mean": [0.4, 0.5, 0.6], "std": [0.2] * 3, "crop_pct": 0.95, "interpolation": "lanczos", "crop_mode": "odd"}
    info = load_model(folder(tmp_path, config={**CONFIG, "pretrained_cfg": told}))[1]
    assert (info.mean, info.std, info.crop_pct) == ((0.4, 0.5, 0.6), (0.2,) * 3, 0.95)
    assert (info.interpolation, info.crop_mode) == ("lanczos", "center")


def test_a_layouts_own_library_tells(tmp_path):
    from torchvision.models import VisionTransformer

    theirs = VisionTransformer(32, 16, 2, 3, 48, 96, num_classes=3)
    torch.save(theirs.state_dict(), tmp_path / "a.pth")
    info, wanted = load_model(f"{tmp_path}/a.pth@?num_heads=3")[1], get_model_weights("vit_b_16").DEFAULT.transforms()
    assert (list(info.mean), list(info.std)) == (wanted.mean, wanted.std) and info.learned["mean"].startswith(
        "as in tor"
    )
    assert info.crop_pct == wanted.crop_size[0] / wanted.resize_size[0]
    assert info.interpolation == wanted.interpolation.value


def test_what_the_user_says_holds_and_stays_with_the_cut(tmp_path):
    source = folder(tmp_path, SQUASHED)
    opened, other = pipeline.open_model(f"{source}@{SAID}"), load_model(source)[1]
    info = opened.info
    assert (info.mean, info.std, info.crop_pct) == ((0.1, 0.2, 0.3), HALF, 0.8)
    assert (info.crop_mode, info.interpolation, info.learned["mean"]) == ("squash", "nearest", "as you say")
    assert info.fingerprint != other.fingerprint  # judged results are kept by it
    pipeline.save_pruned(tmp_path / "cut", opened, PruningPlan(ratio=0.5))
    again = load_model(str(tmp_path / "cut"))[1]
    pictures = ("mean", "std", "crop_pct", "crop_mode", "interpolation")
    assert [getattr(again, key) for key in pictures] == [getattr(info, key) for key in pictures]
    card = checkpoints.read_card(tmp_path / "cut")
    assert card["crop_pct"] == 0.8 and again.learned["mean"] == "its card"
    assert load_model(info.dense["file"])[1].fingerprint == info.fingerprint


@pytest.mark.parametrize(
    "said", ["mean=1,2", "mean=2", "std=0", "crop_pct=0", "crop_pct=x", "crop_mode=fit", "interpolation=area"]
)
def test_what_no_model_has_is_one_sentence(tmp_path, said):
    source = folder(tmp_path)
    assert_refused(UnsupportedModel, lambda: load_model(f"{source}@?{said}"), said, "crop_pct=0.9")


def test_a_name_says_it_where_the_disk_is_not_asked():
    name = ModelName.parse(f"file:/a.b/c@d/e.pth@vit{SAID}")
    assert (name.what, name.architecture) == ("/a.b/c@d/e.pth", f"vit{SAID}") and str(name).endswith(SAID)


def test_a_recipe_says_how_its_file_is_read(tmp_path):
    source = folder(tmp_path)
    text = json.dumps(to_recipe(PruningPlan(ratio=0.5), reading=SAID))
    assert from_recipe(text) == PruningPlan(ratio=0.5) and reading(text) == SAID
    assert read_as(source, reading(text)) == f"{source}@{SAID}"
    assert (
        read_as(f"{source}@?mean=0.5", SAID) == f"{source}@?mean=0.5" and read_as("deit-digits", SAID) == "deit-digits"
    )
    assert reading('{"version": 1}') == ""
    assert_refused(InvalidPlan, lambda: reading('{"reading": 3}'), "reading")


def test_the_pixels_of_bundled_models_are_whole_pictures():
    model, info = load_model("deit-digits")
    shown = Image.fromarray(np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    assert np.array_equal(transform_of(model, info)[0](shown), np.asarray(shown).transpose(2, 0, 1))
