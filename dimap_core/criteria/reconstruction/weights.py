"""How much of a layer's output error refit leaves when its smallest weights go, as a curve, and scores that follow it.

Row r loses the weights P_r that lie below the layer's threshold; the others make up for it by least squares, and
w_P ([(C + l I)^-1]_PP)^-1 w_P^T is what stays (Optimal Brain Surgeon, Hassibi & Stork 1992, for many weights at once).
Next door: `weighed` says what rows count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import isotonic_regression

from .threads import one_thread

RATIOS = (0.3, 0.5, 0.65, 0.77, 0.86, 0.92, 0.96, 0.98)
ROWS = 24  # of a layer that stand for all, evenly spaced
_SLOPE = 1e-3  # in logarithms: so that a larger weight scores more where the curve says nothing
_LEAST = 1e-12  # of the largest slope
_KEPT = 1.0  # nats that a layer's largest weight is worth beside its own: no layer is emptied, however little it adds


def refit_errors(weight: np.ndarray, damped: np.ndarray, rows: np.ndarray, ratios: Sequence[float]) -> np.ndarray:
    """The error after refit at each ratio of the layer's smallest weights removed, float64 [ratios].

    `weight` [out, in]; `damped` [in, in] C + l I; `rows` [out] what a row's squared error counts.
    """
    chosen = np.unique(np.linspace(0, len(weight) - 1, ROWS).round().astype(int))
    sizes = np.abs(weight)
    ordered = np.sort(sizes, axis=None)
    thresholds = [ordered[min(int(ratio * weight.size), weight.size - 1)] for ratio in ratios]
    some = weight[chosen].astype(np.float64)
    gone = sizes[chosen] < np.reshape(thresholds, (-1, 1, 1))
    with one_thread():
        lost = np.where(gone, some, 0.0)
        missing = lost @ damped
        errors = (missing * lost).sum(axis=2) - [
            [_made_up(part, ~out, damped) for part, out in zip(*pairs, strict=True)]
            for pairs in zip(missing, gone, strict=True)
        ]
    return np.maximum(errors, 0.0) @ rows[chosen] * (len(weight) / len(chosen))


def _made_up(missing: np.ndarray, kept: np.ndarray, damped: np.ndarray) -> float:
    """Of w_P C_PP w_P^T what the kept inputs make up for: w_P C_PS C_SS^-1 C_SP w_P^T, `missing` w_P C_P. What is left
    is the Schur complement, equal to the inverse's block, inverted."""
    places = np.flatnonzero(kept)
    if not len(places):
        return 0.0
    square = damped[np.ix_(places, places)].T  # symmetric; in LAPACK's order
    factor = cho_factor(square, overwrite_a=True, check_finite=False)
    return float(missing[places] @ cho_solve(factor, missing[places], check_finite=False))


def keys(weight: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Scores shaped like `weight`, float32, rising with |w| and with nothing else: the growth of the error for each
    weight, between `RATIOS` by straight lines in logarithms of both.

    `errors` in nats at RATIOS; below the first and above the last the line goes on with slope 2, as the square of |w|.
    """
    sizes = np.abs(weight).astype(np.float64)
    ordered = np.sort(sizes, axis=None)
    ends = np.array([0.0, *RATIOS])
    growth = isotonic_regression(np.diff([0.0, *errors]) / np.diff(ends), weights=np.diff(ends)).x / weight.size
    growth = np.log(np.maximum(growth, max(growth.max(), 1e-30) * _LEAST))
    middle = np.log(np.maximum(np.quantile(ordered, (ends[1:] + ends[:-1]) / 2), 1e-30))
    places, first = np.unique(middle, return_index=True)
    values = growth[first] + _SLOPE * (places - places[0])
    at = np.log(np.maximum(sizes, 1e-30))
    found = np.interp(at, places, values)
    found += 2 * np.minimum(at - places[0], 0) + 2 * np.maximum(at - places[-1], 0)
    scores = np.where(sizes > 0, np.exp(found), 0.0)
    if ordered[-1] > 0:  # the last of them, as equal ones leave in the order of their indices
        scores.flat[np.flatnonzero(sizes == ordered[-1])[-1]] += _KEPT
    return scores.astype(np.float32)
