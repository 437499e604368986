"""What a model's answers say against its images: another order of classes, which then holds; or no more than chance."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dimap_core import pipeline
from dimap_core.data import FOLDER, ImageSource, load_data

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")  # not the model's


def write(root, names, count=200):
    """The first digits as PNGs, a folder a digit, called `names`."""
    data = load_data("digits")
    for number in range(count):
        place = root / names[data.labels[number]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
    return f"{FOLDER}{root}"


def judged(opened, source, classes=()):
    *_, (_, found) = pipeline.judged_by(opened, ImageSource(source, count=0, classes=tuple(classes)))
    data = pipeline.default_data(found)
    assert pipeline.doubt(found, data) is None  # nothing is known yet
    return pipeline.judge_fully(found, data), pipeline.doubt(found, data), found


@pytest.fixture(scope="module")
def swin():
    return pipeline.open_model("swin-digits")


def test_folders_in_another_order_are_told_and_the_order_that_is_offered_holds(swin, tmp_path):
    source = write(tmp_path, NAMES)
    wrong, doubt, _ = judged(swin, source)
    assert wrong.top1.value < 0.5 and doubt.told.startswith("Another order of the classes fits the model's answers far")
    expected = {name: digit for digit, name in enumerate(NAMES) if sorted(NAMES).index(name) != digit}
    assert doubt.classes == expected and f"in the {len(expected)} classes that move" in doubt.told
    right, doubt, found = judged(swin, source, doubt.classes.items())
    assert right.top1.value > 0.98 and doubt is None and found.chosen.facts.guessed
    own, _, _ = judged(swin, write(tmp_path / "own", "0123456789"))
    assert own.top1 == right.top1


def test_names_that_the_model_knows_are_not_doubted_and_its_own_set_is_not(swin, tmp_path):
    _, doubt, found = judged(swin, write(tmp_path, np.roll(list("0123456789"), 1).tolist()))
    assert not found.chosen.facts.guessed and doubt.classes == {}  # wrongly labelled: no more than chance
    assert doubt.told.startswith("The unpruned model is right on 0.0 % of these 200 images, no more than chance")
    own = replace(swin, dense={})
    data = pipeline.default_data(own)
    pipeline.judge_fully(own, data, limit=60)
    assert pipeline.doubt(own, data, 60) is None


def test_a_model_that_knows_nothing_is_told(tiny_swin, tmp_path):
    found, doubt, _ = judged(tiny_swin, write(tmp_path, "0123456789"))
    assert found.top1.low <= 0.1 and "among 10 classes" in doubt.told and doubt.classes == {}
