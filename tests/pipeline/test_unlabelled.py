"""Images without labels: how often a cut answers as the dense model does, told as that and never as accuracy."""

import json

import numpy as np
import pytest
from PIL import Image

from dimap_core import pipeline
from dimap_core.data import FOLDER, ImageSource, load_data
from dimap_core.measure import predict_all
from dimap_core.types import DataError, PruningPlan, is_agreement

DATA = load_data("digits")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The first 120 digits, called as a camera calls them."""
    root = tmp_path_factory.mktemp("photographs")
    for number in range(120):
        Image.fromarray(DATA.images[number].transpose(1, 2, 0)).save(root / f"IMG_{number:04d}.png")
    return root


def on(opened, root, **more):
    *_, (_, found) = pipeline.judged_by(opened, ImageSource(f"{FOLDER}{root}", **{"count": 0, **more}))
    return found


def test_labels_are_the_dense_models_own_answers(photographs):
    opened = pipeline.open_model("swin-digits")
    found, plan = on(opened, photographs), PruningPlan(ratio=0.85)
    data = pipeline.default_data(found)
    assert is_agreement(data.name) and not is_agreement("digits") and data.class_names == opened.info.class_names
    assert found.chosen.facts.notes[0] == (
        "Judged on 120 images without labels: agreement with the dense model, not accuracy; right means the dense "
        "model's own answer."
    )
    assert pipeline.judge_fully(found, data).top1.value == 1.0 and pipeline.doubt(found, data) is None
    pruned = pipeline.prune(found, plan)[0]
    dense, cut = (predict_all(model, found.info, data).classes for model in (opened.model, pruned))
    estimate = pipeline.judge_fully(found, data, plan)
    assert estimate.top1.correct == int((dense == cut).sum()) < 120
    shown = {image.tobytes() for image in data.images[:]}
    assert shown == {image.tobytes() for image in DATA.images[:120]}


def test_another_models_answers_are_another_set_and_what_needs_labels_is_refused(photographs):
    swin, deit = (on(pipeline.open_model(name), photographs, count=50) for name in ("swin-digits", "deit-digits"))
    assert swin.chosen.name != deit.chosen.name and len(swin.chosen.judged) == 50
    again = on(pipeline.open_model("swin-digits"), photographs, count=50)
    assert again.chosen.name == swin.chosen.name
    np.testing.assert_array_equal(again.chosen.judged.labels, swin.chosen.judged.labels)
    with pytest.raises(DataError, match=r"has no labels, and what is read besides judging needs them; choose"):
        pipeline.score(swin, PruningPlan("taylor"))


def test_the_command_line_says_agreement(call, photographs):
    asked = "--data", f"folder:{photographs}"
    code, out, err = call("evaluate", "swin-digits", *asked)
    assert code == 0 and out.startswith("same answer as the dense model 100.0% (95 %") and "top-1" not in out
    assert err.startswith("Judged on 120 images without labels: agreement with the dense model, not accuracy;")
    code, out, _ = call("prune", "swin-digits", "--ratio", "0.5", *asked)
    assert code == 0 and "\nsame answer as the dense model " in out and "top-1" not in out
    code, out, _ = call("prune", "swin-digits", "--ratio", "0.5", *asked, "--json")
    assert json.loads(out)["accuracy"]["measures"] == "agreement"
