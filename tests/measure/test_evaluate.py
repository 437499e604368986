"""Evaluation: a fair order, streaming estimates that end at the plain accuracy, and a model left as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dimap_core.cut.masks import masked_weights
from dimap_core.data.batches import stratified_order
from dimap_core.data.registry import load_data
from dimap_core.measure.accuracy import BATCH_SIZE, estimate, evaluate, masked as masked_run, predict
from dimap_core.measure.intervals import paired_difference, wilson
from dimap_core.measure.predictions import concatenate
from dimap_core.pipeline.chain import score
from dimap_core.plan.selection import select
from dimap_core.types.errors import DataError
from dimap_core.types.images import LabelledImages
from dimap_core.types.plan import PruningPlan
from tests.helpers import SINGLE, mask_model


@pytest.fixture(scope="module")
def digits():
    """240 of the digits' validation images."""
    data = load_data("digits")
    return replace(data, images=data.images[:240], labels=data.labels[:240])


@pytest.fixture(scope="module")
def cued(digits):
    """The digits with two made-up cues: parity, and whether the digit is small."""
    classes = np.arange(10)
    return replace(digits, cues={"parity": classes % 2, "small": classes // 5})


def one_shot(opened, data, model=None):
    """Logits of all images in one batch, in the data's own order."""
    pixels = torch.from_numpy(data.images.astype(np.float32))
    with torch.no_grad():
        return (model or opened.model)((pixels / 255 - 0.5) / 0.5).numpy()


def last(results):
    *_, (result, predictions) = results
    return result, predictions


@pytest.mark.parametrize("labels", [[0, 1, 2] * 20, [2] * 9 + [0] * 5 + [1] * 30, [4], sorted(range(7)) * 3])
def test_every_prefix_of_the_order_is_balanced_within_one_per_class(labels):
    labels = np.array(labels)
    order = stratified_order(labels)
    assert sorted(order) == list(range(len(labels)))
    classes, members = np.unique(labels, return_counts=True)
    for n in range(len(labels) + 1):
        counts = np.array([(labels[order[:n]] == value).sum() for value in classes])
        unfinished = counts < members  # a class with no image left cannot keep up
        assert counts.max(initial=0) - counts[unfinished].min(initial=len(labels)) <= 1


@pytest.mark.parametrize(("classes", "each"), [(1000, 1), (1000, 2), (150, 3)])
def test_of_many_classes_every_prefix_is_spread_over_their_numbers(classes, each):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(classes), each))
    order = stratified_order(labels)
    assert sorted(order) == list(range(len(labels)))
    rounds = labels[order].reshape(each, classes)
    assert (rounds == rounds[0]).all() and sorted(rounds[0]) == list(range(classes))
    for n in range(10, classes, 10):
        first = np.sort(rounds[0, :n])
        gaps = np.diff(np.append(first, first[0] + classes))
        # Three distances at most for multiples of the golden ratio, and the largest is near its square times the mean.
        assert gaps.max() <= 3 * classes / n + 1


def test_the_order_of_the_digits_is_balanced_and_does_not_change():
    labels = load_data("digits").labels
    order = stratified_order(labels)
    np.testing.assert_array_equal(order, stratified_order(labels))
    assert sorted(order) == list(range(540))
    counts = np.zeros(10, int)
    for label in labels[order[:520]]:
        counts[label] += 1
        assert counts.max() - counts.min() <= 1


def test_the_first_of_every_class_comes_first():
    assert stratified_order(np.array([1, 1, 0, 1, 0])).tolist() == [2, 0, 4, 1, 3]


def test_streaming_ends_at_the_one_shot_accuracy(tiny, digits):
    logits = one_shot(tiny, digits)
    best = np.argsort(-logits, axis=1)
    result, predictions = last(evaluate(tiny.model, tiny.info, digits))
    assert result.done and result.n == result.total == 240
    assert result.top1.correct == int((best[:, 0] == digits.labels).sum())
    assert result.top5.correct == int((best[:, :5] == digits.labels[:, None]).any(1).sum())
    np.testing.assert_array_equal(predictions.classes, best[stratified_order(digits.labels), 0])
    assert result.top1 == wilson(result.top1.correct, 240)


def test_confidence_margin_and_loss_are_those_of_the_softmax_in_float64(tiny, digits):
    logits = one_shot(tiny, digits).astype(np.float64)[stratified_order(digits.labels)]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    ordered = np.sort(shares, axis=1)[:, ::-1]
    _, predictions = last(evaluate(tiny.model, tiny.info, digits))
    rounding = SINGLE * np.abs(logits).max()  # what a logit is off by, a share of all answers is at most
    np.testing.assert_allclose(predictions.confidence, ordered[:, 0], rtol=0, atol=rounding)
    np.testing.assert_allclose(predictions.margin, ordered[:, 0] - ordered[:, 1], rtol=0, atol=2 * rounding)
    labels = digits.labels[stratified_order(digits.labels)]
    np.testing.assert_allclose(predictions.loss, -np.log(shares[np.arange(240), labels]), rtol=0, atol=2 * rounding)


def test_estimates_grow_batch_by_batch_and_each_judges_its_own_prefix(tiny, digits):
    order = stratified_order(digits.labels)
    hits = (one_shot(tiny, digits).argmax(1) == digits.labels)[order]
    results = [result for result, _ in evaluate(tiny.model, tiny.info, digits, limit=150)]
    assert [result.n for result in results] == [BATCH_SIZE, 2 * BATCH_SIZE, 150]
    assert [result.top1.correct for result in results] == [int(hits[: result.n].sum()) for result in results]
    assert [result.done for result in results] == [False, False, True]
    assert {result.total for result in results} == {150}
    assert results[-1].seconds >= results[0].seconds > 0


def test_batch_size_does_not_change_predictions(tiny, digits):
    small = concatenate(list(predict(tiny.model, tiny.info, digits, limit=60, sizes=(7, 5))))
    large = concatenate(list(predict(tiny.model, tiny.info, digits, limit=60, sizes=(60,))))
    np.testing.assert_array_equal(small.classes, large.classes)
    np.testing.assert_array_equal(small.in_top5, large.in_top5)


def test_masked_evaluation_equals_a_masked_copy_and_leaves_the_model_alone(tiny, digits):
    plan = PruningPlan(ratio=0.9, scope="layer")
    scores = score(tiny, plan)
    selection = select(scores, tiny.anatomy, plan)
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    weights = masked_weights(tiny.model, tiny.anatomy, scores, selection)
    _, masked = last(evaluate(tiny.model, tiny.info, digits, masked_run(tiny.model, weights)))
    _, copied = last(evaluate(mask_model(tiny.model, tiny.anatomy, scores, selection), tiny.info, digits))
    _, dense = last(evaluate(tiny.model, tiny.info, digits))
    np.testing.assert_array_equal(masked.classes, copied.classes)
    np.testing.assert_array_equal(masked.in_top5, copied.in_top5)
    assert not np.array_equal(masked.classes, dense.classes)
    for name, value in tiny.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(p.grad is not None for p in tiny.model.parameters())


def test_cues_are_judged_apart_and_drops_are_paired(tiny_swin, cued):
    _, dense = last(evaluate(tiny_swin.model, tiny_swin.info, cued))
    plan = PruningPlan(ratio=0.9, scope="layer")
    scores = score(tiny_swin, plan)
    weights = masked_weights(tiny_swin.model, tiny_swin.anatomy, scores, select(scores, tiny_swin.anatomy, plan))
    labels = cued.labels[stratified_order(cued.labels)]
    for result, pruned in evaluate(tiny_swin.model, tiny_swin.info, cued, masked_run(tiny_swin.model, weights), dense):
        assert set(result.cues) == set(result.drops) == {"joint", "parity", "small"}
        n = result.n
        cut, whole, truth = pruned.classes, dense.classes[:n], labels[:n]
        for cue, right, baseline in [
            ("joint", cut == truth, whole == truth),
            ("parity", cut % 2 == truth % 2, whole % 2 == truth % 2),
            ("small", (cut < 5) == (truth < 5), (whole < 5) == (truth < 5)),
        ]:
            assert result.cues[cue] == wilson(int(right.sum()), n)
            assert result.drops[cue] == paired_difference(right, baseline)


def test_without_dense_predictions_of_that_prefix_there_is_no_drop(tiny_swin, digits):
    _, dense = last(evaluate(tiny_swin.model, tiny_swin.info, digits, limit=60))
    results = [result for result, _ in evaluate(tiny_swin.model, tiny_swin.info, digits, dense=dense, limit=120)]
    assert [set(result.drops) for result in results] == [{"joint"}, set()]
    assert estimate(dense, digits).drops == {}


def test_closing_the_generator_stops_the_work(tiny_swin, digits):
    seen = []
    handle = tiny_swin.model.register_forward_hook(lambda *_: seen.append(1))
    stream = evaluate(tiny_swin.model, tiny_swin.info, digits)
    next(stream)
    stream.close()
    handle.remove()
    assert len(seen) == 1


def test_a_model_on_data_it_does_not_know_is_refused(tiny_swin, digits):
    textured = replace(digits, name="textured-digits")
    with pytest.raises(DataError, match=r"^'tiny-swin' does not know the classes of 'textured-digits'; .*'digits'\.$"):
        next(evaluate(tiny_swin.model, tiny_swin.info, textured))
    with pytest.raises(DataError, match=r"evaluate a bundled model there instead\.$"):
        next(evaluate(tiny_swin.model, replace(tiny_swin.info, data=None), digits))


def test_images_of_another_size_are_refused(tiny_swin):
    large = LabelledImages("digits", np.zeros((4, 3, 64, 64), np.uint8), np.arange(4), tuple("0123456789"))
    with pytest.raises(DataError, match=r"^'digits' has images of 64 px, 'tiny-swin' takes 32 px; .*\.$"):
        next(evaluate(tiny_swin.model, tiny_swin.info, large))
