"""95 % intervals for accuracies (Wilson), paired differences of them (Newcombe) and of losses (Student), and rank
correlations (Bonett and Wright). Next door: `accuracy` streams accuracies.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import norm, spearmanr, ttest_rel

from ..types import Correlation, Difference, Proportion

Z = float(norm.ppf(0.975))


def wilson(correct: int, n: int, z: float = Z) -> Proportion:
    """`correct` of `n` with Wilson's score interval (scipy's binomtest gives the same, a hundred times slower)."""
    share, square = correct / n, z**2 / n
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / n + square / (4 * n))
    low = 0.0 if correct == 0 else middle - half
    return Proportion(n, correct, low, 1.0 if correct == n else middle + half)


def paired_difference(hits: np.ndarray, baseline: np.ndarray, looks: int = 1) -> Difference:
    """Accuracy of `hits` minus that of `baseline`, boolean [n] over the same images, with Newcombe's interval.

    `looks`: how many answers the same images have judged; the interval is that of 1 - 5 % / looks (Bonferroni), so that
    the chance that any of them misses stays at 5 %.

    Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on paired
    data", Statistics in Medicine 17, method 10: two Wilson intervals joined through the correlation of the pairs.
    Never of zero width.
    """
    n = len(hits)
    both, neither = int(np.sum(hits & baseline)), int(np.sum(~hits & ~baseline))
    only, lost = int(np.sum(hits & ~baseline)), int(np.sum(~hits & baseline))
    z = Z if looks == 1 else float(norm.ppf(1 - 0.025 / looks))
    p, q = wilson(both + only, n, z), wilson(both + lost, n, z)
    phi = _correlation(both, only, lost, neither)
    down = _joined(p.value - p.low, q.high - q.value, phi)
    up = _joined(p.high - p.value, q.value - q.low, phi)
    value = (only - lost) / n
    return Difference(n, value, max(-1.0, value - down), min(1.0, value + up))


def mean_difference(values: np.ndarray, baseline: np.ndarray) -> Difference:
    """Mean of `values` minus mean of `baseline`, [n] over the same images, with Student's paired interval."""
    values, baseline = values.astype(np.float64), baseline.astype(np.float64)
    value = float(np.mean(values - baseline))
    if len(values) < 2 or np.ptp(values - baseline) == 0:
        return Difference(len(values), value, value, value)
    bounds = ttest_rel(values, baseline).confidence_interval()
    return Difference(len(values), value, float(bounds.low), float(bounds.high))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> Correlation | None:
    """Spearman's correlation of two arrays [n]; None for fewer than four units and where one of them is constant.

    Interval: Bonett and Wright 2000, "Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations", Psychometrika 65: Fisher's z with variance (1 + r^2 / 2) / (n - 3).
    """
    n = len(first)
    if n < 4 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    value = round(float(spearmanr(first, second).statistic), 12)  # equal rankings may come out as 1 - 1e-16
    if abs(value) == 1:
        return Correlation(n, value, value, value)
    half = Z * math.sqrt((1 + value**2 / 2) / (n - 3))
    return Correlation(n, value, math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half))


def _correlation(both: int, only: int, lost: int, neither: int) -> float:
    """phi of the 2x2 table, its positive numerator corrected by n/2 as method 10 asks."""
    product = (both + only) * (lost + neither) * (both + lost) * (only + neither)
    if product == 0:
        return 0.0
    numerator: float = both * neither - only * lost
    if numerator > 0:
        numerator = max(numerator - (both + only + lost + neither) / 2, 0)
    return numerator / math.sqrt(product)


def _joined(first: float, second: float, phi: float) -> float:
    return math.sqrt(max(first**2 - 2 * phi * first * second + second**2, 0.0))
