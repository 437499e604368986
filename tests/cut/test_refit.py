"""The solves behind the refit of zeros against brute force in float64."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from dimap_core.cut.refit import Pairs, descended, exact, factor, seen, stretched
from dimap_core.types.errors import DataError
from tests.helpers import SINGLE, same

EXACTLY = 10**9  # so many steps are dearer than a solve for every row


def randn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def problem(rows=9, width=14, samples=300, share=0.5, seed=0):
    """A layer with correlated inputs: (x [n, width], W [rows, width], keep), one row empty and one whole."""
    x = randn(samples, width, seed=seed) @ randn(width, width, seed=seed + 1) + randn(width, seed=seed + 2)
    keep = randn(rows, width, seed=seed + 3) > torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(share))
    keep[0], keep[1] = False, True
    return x, randn(rows, width, seed=seed + 4), keep


def seen_of(now, dense, bias=True, batches=3):
    pairs = Pairs()
    for part, aim in zip(now.chunk(batches), dense.chunk(batches), strict=True):
        pairs.add(part, aim)
    return pairs.seen(bias)


def brute(now, dense, weight, keep, bias):
    """Row by row: numpy's least squares on the samples, and one sample a damped direction that pulls to the old row."""
    now, dense, weight = (part.numpy() for part in (now, dense, weight))
    means = (now.mean(0), dense.mean(0)) if bias else (np.zeros(now.shape[1]),) * 2
    x, aims = now - means[0], (dense - means[1]) @ weight.T
    strength = np.sqrt(0.01 * np.square(x).mean() * len(x))
    made = np.zeros_like(weight)
    for row, kept in enumerate(keep.numpy()):
        design = np.concatenate([x[:, kept], strength * np.eye(kept.sum())])
        made[row, kept] = np.linalg.lstsq(design, np.concatenate([aims[:, row], strength * weight[row, kept]]))[0]
    return made, weight @ dense.mean(0) - made @ now.mean(0)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("other", [False, True], ids=["one pass", "aimed at the dense model"])
def test_every_row_is_the_damped_least_squares_fit_on_what_it_keeps(bias, other):
    x, weight, keep = problem()
    now = x + 0.3 * randn(*x.shape, seed=9) + 0.5 if other else x
    made, shift = seen_of(now, x, bias).refitted(weight, keep, EXACTLY)
    expected, moved = brute(now, x, weight, keep, bias)
    assert same(made, torch.from_numpy(expected)) and same(shift, torch.from_numpy(moved))
    assert not made[~keep].any() and made[keep].all()


def test_the_answer_by_hand():
    """Two inputs of variance 2 and covariance 1; the second goes: (2 + l) w = (2 + l) 3 + 1 * 4, l = 0.02."""
    found = seen(
        torch.tensor([[3.0, 2.0], [2.0, 3.0]]).double(), torch.tensor([[3.0, 2.0], [2.0, 3.0]]).double(),
        torch.ones(2).double(), torch.ones(2).double(), bias=True,
    )  # fmt: skip
    made, shift = found.refitted(torch.tensor([[3.0, 4.0]]).double(), torch.tensor([[True, False]]), EXACTLY)
    assert made[0].tolist() == pytest.approx([3 + 4 / 2.02, 0], rel=1e-15)
    assert shift.item() == pytest.approx(7 - (3 + 4 / 2.02), rel=1e-15)


def test_what_keeps_everything_stays_as_it_is_and_what_keeps_nothing_answers_the_mean():
    x, weight, keep = problem()
    made, shift = seen_of(x, x).refitted(weight, keep, EXACTLY)
    assert same(made[1], weight[1]) and shift[1].abs() < 1e-9
    assert not made[0].any() and shift[0].item() == pytest.approx(float(weight[0] @ x.mean(0)), rel=1e-12)


def test_one_mask_for_all_rows_is_the_formula_for_structures():
    """W_S + W_P C_PS (C_SS + l I)^-1, and W_P (mu_P - B mu_S) for the bias."""
    x, weight, keep = problem(width=10)
    kept, gone = torch.tensor([0, 2, 3, 7, 9]), torch.tensor([1, 4, 5, 6, 8])
    keep = torch.zeros(10, dtype=torch.bool).index_fill(0, kept, True).expand_as(weight)
    made, shift = seen_of(x, x).refitted(weight, keep, EXACTLY)
    centred = x - x.mean(0)
    covariance = centred.T @ centred / len(x)
    damped = covariance[kept][:, kept] + 0.01 * covariance.diagonal().mean() * torch.eye(5)
    mixing = covariance[gone][:, kept] @ torch.linalg.inv(damped)
    assert same(made[:, kept], weight[:, kept] + weight[:, gone] @ mixing)
    assert same(shift, weight[:, gone] @ (x.mean(0)[gone] - mixing @ x.mean(0)[kept]))
    assert not made[:, gone].any()


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_steps_reach_the_exact_answer_and_never_lose_on_the_way(share):
    x, weight, keep = problem(20, 60, share=share)
    found = seen_of(x, x)
    aim = weight @ found.cross

    def error(rows):
        return float((((rows - weight) @ found.square) * (rows - weight)).sum())

    solved = exact(found.square, aim, keep)
    errors = [error(descended(found.square, aim, keep, weight, steps)) for steps in range(0, 41, 4)]
    assert errors[0] == pytest.approx(error(weight * keep))
    assert all(after <= before * (1 + 1e-9) for before, after in pairwise(errors))
    assert error(solved) * (1 - 1e-9) <= errors[10] <= 1.1 * error(solved) < 0.95 * errors[0]
    assert same(descended(found.square, aim, keep, weight, 2000), solved, 1e-3)  # ends once nothing is left to gain
    assert not descended(found.square, aim, keep, weight, 7)[~keep].any()


def test_the_way_is_chosen_by_what_it_costs():
    x, weight, keep = problem(20, 60, share=0.2)
    found = seen_of(x, x)
    aim = weight @ found.cross
    assert torch.equal(found.refitted(weight, keep, 5)[0], descended(found.square, aim, keep, weight, 5))
    assert torch.equal(found.refitted(weight, keep, 1000)[0], exact(found.square, aim, keep))
    every = keep[2:3].expand_as(keep)
    assert torch.equal(found.refitted(weight, every, 0)[0], exact(found.square, aim, every))


@pytest.mark.parametrize("steps", [5, EXACTLY])
def test_rows_taken_in_parts_are_the_same_rows(monkeypatch, steps):
    x, weight, keep = problem(20, 60, share=0.6)
    found = seen_of(x, 0.5 * x)
    whole, shift = found.refitted(weight, keep, steps)
    monkeypatch.setattr("dimap_core.cut.refit._TOGETHER", 7 * 60)
    monkeypatch.setattr("dimap_core.cut.refit._CHUNK", 3 * 60**2)
    made, shifted = found.refitted(weight, keep, steps)
    assert same(made, whole) and same(shifted, shift) and torch.equal(made != 0, whole != 0)
    short, _ = found.refitted(weight.float(), keep, steps)  # in the layer's own type
    assert short.dtype == torch.float32 and same(short.double(), whole, SINGLE)


def test_inputs_that_are_always_zero_keep_their_weights():
    x, weight, keep = problem()
    x[:, 3] = 0
    made, _ = seen_of(x, x).refitted(weight, keep, EXACTLY)
    assert same(made[:, 3], weight[:, 3] * keep[:, 3])
    silent, shift = seen_of(0 * x, 0 * x).refitted(weight, keep, EXACTLY)
    assert same(silent, weight * keep) and not shift.any()


def test_what_is_not_finite_is_refused():
    x, _, _ = problem()
    x[7, 2] = torch.inf
    with pytest.raises(DataError, match=r"not finite; check its weights, or drop repair\.$"):
        seen_of(x, x)


def test_queries_are_stretched_to_the_least_squares_fit_of_all_logits():
    """Two heads, six dimensions; each head's damped fit by numpy, from what every dimension adds to 50 logits."""
    parts = randn(2, 50, 6) @ randn(6, 6, seed=1)
    kept = torch.tensor([[0, 2, 5], [1, 2, 3]])
    found = stretched(parts.mT @ parts / 50, kept)
    for head in range(2):
        strength = 0.01 * parts[head].square().sum(0).mean()
        design = torch.cat([parts[head][:, kept[head]], strength.sqrt() * torch.eye(3).double()])
        aim = torch.cat([parts[head].sum(1), strength.sqrt() * torch.ones(3).double()])
        assert same(found[head], torch.linalg.lstsq(design, aim[:, None]).solution[:, 0])
    assert torch.equal(stretched(torch.zeros(2, 6, 6).double(), kept), torch.ones(2, 3).double())


def test_inputs_that_hardly_move_about_a_large_mean_are_told_from_it():
    x = torch.cat([1e3 + 1e-2 * randn(4000, 6), randn(4000, 2, seed=1)], 1).float()
    pairs = Pairs()
    for part in x.split(1000):
        pairs.add(part, part)
    found, centred = pairs.seen(bias=True), x.double() - x.double().mean(0)
    damping = found.square - centred.T @ centred / len(x)
    damping -= damping.diagonal().mean() * torch.eye(8)
    assert (
        damping.abs().max() < 1e-2 * 1e-4
    )  # a hundredth of what the six vary by; in plain float32 products it is 1e-1


def test_a_matrix_that_rounding_made_indefinite_is_damped_until_it_can_be_solved():
    good = torch.eye(3, dtype=torch.float64)
    bad = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0 - 1e-9, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    found = factor(torch.stack([good, bad]))
    assert torch.equal(found[0], good)
    added = found[1] @ found[1].T - bad
    assert added.diagonal().min() > 0 and same(added + good, added.diagonal().mean() * good + good)
