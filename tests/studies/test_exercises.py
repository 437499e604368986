"""Exercises: what learners work out by hand is what the app computes, on the weights and images that it names."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from dimap_core.criteria.registry import criterion
from dimap_core.data.batches import balanced_subset, normalised
from dimap_core.data.registry import load_data
from dimap_core.measure.intervals import wilson
from dimap_core.pipeline import open_model
from dimap_core.studies.exercises.by_hand import largest, verdict
from dimap_core.studies.exercises.fit import Fit, read
from dimap_core.studies.exercises.samples import drawn
from tests.helpers import SINGLE, same

IMAGES = 200


@pytest.fixture(scope="module")
def textured():
    return open_model("swin-textured")


@pytest.fixture(scope="module")
def fit():
    return read()


# Eq. 10.


def test_three_weights_by_hand():
    lines = largest(np.array([[3, -1], [2, 0]], np.float32))
    assert [line.weight for line in lines] == [3, 2, -1, 0]
    assert [line.square for line in lines] == [9, 4, 1, 0]
    assert [line.total for line in lines] == [9, 13, 14, 14]
    assert [line.score for line in lines] == [1, 4 / 13, 1 / 14, 0]


def test_the_largest_weights_of_every_layer_score_as_in_dimap_to_the_last_bit(textured):
    scores = criterion("dimap").fn(textured.model, textured.anatomy, "weight", None, 0)
    for layer in textured.anatomy.prunable:
        weight = textured.model.get_parameter(f"{layer.name}.weight").detach().numpy()
        lines, ranked = largest(weight), scores.layers[layer.name].ranked
        assert [line.score for line in lines] == ranked[::-1][:8].tolist()
        assert lines[0].score == 1 and all(line.score == line.square / line.total for line in lines)
        assert [abs(line.weight) for line in lines] == np.sort(np.abs(weight), axis=None)[::-1][:8].tolist()


@settings(max_examples=60)
@given(st.lists(st.floats(-8, 8, width=16), min_size=1, max_size=20), st.integers(-9, 9))
def test_scaling_the_layer_changes_no_score(weights, power):
    array = np.array(weights, np.float32)
    scaled = largest(array * np.float32(2.0**power))  # exact in binary, so equality is too
    assert [line.score for line in scaled] == [line.score for line in largest(array)]


def test_of_equal_weights_the_one_that_leaves_last_comes_first():
    lines = largest(np.array([2.0, 1.0, -2.0], np.float32))
    assert [line.weight for line in lines] == [-2.0, 2.0, 1.0]
    assert all(line.score == 0 for line in largest(np.zeros(9, np.float32)))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", ""), ("  ", ""), ("0.31", "right"), (".31", "right"), ("0,31", "right"), (" 0.3077 ", "right"),
        ("0.308", "right"), ("0.30", "right"), ("0.32", "wrong"), ("0.29", "wrong"), ("0.305", "wrong"),
        ("0.3", "short"), ("1", "short"),
        ("1.", "short"), ("0.30769230769", "right"), ("4/13", "unread"), ("about 0.31", "unread"), ("-0.31", "unread"),
        ("0.3.1", "unread"), (".", "unread"), (",", "unread"), ("1e-1", "unread"), ("0." + "3" * 40, "unread"),
        ("٠.٣١", "unread"), ("nan", "unread"), ("30.77", "wrong"),
    ],
)  # fmt: skip
def test_a_typed_score_is_judged_by_the_digits_given(typed, said):
    assert verdict(typed, 4 / 13) == said


@settings(max_examples=100)
@given(st.floats(0, 1), st.integers(2, 9))
def test_the_right_score_is_right_with_any_number_of_digits(value, digits):
    assert verdict(f"{value:.{digits}f}", value) == "right"
    assert verdict(f"{value + 2.1 * 10.0**-digits:.{digits}f}", value) == "wrong"


# A unit fitted.


def test_the_stored_points_are_the_models_on_training_images(textured, fit):
    """Gathered anew: the inputs that stay, the whole unit's output, and that it is the unit that was promised."""
    data = load_data("textured-digits", "train")
    chosen = balanced_subset(data.labels, IMAGES, 0)
    seen = []
    layer = textured.model.get_submodule(fit.layer)
    hook = layer.register_forward_hook(lambda _, given, made: seen.extend([given[0], made]))
    with torch.inference_mode():
        textured.model.layers[0](textured.model.patch_embed(normalised(textured.info, data.images[chosen])))
    hook.remove()
    tokens, outputs = (part.reshape(IMAGES, -1, part.shape[-1]).double().numpy() for part in seen[:2])
    at = np.arange(IMAGES), np.random.default_rng(0).integers(0, tokens.shape[1], IMAGES)
    assert (fit.model, fit.data, fit.layer) == (textured.info.name, data.name, textured.anatomy.prunable[0].name)
    assert same(fit.x, tokens[at][:, fit.inputs], SINGLE) and fit.x.shape == (IMAGES, 2)
    assert same(fit.y, outputs[at][:, fit.unit] - float(layer.bias[fit.unit].detach()), SINGLE)
    weight = layer.weight.detach().double().numpy()
    assert fit.of == weight.shape[1] and fit.kept == tuple(weight[fit.unit, fit.inputs])
    errors = np.array([_errors(tokens[at], row) for row in weight])
    assert errors[:, 1].argmin() == fit.unit
    np.testing.assert_allclose(np.median(errors, axis=0), fit.middle, atol=1e-3)


def _errors(x, row):
    """(kept as they are, by least squares) of one unit whose two largest weights stay, by numpy alone."""
    kept = np.sort(np.argsort(-np.abs(row), kind="stable")[:2])
    x = x - x.mean(axis=0)
    y, part = x @ row, x[:, kept]
    best = np.linalg.lstsq(part, y, rcond=None)[0]
    return [np.square(y - part @ values).mean() / np.square(y).mean() for values in (row[kept], best)]


def test_the_best_values_are_least_squares(fit):
    x, y = fit.centred
    found, left, *_ = np.linalg.lstsq(x, y, rcond=None)
    np.testing.assert_allclose(fit.best, found, rtol=1e-10)
    assert fit.error(fit.best) == pytest.approx(float(left[0]) / float(y @ y), rel=1e-9)


@settings(max_examples=60)
@given(st.floats(-3, 3), st.floats(-3, 3))
def test_the_error_is_that_of_the_points_and_nowhere_less_than_the_least(first, second):
    fit = read()
    y = fit.centred[1]
    points = np.square(y - fit.made((first, second))).mean() / np.square(y).mean()
    assert fit.error((first, second)) == pytest.approx(points, rel=1e-9)
    assert fit.error((first, second)) >= fit.error(fit.best) - 1e-12
    assert fit.gained((first, second)) <= 1 + 1e-9


def test_gained_runs_from_the_weights_as_they_were_to_the_best(fit):
    assert (fit.gained(fit.kept), fit.gained(fit.best)) == pytest.approx((0, 1), abs=1e-9)
    assert fit.gained((0.0, 0.0)) < 0 and fit.error((0.0, 0.0)) == pytest.approx(1)
    # Worth a lesson: the fit wins back nearly all, more than in the layer's middle unit, which is told beside it.
    assert fit.error(fit.kept) > 0.3 and fit.error(fit.best) < 0.03 < fit.middle[1] < fit.middle[0]


def test_two_points_on_a_line_are_fitted_exactly():
    x = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 5.0], [-1.0, 3.0]])
    exact = Fit("m", "d", "l", 0, 2, (0, 1), (1.0, 1.0), (0.0, 0.0), x, x @ [3.0, -0.5] + 7)
    assert exact.best == pytest.approx((3.0, -0.5)) and exact.error(exact.best) == pytest.approx(0, abs=1e-12)


def test_a_sample_is_drawn_without_replacement_and_all_images_are_no_sample():
    right = np.arange(100) < 70
    assert drawn(right, 100, 1) == drawn(right, 500, 2) == wilson(70, 100)
    found = [drawn(right, 50, seed) for seed in range(20)]
    assert len({one.correct for one in found}) > 3 and all(20 <= one.correct <= 50 and one.n == 50 for one in found)
    assert found[3] == drawn(right, 50, 3)
