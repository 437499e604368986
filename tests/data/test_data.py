"""Data: sizes, splits that share no handwriting, balance, determinism and cues."""

import numpy as np
import pytest

from dimap_core.data import digits, textured
from dimap_core.data.registry import DATASETS, image_set, load_data
from dimap_core.training.settings import AUGMENTS
from dimap_core.types.errors import DataError


@pytest.fixture(scope="module")
def textured_train():
    """The textured training split with black images: drawing 12,570 of them takes longer than all other data tests."""

    def black(ink, textures, rng):
        return np.zeros((len(ink), 3, textured.SIZE, textured.SIZE), np.uint8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(textured, "_render", black)
        return textured.load("train")


@pytest.mark.parametrize(
    ("name", "split", "count", "side", "classes"),
    [
        ("digits", "val", 540, 32, 10),
        ("digits", "train", 1257, 32, 10),
        ("textured-digits", "val", 1080, 64, 40),
        ("textured-digits", "train", 12570, 64, 40),
    ],
)
def test_sizes_types_and_classes(textured_train, name, split, count, side, classes):
    data = textured_train if (name, split) == ("textured-digits", "train") else load_data(name, split)
    assert data.name == name and len(data) == count
    assert data.images.shape == (count, 3, side, side) and data.images.dtype == np.uint8
    assert data.labels.shape == (count,) and data.labels.dtype == np.int64
    assert set(data.labels) == set(range(classes)) == set(range(len(data.class_names)))


@pytest.mark.parametrize("name", [row.key for row in DATASETS if row.load])
def test_two_loads_are_equal(name):
    first, second = load_data(name), image_set(name).load("val")
    assert first.images is not second.images
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.parametrize("row", DATASETS, ids=lambda row: row.key)
def test_a_row_says_what_the_set_is(row):
    assert image_set(row.key) is row and row.label and row.augment in AUGMENTS
    assert bool(row.load) != bool(row.places) and not (row.load and (row.reader or row.archive))
    if row.load:
        data = load_data(row.key)
        assert data.name == row.key and bool(data.cues) == bool(row.cues)


def test_no_validation_handwriting_is_in_the_training_split():
    splits = digits.handwriting()
    written = {name: {image.tobytes() for image in ink} for name, (ink, _) in splits.items()}
    assert not written["train"] & written["val"]
    assert len(written["train"] | written["val"]) == 1797


def test_textured_validation_images_use_validation_handwriting_only(monkeypatch):
    whole, alone = load_data("textured-digits"), {"val": digits.handwriting()["val"]}
    monkeypatch.setattr(textured, "handwriting", lambda: alone)  # the training split is out of reach
    np.testing.assert_array_equal(textured.load("val").images, whole.images)
    np.testing.assert_array_equal(whole.labels // 4, np.tile(alone["val"][1], 2))


def test_classes_are_balanced(textured_train):
    for split, least in (("val", 52), ("train", 122)):
        counts = np.bincount(load_data("digits", split).labels)
        assert counts.min() >= least and counts.max() <= least + 6
    texture = np.bincount(textured_train.cues["texture"][textured_train.labels])
    assert texture.max() - texture.min() <= 1
    assert np.bincount(textured_train.labels).min() > 0.8 * len(textured_train) / 40


def test_cues_split_the_joint_class():
    data = load_data("textured-digits")
    assert set(data.cues) == {"digit", "texture"}
    for joint, name in enumerate(data.class_names):
        digit, texture = name.split(" on ")
        assert data.cues["digit"][joint] == int(digit)
        assert textured.TEXTURES[data.cues["texture"][joint]] == texture
    assert load_data("digits").cues == {}


def test_neither_brightness_nor_colour_tells_the_texture():
    data = load_data("textured-digits")
    texture = data.cues["texture"][data.labels]
    means = np.stack([data.images[texture == t].mean((0, 2, 3)) for t in range(4)])
    spread = data.images.mean((2, 3)).std(0)
    assert (np.ptp(means, axis=0) < 0.35 * spread).all()


def test_textures_look_different():
    data = load_data("textured-digits")
    pixels, texture = data.images.astype(np.float32).mean(1), data.cues["texture"][data.labels]
    across = np.abs(np.diff(pixels, axis=2)).mean((1, 2))
    down = np.abs(np.diff(pixels, axis=1)).mean((1, 2))
    rows, columns = (across / down)[texture == 0].mean(), (across / down)[texture == 1].mean()
    assert rows < 0.9 < 1.1 < columns


def test_an_unknown_data_set_is_refused_with_the_list():
    with pytest.raises(DataError, match=r"^There is no data set 'mnist'; choose one of digits, textured-digits\.$"):
        load_data("mnist")
