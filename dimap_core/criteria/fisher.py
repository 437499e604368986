"""Reconstruction, weighed by the answer: the errors of `reconstruction` in nats of what the model answers.

Ours. With G = E[g g^T] the Fisher information of a layer's output, summed over an image's tokens (`fisher_pass`), the
divergence of the answers that an output error e makes is about tr(G E[e e^T]) / 2, so G^1/2 W / 2^1/2 takes W's place
in the elimination, for the order and for the curve. Q/K curves are scaled by measuring (`qk_scale`). So scores of all
layers and kinds are the same quantity: with scope "model", cost exponent 1 and a MACs budget the cut is the allocation
with the least foretold divergence (Lagrange; `Elimination.keys`). Owes the Fisher information of
layers' outputs to EigenDamage (Wang et al., ICML 2019, arXiv 1905.05934), refit by layers to SparseGPT (2023).
Single weights: order of |w| in every layer, so magnitude's masks; how much of which layer is read from the curve of
what refit leaves of each layer's error (`refit_curves`), weighed by G's diagonal.
Reads images, no labels. Next door: `elimination` does the maths.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..types import Anatomy, Scores, rank, rank_groups
from .arrays import prunable_weights, required
from .elimination import Elimination
from .obs import inverse_of_inputs
from .reconstruction import eliminations
from .refit_curves import RATIOS, keys, refit_errors

if TYPE_CHECKING:
    from .fisher_pass import OutputFisher


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: OutputFisher | None = None, seed: int = 0
) -> Scores:
    """Nats that every unit's or weight's removal adds at its place; raises DataError without what was felt."""
    found = required(statistics, "Weighed reconstruction")
    if granularity == "structure":
        worths = ((name, curve.keys()) for name, curve in felt_eliminations(model, anatomy, found))
        return rank_groups("fisher", seed, worths)
    return rank("fisher", seed, _weights(model, anatomy, found), relative=False)


def felt_eliminations(model: Any, anatomy: Anatomy, found: OutputFisher) -> Iterator[tuple[str, Elimination]]:
    """(set name, order and curve in nats) of every set of groups, in forward order."""

    def weigh(name: str, weight: np.ndarray) -> np.ndarray:
        return root(found.outputs[name]) @ weight / 2**0.5

    for name, curve in eliminations(model, anatomy, found, weigh):
        block, _, kind = name.partition(":")
        yield name, curve.scaled(found.qk[block]) if kind == "qk_dim" else curve


def root(square: np.ndarray) -> np.ndarray:
    """The symmetric square root of a positive semidefinite matrix, float64; what rounding makes negative is zero."""
    values, vectors = np.linalg.eigh(square.astype(np.float64))
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _weights(model: Any, anatomy: Anatomy, found: OutputFisher) -> Iterator[tuple[str, np.ndarray]]:
    for name, weight in prunable_weights(model, anatomy):
        damped = np.linalg.inv(inverse_of_inputs(model, name, found.inputs))
        yield name, keys(weight, refit_errors(weight, damped, found.diagonals[name] / 2, RATIOS))
