"""Intervals: Wilson and Newcombe against published values and an independent recomputation; never of zero width."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from dimap_core.measure.intervals import mean_difference, paired_difference, rank_correlation, wilson
from dimap_core.types.estimates import Correlation, Difference

Z = 1.959963984540054


def wilson_by_hand(p, n):
    """Both roots of (p - x)^2 = z^2 x (1 - x) / n."""
    a, b, c = 1 + Z**2 / n, -(2 * p + Z**2 / n), p**2
    root = math.sqrt(b * b - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def newcombe_by_hand(a, b, c, d):
    """Method 10: a both right, b only the first, c only the second, d neither."""
    n = a + b + c + d
    p, q = (a + b) / n, (a + c) / n
    (p_low, p_high), (q_low, q_high) = wilson_by_hand(p, n), wilson_by_hand(q, n)
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    phi = 0.0
    if margins:
        excess = a * d - b * c
        phi = (max(excess - n / 2, 0) if excess > 0 else excess) / math.sqrt(margins)

    def joined(x, y):
        return math.sqrt(max(x * x - 2 * phi * x * y + y * y, 0))

    return p - q - joined(p - p_low, q_high - q), p - q + joined(p_high - p, q - q_low)


def paired(a, b, c, d):
    table = [(True, True)] * a + [(True, False)] * b + [(False, True)] * c + [(False, False)] * d
    hits, baseline = np.array(table).T
    return paired_difference(hits, baseline)


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        # Newcombe 1998, "Two-sided confidence intervals for the single proportion", Table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_equals_published_values(correct, n, low, high):
    share = wilson(correct, n)
    assert (share.low, share.high) == pytest.approx((low, high), abs=5e-5)
    assert share.value == correct / n


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_solves_the_score_equation_and_is_never_of_zero_width(pair):
    correct, n = pair
    share = wilson(correct, n)
    assert (share.low, share.high) == pytest.approx(wilson_by_hand(correct / n, n), abs=1e-9)
    assert 0 <= share.low <= share.value <= share.high <= 1 and share.high - share.low > 0


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        # Newcombe 1998, paired data: n = 50, difference 0.2.
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((20, 12, 2, 16), 0.0562, 0.3292),
        # Airway hyper-responsiveness before and after transplantation, n = 21 (Fagerland et al. 2014).
        ((1, 1, 7, 12), -0.507, -0.026),
    ],
)
def test_newcombe_equals_published_values(table, low, high):
    difference = paired(*table)
    digits = 5e-4 if low == -0.507 else 5e-5
    assert (difference.low, difference.high) == pytest.approx((low, high), abs=digits)


counts = st.integers(0, 300)


@given(counts, counts, counts, counts.map(lambda d: d + 1))
def test_newcombe_equals_a_recomputation_and_is_never_of_zero_width(a, b, c, d):
    difference = paired(a, b, c, d)
    low, high = newcombe_by_hand(a, b, c, d)
    assert (difference.low, difference.high) == pytest.approx((max(low, -1), min(high, 1)), abs=1e-9)
    assert difference.value == pytest.approx((b - c) / (a + b + c + d))
    assert -1 <= difference.low <= difference.value <= difference.high <= 1
    assert difference.high - difference.low > 1e-4


@pytest.mark.parametrize(
    "table", [(540, 0, 0, 0), (0, 0, 0, 540), (500, 0, 0, 40), (0, 1, 0, 0), (0, 0, 1, 0)], ids=str
)
def test_models_that_agree_everywhere_still_get_an_interval(table):
    difference = paired(*table)
    assert difference.high - difference.low > 0.001


@given(counts, counts, counts, counts.map(lambda d: d + 1))
def test_swapping_the_models_mirrors_the_interval(a, b, c, d):
    there, back = paired(a, b, c, d), paired(a, c, b, d)
    assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low), abs=1e-9)


def test_a_mean_difference_has_students_paired_interval():
    values, baseline = np.array([1.0, 2.0, 4.0, 7.0]), np.array([1.0, 1.0, 2.0, 2.0])
    found = mean_difference(values, baseline)  # differences 0, 1, 2, 5: mean 2, variance 14 / 3
    half = 3.182446305284263 * math.sqrt(14 / 3 / 4)  # t of 3 degrees of freedom, 97.5 %
    assert (found.n, found.value) == (4, 2.0)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))
    assert mean_difference(values, values) == Difference(4, 0.0, 0.0, 0.0)
    assert mean_difference(values[:1], baseline[:1]).n == 1


def test_a_rank_correlation_has_bonett_and_wrights_interval():
    first, second = np.array([1, 2, 3, 4, 5, 6]), np.array([10, 30, 20, 40, 60, 50])
    found = rank_correlation(first, second)
    value = 1 - 6 * 4 / (6 * 35)  # four ranks are off by one
    half = Z * math.sqrt((1 + value**2 / 2) / 3)
    assert (found.n, found.value) == (6, pytest.approx(value))
    assert found.low == pytest.approx(math.tanh(math.atanh(value) - half))
    assert found.high == pytest.approx(math.tanh(math.atanh(value) + half))
    assert rank_correlation(first, -first) == Correlation(6, -1.0, -1.0, -1.0)
    assert rank_correlation(first[:3], second[:3]) is None and rank_correlation(first, first * 0) is None
