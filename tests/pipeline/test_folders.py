"""Folders that no name tells of: found by the model's own answers, or left to the user, with a way that exists."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from torch import nn

from dimap_core import pipeline
from dimap_core.data import FOLDER, ImageSource, load_data
from dimap_core.measure import answered
from dimap_core.types import DataError

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DATA = load_data("digits")


@pytest.fixture(scope="module")
def nameless():
    opened = pipeline.open_model("swin-digits")
    return replace(opened, info=replace(opened.info, class_names=()))


def write(root, digits, count=200):
    for number in np.flatnonzero(np.isin(DATA.labels[:count], digits)):
        place = root / NAMES[DATA.labels[number]]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DATA.images[number].transpose(1, 2, 0)).save(place / f"{number}.png")
    return root


def on(opened, root, **more):
    *_, (_, found) = pipeline.judged_by(opened, ImageSource(f"{FOLDER}{root}", count=0, **more))
    return found


@pytest.mark.parametrize("digits", [range(9), [1, 4, 7, 8]], ids=["nine of ten", "four of ten"])
def test_fewer_folders_than_outputs_are_found_by_the_models_answers(nameless, tmp_path, digits):
    found = on(nameless, write(tmp_path, digits))
    assert {row.folder: row.output for row in found.chosen.facts.rows} == {NAMES[digit]: digit for digit in digits}
    assert any(
        f"which of the {len(digits)} folders is which was found from" in note for note in found.chosen.facts.notes
    )
    data = pipeline.default_data(found)
    assert pipeline.judge_fully(found, data).top1.value > 0.98 and sorted(data.outputs) == sorted(digits)


def test_a_folder_more_than_outputs_is_left_out(nameless, tmp_path):
    root = write(tmp_path, range(10))
    (root / "background").mkdir()
    for number in range(6):
        noise = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / "background" / f"{number}.png")
    found = on(nameless, root)
    outputs = {row.folder: row.output for row in found.chosen.facts.rows}
    assert outputs == {name: digit for digit, name in enumerate(NAMES)} | {"background": -1}
    assert any("1 folders are not judged" in note for note in found.chosen.facts.notes)


def test_what_the_answers_do_not_tell_is_left_to_the_user_with_a_way_that_exists(nameless, tiny_swin, tmp_path):
    untrained = replace(tiny_swin, info=replace(tiny_swin.info, class_names=()))
    root = write(tmp_path, range(9))
    found = on(untrained, root)
    with pytest.raises(DataError) as refused:
        pipeline.default_data(found)
    assert str(refused.value) == (
        "The model's outputs have no names, and 9 folders cannot be put in the order of its 10 outputs. Say which is "
        "which under Folders and classes or by --classes FILE (rows of folder,output)."
    )
    set_by_hand = on(nameless, root, classes=(("two", 2), ("six", 6)))
    assert len(set_by_hand.chosen.facts.rows) == 9 and set_by_hand.chosen.facts.classes == 2


def test_answers_are_fitted_to_half_and_held_against_the_rest():
    labels = np.repeat([0, 1, 2], 10)
    answers = np.array([5] * 10 + [1] * 8 + [5] * 2 + [5] * 9 + [0])  # the third answers as the first, mostly
    found, held = answered(labels, answers, 3, 6)
    assert found.tolist() == [5, 1, -1] and (held.n, held.correct) == (10, 9)


def test_a_model_without_a_classifier_is_told_so(tiny_swin, tmp_path):
    headless = replace(tiny_swin, model=nn.Linear(1, 1))
    headless.model.num_classes = 0
    with pytest.raises(DataError, match=r"has no classifier, so no images can judge it; its counts and cuts need none"):
        on(headless, write(tmp_path, range(3)))
