"""Reconstruction, weighed by the answer: the errors of `plain` in nats of what the model answers.

Ours. With G = E[g g^T] the Fisher information of a layer's output, summed over an image's tokens (`outputs`), the
divergence of the answers that an output error e makes is about tr(G E[e e^T]) / 2, so G^1/2 W / 2^1/2 takes W's place
in the elimination, for the order and for the curve. Of so few images G knows some directions only, so it is shrunk half
way to its mean diagonal. Q/K curves are scaled by measuring (`qk_scale`). So scores of all layers and kinds are the
same quantity: with scope "model", cost exponent 1 and a MACs budget the cut is the allocation with the least foretold
divergence (Lagrange; `Elimination.keys`).
It owes the Fisher information of layers' outputs to EigenDamage (Wang et al., ICML 2019, arXiv 1905.05934), refit layer
by layer to SparseGPT (Frantar & Alistarh, 2023), and what `plain` owes.
Single weights: order of |w| in every layer, so magnitude's masks; how much of which layer is read from the curve of
what refit leaves of each layer's error (`weights`), weighed by G's diagonal.
Reads images, no labels. Next door: `elimination` does the maths.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...types import Anatomy, Scores, rank, rank_groups
from ..arrays import damped, damped_inputs, inverse, prunable_weights, required, unsliced, weight_of
from .elimination import Elimination, eliminations
from .weights import RATIOS, keys, refit_errors

if TYPE_CHECKING:
    from .outputs import OutputFisher


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: OutputFisher | None = None, seed: int = 0
) -> Scores:
    """Nats that every unit's or weight's removal adds at its place; raises DataError without what was felt."""
    found = required(statistics, "Weighed reconstruction")
    if granularity == "structure":
        return rank_groups("fisher", seed, ((name, curve.keys()) for name, curve in curves(model, anatomy, found)))
    return rank("fisher", seed, _weights(model, anatomy, found), relative=False)


def curves(model: Any, anatomy: Anatomy, found: OutputFisher) -> Iterator[tuple[str, Elimination]]:
    """(set name, order and curve in nats) of every set of groups, in forward order."""

    def layer(name: str) -> tuple[np.ndarray, np.ndarray]:
        weight = root(shrunk(found.outputs[name])) @ weight_of(model, name) / 2**0.5
        return weight, inverse(damped_inputs(model, name, found.inputs))

    def logits(block: str) -> list[np.ndarray]:
        return [inverse(damped(of_head)) for of_head in found.logits[block]]

    for name, curve in eliminations(unsliced(anatomy), layer, logits):
        block, _, kind = name.partition(":")
        yield name, curve.scaled(found.qk[block]) if kind == "qk_dim" else curve


def shrunk(square: np.ndarray) -> np.ndarray:
    """Half G, half its mean diagonal: what is foretold of an error in no particular direction stays as it is, and one
    that no answer felt among few images still counts."""
    return (square + square.diagonal().mean() * np.eye(len(square))) / 2


def root(square: np.ndarray) -> np.ndarray:
    """The symmetric square root of a positive semidefinite matrix, float64; what rounding makes negative is zero."""
    values, vectors = np.linalg.eigh(square.astype(np.float64))
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _weights(model: Any, anatomy: Anatomy, found: OutputFisher) -> Iterator[tuple[str, np.ndarray]]:
    for name, weight in prunable_weights(model, anatomy):
        inputs = damped_inputs(model, name, found.inputs)
        yield name, keys(weight, refit_errors(weight, inputs, found.diagonals[name] / 2, RATIOS))
