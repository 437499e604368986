"""The recipes of the bundled models on photographs: every training image is read, a stopped training goes on, and the
card says what the model was judged on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate.utils import set_seed
from PIL import Image
from safetensors.torch import load_file

from dimap_core.data.registry import load_data
from dimap_core.data.sources import ImageSource
from dimap_core.data.whole import whole_training
from dimap_core.models.bundled import CIFAR10, bundled
from dimap_core.models.named_models import bundled_info, load_bundled
from dimap_core.training import recipes
from dimap_core.training.augment import photos
from dimap_core.training.loop import Training
from dimap_core.types.errors import DataError
from tests.helpers import SINGLE

SPEC = bundled("swin-photos")
INFO = bundled_info(SPEC, "random")
SHORT = replace(recipes.PHOTOS[0], epochs=3, batch_size=10)


def draw(folder, each, names=CIFAR10, seed=0):
    """A tree of small JPEGs, every class of its own shade."""
    rng = np.random.default_rng(seed)
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for count in range(each):
            pixels = np.clip(rng.normal(25 * number + 10, 8, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{count:04d}.jpg", quality=95)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    draw(folder / "train", 2)
    draw(folder / "val", 1, seed=1)
    return folder


def source(folder):
    return ImageSource(f"folder:{folder}", count=0)


def test_every_training_image_is_read_with_the_models_own_number_for_its_class(tree):
    found = whole_training(source(tree), torch.nn.Identity(), INFO)
    assert found.images.shape == (20, 3, 32, 32) and found.images.dtype == np.uint8
    assert found.class_names == CIFAR10 and found.labels.tolist() == [number for number in range(10) for _ in range(2)]
    shades = found.images.mean((1, 2, 3))
    assert shades == pytest.approx(25 * found.labels + 10, abs=6)
    with Image.open(tree / "train" / "frog" / "0001.jpg") as first:
        assert np.array_equal(found.images[13], np.asarray(first).transpose(2, 0, 1))


def test_a_class_is_told_by_its_folders_name_never_by_a_guess(tmp_path):
    draw(tmp_path / "train", 1, [name.upper() for name in CIFAR10])
    draw(tmp_path / "val", 1)
    found = whole_training(source(tmp_path), torch.nn.Identity(), INFO)
    assert found.images.mean((1, 2, 3)) == pytest.approx(25 * found.labels + 10, abs=6)
    (tmp_path / "train" / "TRUCK").rename(tmp_path / "train" / "tractor")
    with pytest.raises(DataError, match=r"are not the classes of 'swin-photos' \(tractor\)\.$"):
        whole_training(source(tmp_path), torch.nn.Identity(), INFO)
    for number, name in enumerate(CIFAR10):
        old = "tractor" if name == "truck" else name.upper()
        (tmp_path / "train" / old).rename(tmp_path / "train" / f"{10 - number}_{name}")
    with pytest.raises(DataError, match=r"are not the classes of 'swin-photos' \(by their names\)\.$"):
        whole_training(source(tmp_path), torch.nn.Identity(), INFO)


def test_what_cannot_be_trained_on_is_one_sentence(tmp_path, tree):
    draw(tmp_path / "one", 1)
    with pytest.raises(DataError, match=r"has no train/ beside what judges; give a folder with train/ and val/\.$"):
        whole_training(source(tmp_path / "one"), torch.nn.Identity(), INFO)
    draw(tmp_path / "two" / "train", 1)
    draw(tmp_path / "two" / "val", 1)
    (tmp_path / "two" / "train" / "cat" / "0000.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cat/0000\.jpg' of 'two' cannot be read .*; take it out or replace it\.$"):
        whole_training(source(tmp_path / "two"), torch.nn.Identity(), INFO)
    with pytest.raises(DataError, match=r"^'swin-digits' is trained on 'digits', .*; leave --data out\.$"):
        recipes.train_bundled("swin-digits", tmp_path, data=f"folder:{tree}")


class Stopped(Exception):
    pass


@pytest.mark.parametrize(("stop_after", "rest"), [(2, ["3/3", "1/2", "2/2"]), (4, ["2/2"])])
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(tree, tmp_path, monkeypatch, stop_after, rest):
    monkeypatch.setitem(recipes.RECIPES, "swin-photos", (SHORT, replace(SHORT, epochs=2, mixed_until=0.0)))
    monkeypatch.setattr(recipes.Kept, "_LEAST", 0.0)
    monkeypatch.setattr(recipes.Kept, "_SHARE", 1e9)  # after every step
    told = []

    def stop(line):
        told.append(line)
        if len(told) == stop_after:
            raise Stopped

    given = {"data": f"folder:{tree}"}
    straight = recipes.train_bundled("swin-photos", tmp_path / "straight", **given)
    with pytest.raises(Stopped):
        recipes.train_bundled("swin-photos", tmp_path / "on", progress=stop, state=tmp_path / "state", **given)
    assert not (tmp_path / "on").exists() or not list((tmp_path / "on").iterdir())
    lines = []
    card = recipes.train_bundled(
        "swin-photos", tmp_path / "on", progress=lines.append, state=tmp_path / "state", **given
    )
    assert [line.partition(",")[0] for line in lines] == [f"epoch {epoch}" for epoch in rest]
    wanted, found = (load_file(tmp_path / name / "swin-photos.safetensors") for name in ("straight", "on"))
    for key, tensor in wanted.items():
        assert tensor.dtype == torch.float16
        assert torch.allclose(tensor.float(), found[key].float(), rtol=2.0**-9, atol=2.0**-11), key
    assert card["n"] == straight["n"] == 10 and card["judged"] == SPEC.judged and card["data"] == "cifar10"
    assert card["command"] == "python -m dimap_core train swin-photos --data folder:PATH"
    assert load_bundled(SPEC, tmp_path / "on")[1].data is None


def test_photographs_are_moved_one_by_one_within_their_range_and_the_same_for_a_seed():
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    batch = image.repeat(8, 1, 1, 1)
    set_seed(3)
    first = photos(batch)
    set_seed(3)
    assert torch.equal(photos(batch), first)
    assert first.shape == batch.shape and first.dtype == torch.float32 and first.min() >= 0 and first.max() <= 1
    assert len({tuple(one.flatten().tolist()) for one in first}) == 8
    assert torch.equal(first.mul(255).round().div(255), first)


def test_a_photograph_moves_by_an_eighth_of_its_side_at_most(monkeypatch):
    monkeypatch.setattr("dimap_core.training.augment._rand_augment", lambda most: lambda image: image)
    image = torch.zeros(64, 3, 32, 32)
    image[..., 16, 15] = 1
    set_seed(0)
    places = photos(image)[:, 0].flatten(1).argmax(1)
    moved = {(place // 32 - 16, place % 32 - 16) for place in places.tolist()}
    assert len(moved) > 20 and {down for down, _ in moved} == set(range(-4, 5))
    assert {across for _, across in moved} == set(range(-5, 5))  # mirrored ones lie a pixel further right


def test_only_a_share_of_the_batches_is_mixed(make_tiny):
    data = load_data("digits", "train")
    few = replace(data, images=data.images[:40], labels=data.labels[:40])
    settings = replace(SHORT, augment="none", epochs=2)

    def losses(**changed):
        model = make_tiny("deit")
        return [step.loss for step in Training(model, few, replace(settings, **changed)).run()]

    plain = losses(mixup=0.0, cutmix=0.0)
    assert losses(mixed=0.0) == pytest.approx(plain, rel=SINGLE)
    assert losses(mixed_until=0.0, mixed=1.0) == pytest.approx(plain, rel=SINGLE)
    mixed = losses(mixed=1.0, mixed_until=1.0)
    assert mixed != pytest.approx(plain, rel=0.01)
    half = losses(mixed=1.0, mixed_until=0.5)
    assert half[: len(half) // 2] == pytest.approx(mixed[: len(half) // 2], rel=SINGLE) and half != mixed
