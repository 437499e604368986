"""What a cut does to each image, counted image by image in plain loops beside it."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dimap_core import pipeline
from dimap_core.data.batches import stratified_order
from dimap_core.data.registry import load_data
from dimap_core.data.textured import TEXTURES
from dimap_core.measure.accuracy import evaluate, predict
from dimap_core.measure.intervals import paired_difference, wilson
from dimap_core.measure.predictions import (
    Outcomes,
    Predictions,
    accuracy,
    breakdown,
    confusion_change,
    event,
    filtered,
    most_confused,
    outcomes,
    packed,
    table,
    unpacked,
    value_names,
)
from dimap_core.measure.prefix import PrefixCache
from dimap_core.service import index
from dimap_core.studies.sweep import compare
from dimap_core.types.errors import DataError
from dimap_core.types.images import LabelledImages
from dimap_core.types.plan import PruningPlan
from tests.helpers import SINGLE, same

CLASSES = 6  # parity 2 x size 3
DATA = LabelledImages(
    "made-up",
    np.zeros((300, 3, 4, 4), np.uint8),
    np.random.default_rng(0).integers(0, CLASSES, 300),
    tuple("abcdef"),
    {"parity": np.arange(6) % 2, "size": np.arange(6) // 2},
    {"parity": ("even", "odd"), "size": ("small", "middle", "large")},
)


def answers(rng, labels, right):
    """Softmax of random logits, the label's raised so that about `right` of the answers are right; and predictions."""
    logits = rng.normal(size=(len(labels), CLASSES))
    logits[np.arange(len(labels)), labels] += np.where(rng.random(len(labels)) < right, 4, 0)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    best = np.sort(shares, 1)[:, ::-1]
    in_top5 = shares[np.arange(len(labels)), labels] >= best[:, 4]
    found = Predictions(
        shares.argmax(1), in_top5, best[:, 0], best[:, 0] - best[:, 1], -np.log(shares[np.arange(len(labels)), labels])
    )
    return shares, found


@pytest.fixture(scope="module")
def made():
    """(dense shares, pruned shares, outcomes) of 250 images in the evaluation's order."""
    rng, images = np.random.default_rng(1), stratified_order(DATA.labels)[:250]
    labels = DATA.labels[images]
    before, dense = answers(rng, labels, 0.9)
    after, pruned = answers(rng, labels, 0.6)
    return before, after, Outcomes(images, labels, dense, pruned)


def test_each_answer_broke_was_fixed_moved_or_was_kept(made):
    before, after, found = made
    for i, label in enumerate(found.labels):
        was, now = before[i].argmax(), after[i].argmax()
        expected = "kept" if was == now else "broke" if was == label else "fixed" if now == label else "moved"
        assert found.directions[i] == expected
        assert found.flipped[i] == (was != now)
    assert sum(found.counts.values()) == 250 and min(found.counts.values()) > 5
    assert found.counts["broke"] + found.counts["fixed"] + found.counts["moved"] == found.flipped.sum()


def test_the_right_answers_margin_is_its_probability_minus_the_highest_other_one(made):
    before, after, found = made
    others = np.arange(CLASSES) != found.labels[:, None]
    margins = [shares[~others] - np.where(others, shares, 0).max(1) for shares in (before, after)]
    np.testing.assert_allclose(found.dense.right_margin(found.labels), margins[0], atol=1e-12)
    np.testing.assert_allclose(found.fell, margins[0] - margins[1], atol=1e-12)


def test_changed_answers_come_first_and_then_those_whose_right_margin_fell_most(made):
    _, _, found = made
    order = found.worst_first()
    assert sorted(order) == list(range(250))
    keys = [(not found.flipped[place], -found.fell[place], place) for place in order]
    assert keys == sorted(keys)


@pytest.mark.parametrize("direction", [None, "changed", "broke", "fixed", "moved", "kept"])
@pytest.mark.parametrize(
    ("label", "cues"),
    [(None, {}), (3, None), (None, {"parity": 1}), (None, {"parity": 0, "size": 2}), (1, {"size": 2})],
)
def test_filters_pass_exactly_what_they_name_in_the_same_order(made, direction, label, cues):
    _, _, found = made
    expected = []
    for place in found.worst_first():
        what, mine = found.directions[place], found.labels[place]
        fits = direction in (None, what) or (direction == "changed" and what != "kept")
        fits &= label in (None, mine)
        fits &= all(DATA.cues[cue][mine] == value for cue, value in (cues or {}).items())
        expected += [place] * bool(fits)
    assert filtered(found, DATA, direction, label, cues).tolist() == expected


def test_accuracy_by_class_and_by_cue_is_that_of_a_count_image_by_image(made):
    before, after, found = made
    for cue in (None, "parity", "size"):
        value = np.arange(CLASSES) if cue is None else DATA.cues[cue]
        shares = breakdown(found, DATA, cue)
        assert {share.name for share in shares} == set(value_names(DATA, cue))
        losses = [share.drop.value for share in shares]
        assert losses == sorted(losses) and losses[0] < losses[-1]
        for share in shares:
            place = value_names(DATA, cue).index(share.name)
            mine = [i for i in range(250) if value[found.labels[i]] == place]
            was = np.array([value[before[i].argmax()] == place for i in mine])
            now = np.array([value[after[i].argmax()] == place for i in mine])
            assert (share.dense, share.pruned) == (wilson(int(was.sum()), len(mine)), wilson(int(now.sum()), len(mine)))
            assert share.drop == paired_difference(now, was)


def test_classes_without_an_image_are_left_out(made):
    _, _, found = made
    some = found.labels != 2
    parts = (Predictions(*(getattr(p, n)[some] for n in ("classes", "in_top5", "confidence", "margin", "loss")))
             for p in (found.dense, found.pruned))  # fmt: skip
    few = Outcomes(found.images[some], found.labels[some], *parts)
    assert {share.name for share in breakdown(few, DATA)} == set("abdef")


def test_the_confusions_change_by_what_is_counted_pair_by_pair(made):
    before, after, found = made
    for cue in (None, "size"):
        value = np.arange(CLASSES) if cue is None else DATA.cues[cue]
        change = np.zeros((value.max() + 1,) * 2, int)
        for i, label in enumerate(found.labels):
            change[value[label], value[after[i].argmax()]] += 1
            change[value[label], value[before[i].argmax()]] -= 1
        np.testing.assert_array_equal(confusion_change(found, DATA, cue), change)
        assert (change.sum(1) == 0).all() and np.abs(change).sum() > 10


def test_batches_survive_the_way_through_json(made):
    _, _, found = made
    events = [{"folder": "somewhere"}, {"doing": "Repairing"}]
    for start in (0, 100, 200):
        stop = min(start + 100, 250)
        parts = (found.dense.part(start, stop), found.pruned.part(start, stop))
        events.append(json.loads(json.dumps(event(found.images[start:stop], 300, *parts))))
    assert outcomes(events[:2], DATA) is None
    again = outcomes(events, DATA)
    np.testing.assert_array_equal(again.images, found.images)
    np.testing.assert_array_equal(again.labels, found.labels)
    for name in ("dense", "pruned"):
        for part in ("classes", "in_top5", "confidence", "margin", "loss"):
            np.testing.assert_allclose(
                getattr(getattr(again, name), part), getattr(getattr(found, name), part), atol=1e-6
            )
    assert len(outcomes(events[:3], DATA)) == 100


def test_the_estimate_is_the_one_that_the_evaluation_streams(made):
    _, _, found = made
    estimate = found.estimate(DATA, 300)
    assert (estimate.n, estimate.total, estimate.done) == (250, 300, False)
    hits = found.pruned.classes == found.labels
    assert estimate.top1 == wilson(int(hits.sum()), 250)
    assert estimate.drops["joint"] == paired_difference(hits, found.dense.classes == found.labels)
    assert set(estimate.cues) == set(estimate.drops) == {"joint", "parity", "size"}
    assert estimate == accuracy(found.pruned, found.labels, DATA.cues, 300, found.dense)


def test_the_table_has_a_row_an_image_in_the_gallerys_order(made):
    before, after, found = made
    rows = table(found, DATA)
    assert len(rows) == 250 and rows["image"].tolist() == (found.images[found.worst_first()] + 1).tolist()
    for row, place in zip(rows.to_dict("records"), found.worst_first(), strict=True):
        assert row["label"] == DATA.class_names[DATA.labels[row["image"] - 1]]
        assert row["dense"] == DATA.class_names[before[place].argmax()]
        assert row["pruned"] == DATA.class_names[after[place].argmax()]
        assert row["pruned_confidence"] == pytest.approx(after[place].max(), abs=1e-6)
        assert row["flipped"] == (row["dense"] != row["pruned"])
    assert list(pd.read_csv(pd.io.common.StringIO(rows.to_csv(index=False))).columns) == list(rows.columns)


@pytest.mark.parametrize(
    "plan",
    [
        PruningPlan(ratio=0.9, scope="layer"),
        PruningPlan("dimap", "nm", ratio=None, nm="2:4"),
        PruningPlan("magnitude", "structure", ratio=0.6),
        PruningPlan("magnitude", "structure", ratio=0.6, repair=True, images=20),
    ],
    ids=["weights", "pattern", "structure", "repaired"],
)
def test_both_models_answers_are_those_of_running_each_alone(tiny, plan):
    data = load_data("digits")
    data = replace(data, images=data.images[:130], labels=data.labels[:130])
    opened = pipeline.Opened(tiny.model, tiny.info, tiny.anatomy)
    list(pipeline.judge(opened, data))
    parts = list(compare(opened, data, plan, PrefixCache()))
    assert len(parts) == 3
    np.testing.assert_array_equal(np.concatenate([images for images, _, _ in parts]), stratified_order(data.labels))
    for place, model in ((1, tiny.model), (2, pipeline.prune(opened, plan)[0])):
        alone = list(predict(model, tiny.info, data))
        for part, expected in zip(parts, alone, strict=True):
            np.testing.assert_array_equal(part[place].classes, expected.classes)
            assert same(part[place].confidence, expected.confidence, 10 * SINGLE)
            assert same(part[place].loss, expected.loss, 10 * SINGLE)
    *_, (_, pruned) = evaluate(pipeline.prune(opened, plan)[0], tiny.info, data)
    dense = opened.dense["digits"]
    assert (pruned.classes != dense.classes).any()


def test_answers_of_random_weights_are_refused(tiny):
    opened = pipeline.Opened(tiny.model, replace(tiny.info, weights="random"), tiny.anatomy)
    with pytest.raises(DataError, match="means nothing on random weights"):
        next(compare(opened, load_data("digits"), PruningPlan(ratio=0.5)))


def test_a_data_set_is_read_as_it_was_written(tmp_path):
    index.write_data(tmp_path / "data", DATA)
    found = index.read_data(tmp_path / "data")
    np.testing.assert_array_equal(found.images, DATA.images)
    np.testing.assert_array_equal(found.labels, DATA.labels)
    assert (found.name, found.class_names, found.cue_names) == (DATA.name, DATA.class_names, DATA.cue_names)
    for cue, values in DATA.cues.items():
        np.testing.assert_array_equal(found.cues[cue], values)
    written = (tmp_path / "data" / "images.npy").stat().st_mtime_ns
    index.write_data(tmp_path / "data", DATA)
    assert (tmp_path / "data" / "images.npy").stat().st_mtime_ns == written


def test_textured_digits_name_their_cues():
    data = load_data("textured-digits")
    for place in (0, 17, 39):
        digit, texture = (data.cue_names[cue][data.cues[cue][place]] for cue in ("digit", "texture"))
        assert data.class_names[place] == f"{digit} on {texture}" and texture in TEXTURES


def test_the_classes_whose_confusions_changed_most_are_picked_in_their_order():
    change = np.zeros((5, 5), np.int64)
    change[3, 3], change[3, 1], change[0, 0], change[0, 4] = -5, 5, -1, 1
    assert most_confused(change, 2).tolist() == [1, 3]
    assert most_confused(change, 3).tolist() == [0, 1, 3] and most_confused(change, 9).tolist() == list(range(5))


@pytest.mark.parametrize("n", [1, 7, 8, 9, 1080])
def test_packed_answers_come_back(n):
    right = np.random.default_rng(n).random(n) < 0.7
    text = packed(right)
    assert len(text) == 2 * -(-n // 8) and np.array_equal(unpacked(text, n), right)
    with pytest.raises(ValueError, match=f"{n + 8} images"):
        unpacked(text, n + 8)
