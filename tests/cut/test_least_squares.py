"""The solves behind repair against brute force in float64."""

import numpy as np
import pytest
import torch

from dimap_core.cut.least_squares import LogitMoments, Moments, ridge


def randn(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def layer():
    """A linear layer with correlated inputs: (x [n, 7], W [4, 7], kept, removed)."""
    x = randn(200, 7) @ randn(7, 7, seed=1) + randn(7, seed=2)
    return x, randn(4, 7, seed=3), torch.tensor([0, 2, 3, 6]), torch.tensor([1, 4, 5])


def moments_of(x, weight, kept, removed, bias=True, batches=3):
    moments = Moments(bias)
    for part in x.chunk(batches):
        moments.add(part[:, kept], part[:, removed] @ weight[:, removed].T)
    return moments


def test_the_update_by_hand():
    """One kept input that is twice the removed one: e = 3 * x_R = 1.5 * x_K, damped by 1 / (1 + 0.5)."""
    found = ridge(torch.tensor([[4.0]]).double(), torch.tensor([[6.0]]).double(), 0.5)
    assert found.item() == pytest.approx(1.5 / 1.5, rel=1e-15)


def test_without_damping_the_update_is_the_least_squares_fit(layer):
    x, weight, kept, removed = layer
    change, shift = moments_of(*layer).update(damping=0.0)
    design = torch.cat([x[:, kept], torch.ones(len(x), 1, dtype=torch.float64)], dim=1)
    best = torch.linalg.lstsq(design, x[:, removed] @ weight[:, removed].T).solution
    torch.testing.assert_close(change, best[:-1].T, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(shift, best[-1], rtol=1e-9, atol=1e-10)


def test_with_damping_it_is_the_fit_of_the_samples_and_one_sample_a_damped_direction(layer):
    x, weight, kept, removed = layer
    centred = x - x.mean(0)
    strength = 0.1 * (centred[:, kept] ** 2).mean()
    design = torch.cat([centred[:, kept], torch.eye(4, dtype=torch.float64) * (strength * len(x)) ** 0.5])
    aim = torch.cat([centred[:, removed] @ weight[:, removed].T, torch.zeros(4, 4, dtype=torch.float64)])
    change, _ = moments_of(*layer).update(damping=0.1)
    torch.testing.assert_close(change, torch.linalg.lstsq(design, aim).solution.T, rtol=1e-9, atol=1e-10)


def test_it_equals_the_block_form_of_optimal_brain_surgery(layer):
    """dW = -W_R ([S^-1]_RR)^-1 [S^-1]_R,: with S = covariance + l I, restricted to the kept columns."""
    x, weight, kept, removed = layer
    centred = x - x.mean(0)
    covariance = centred.T @ centred / len(x)
    strength = 0.05 * covariance.diagonal()[kept].mean()
    inverse = torch.linalg.inv(covariance + strength * torch.eye(7, dtype=torch.float64))
    whole = -weight[:, removed] @ torch.linalg.inv(inverse[removed][:, removed]) @ inverse[removed]
    change, shift = moments_of(*layer).update(damping=0.05)
    torch.testing.assert_close(change, whole[:, kept], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(weight[:, removed] + whole[:, removed], torch.zeros(4, 3).double(), rtol=0, atol=1e-10)
    mean = x.mean(0)
    expected = weight[:, removed] @ mean[removed] - change @ mean[kept]  # b += W_R (mu_R - B^T mu_K)
    torch.testing.assert_close(shift, expected, rtol=1e-10, atol=1e-10)


def test_a_layer_without_bias_is_fitted_through_the_origin(layer):
    x, weight, kept, removed = layer
    change, shift = moments_of(*layer, bias=False).update(damping=0.0)
    best = torch.linalg.lstsq(x[:, kept], x[:, removed] @ weight[:, removed].T).solution
    torch.testing.assert_close(change, best.T, rtol=1e-9, atol=1e-10)
    assert not shift.any()


@pytest.mark.parametrize("bias", [True, False])
def test_inputs_that_are_always_zero_get_no_update(bias):
    moments = Moments(bias)
    moments.add(torch.zeros(5, 3).double(), randn(5, 2))
    change, _ = moments.update()
    assert torch.equal(change, torch.zeros(2, 3).double())


@pytest.fixture(scope="module")
def attention():
    """Queries, keys [heads 2, windows 6, tokens 9, dim 5] with correlated channels, kept [2, 3]."""
    mix = randn(5, 5, seed=4)
    q, k = (randn(2, 6, 9, 5, seed=s) @ mix + randn(5, seed=s + 9) for s in (5, 6))
    return q, k, torch.tensor([[0, 2, 3], [1, 2, 4]])


def logit_moments(q, k, kept, bias):
    found = LogitMoments(bias)
    for part in (slice(0, 2), slice(2, 6)):
        found.add(q[:, part], k[:, part], kept)
    return found


@pytest.mark.parametrize("bias", [True, False])
def test_the_mixing_is_the_least_squares_fit_of_all_logits_up_to_what_softmax_ignores(attention, bias):
    q, k, kept = attention
    mixing = logit_moments(q, k, kept, bias).mixing(damping=0.0)
    for head in range(2):
        design, aim = [], []
        for window in range(6):
            queries, keys = q[head, window][:, kept[head]], k[head, window][:, kept[head]]
            if bias:
                queries = torch.cat([queries, torch.ones(9, 1).double()], dim=1)
            logits = q[head, window] @ k[head, window].T
            # Every row of logits may be shifted at will: columns of the design and the aim lose their row means.
            design.append(torch.einsum("ia,jc->ijac", queries, keys - keys.mean(0)).reshape(81, -1))
            aim.append((logits - logits.mean(1, keepdim=True)).reshape(81, 1))
        best = torch.linalg.lstsq(torch.cat(design), torch.cat(aim)).solution.reshape(mixing[head].shape)
        torch.testing.assert_close(mixing[head], best, rtol=1e-7, atol=1e-9)


def test_channels_that_carry_nothing_are_left_out_without_a_mixing(attention):
    q, k, kept = attention
    alone = torch.zeros_like(q)
    alone.scatter_(3, kept[:, None, None, :].expand(*q.shape[:3], -1), 1.0)
    mixing = logit_moments(q * alone, k * alone, kept, bias=True).mixing()
    expected = torch.eye(4, 3).double().expand(2, -1, -1)
    np.testing.assert_allclose(mixing, expected, atol=1e-9)


def test_strong_damping_leaves_the_channels_as_they_are(attention):
    mixing = logit_moments(*attention, bias=True).mixing(damping=1e12)
    np.testing.assert_allclose(mixing, torch.eye(4, 3).double().expand(2, -1, -1), atol=1e-6)


def test_a_mixing_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="nothing was added"):
        LogitMoments(True).mixing()
