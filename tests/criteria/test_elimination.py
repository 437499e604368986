"""Backward elimination against the greedy walk done by least squares, and scores against every possible allocation."""

import itertools

import numpy as np
import pytest

from dimap_core.criteria.reconstruction import elimination
from dimap_core.criteria.reconstruction.elimination import Elimination, eliminate, eliminate_blocks, eliminate_rounds
from tests.helpers import same

DAMPING = 0.05


@pytest.fixture(scope="module")
def layer():
    """(weight [5, 12], inputs [300, 12] that stand in for each other, with the damping as further rows)."""
    return made(outputs=5, inputs=12)


def made(outputs, inputs, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((300, 6)) @ rng.standard_normal((6, inputs)) + 0.3 * rng.standard_normal((300, inputs))
    x = (x - x.mean(0)) / 300**0.5
    return rng.standard_normal((outputs, inputs)), np.vstack([x, DAMPING**0.5 * np.eye(inputs)])


def inverse_of(x):
    return np.linalg.inv(x.T @ x)


def refitted(weight, x, gone):
    """Squared distance of the layer's outputs from their best fit by the inputs that stay."""
    kept, outputs = np.setdiff1d(np.arange(x.shape[1]), gone), x @ weight.T
    return np.square(outputs - x[:, kept] @ np.linalg.lstsq(x[:, kept], outputs, rcond=None)[0]).sum()


def greedy(weight, x, candidates):
    """[(group of inputs that goes, error)], each time the one whose loss costs least; `candidates(gone groups)`."""
    gone, steps = [], []
    while groups := candidates(gone):
        errors = [refitted(weight, x, [i for group in (*gone, new) for i in group]) for new in groups]
        gone.append(groups[int(np.argmin(errors))])
        steps.append((gone[-1], min(errors)))
    return steps


def test_units_leave_as_the_greedy_refit_says_and_the_curve_is_its_error(layer):
    weight, x = layer
    steps = greedy(weight, x, lambda gone: [(i,) for i in range(12) if (i,) not in gone])
    found = eliminate(weight, inverse_of(x))
    assert found.order.tolist() == [i for (i,), _ in steps]
    assert same(found.errors, np.array([0, *(error for _, error in steps)]))
    # Not what scoring every unit alone says: some stand in for each other.
    alone = [refitted(weight, x, [i]) for i in range(12)]
    assert np.argsort(alone).tolist() != found.order.tolist()


def test_dimensions_leave_in_rounds_of_one_a_head(layer):
    weight, x = layer

    def candidates(gone):
        served = [i // 4 for (i,) in gone[len(gone) - len(gone) % 3 :]]
        return [(i,) for i in range(12) if (i,) not in gone and i // 4 not in served]

    steps, found = greedy(weight, x, candidates), eliminate_rounds(weight, inverse_of(x), 3)
    for turn in range(4):
        went = sorted(i for (i,), _ in steps[3 * turn : 3 * turn + 3])
        assert (found.order[:, turn] + 4 * np.arange(3)).tolist() == went
    assert same(found.errors, np.array([0, *(error for _, error in steps[2::3])]))


def test_heads_leave_with_all_their_dimensions(layer):
    weight, x = layer
    heads = [tuple(range(4 * head, 4 * head + 4)) for head in range(3)]
    steps = greedy(weight, x, lambda gone: [head for head in heads if head not in gone])
    found = eliminate_blocks(weight, inverse_of(x), 3)
    assert found.order.tolist() == [group[0] // 4 for group, _ in steps]
    assert same(found.errors, np.array([0, *(error for _, error in steps)]))


def test_in_chunks_the_error_is_within_a_tenth_of_exact_and_the_refits_own(monkeypatch):
    weight, x = made(outputs=8, inputs=160)
    exact = eliminate(weight, inverse_of(x))
    monkeypatch.setattr(elimination, "EXACT", 100)
    chunked = eliminate(weight, inverse_of(x))
    assert sorted(chunked.order) == list(range(160)) and chunked.order.tolist() != exact.order.tolist()
    for count in (16, 30, 43):  # where a chunk ends
        assert chunked.errors[count] == pytest.approx(refitted(weight, x, chunked.order[:count]), rel=1e-9)
    half = slice(80, 150)
    assert (chunked.errors[half] <= 1.1 * exact.errors[half]).all()
    rounds = eliminate_rounds(weight, inverse_of(x), 8)
    assert (np.sort(rounds.order, axis=1) == np.arange(20)).all()
    for turn in (5, 19):
        gone = 20 * np.arange(8)[:, None] + rounds.order[:, :turn]
        assert rounds.errors[turn] == pytest.approx(refitted(weight, x, gone.ravel()), rel=1e-9)


def test_inputs_that_say_nothing_leave_first_and_cost_nothing():
    weight, x = made(outputs=5, inputs=12)
    weight[:, [3, 7]] = 0
    found = eliminate(weight, inverse_of(x))
    assert set(found.order[:2]) == {3, 7} and found.errors[2] == 0 < found.errors[3]
    still = eliminate(0 * weight, inverse_of(x))
    assert (still.errors == 0).all() and (np.diff(still.keys()[still.order]) > 0).all()


def curve(growth, order=None):
    growth = np.array(growth, dtype=float)
    return Elimination(np.arange(len(growth)) if order is None else order, np.concatenate([[0], growth.cumsum()]))


def test_scores_are_the_slopes_of_the_curve_made_convex_and_keep_the_order():
    """Growth 1, 5, 3, 9 becomes 1, 4, 4, 9."""
    found = curve([1, 5, 3, 9], np.array([2, 0, 3, 1])).keys()
    np.testing.assert_allclose(found[[2, 0, 3, 1]], [1, 4, 4, 9], rtol=1e-8)
    assert (np.diff(found[[2, 0, 3, 1]]) > 0).all()
    heads = curve([1, 5, 3], np.array([[2, 0, 1], [0, 1, 2]])).keys()
    np.testing.assert_allclose(heads, [[2, 2, 0.5], [0.5, 2, 2]], rtol=1e-8)


def test_lowest_scores_per_cost_are_the_best_of_all_allocations():
    """Three sets with costs of 1, 2 and 5 a unit: however many units go by score / cost, no other way of saving as much
    costs less on the convex curves."""
    rng = np.random.default_rng(3)
    curves, costs = [curve(rng.exponential(size=6).cumsum()) for _ in range(3)], np.array([1.0, 2.0, 5.0])
    scores = np.concatenate([found.keys() / cost for found, cost in zip(curves, costs, strict=True)])
    owners = np.repeat(np.arange(3), 6)[np.argsort(scores, kind="stable")]
    for gone in range(1, 18):
        counts = np.bincount(owners[:gone], minlength=3)
        saved, error = costs @ counts, sum(found.errors[k] for found, k in zip(curves, counts, strict=True))
        for others in itertools.product(range(7), repeat=3):
            if costs @ others >= saved:
                assert sum(found.errors[k] for found, k in zip(curves, others, strict=True)) >= error - 1e-9
