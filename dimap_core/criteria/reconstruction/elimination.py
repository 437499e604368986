"""Backward elimination: inputs of a linear layer leave one by one, those first whose loss the others make up for best.

With H = (C + l I)^-1, C the covariance of the inputs, the squared output error that stays when input j goes and the
others are refitted is |W_j|^2 / H_jj (Hassibi & Stork, "Optimal Brain Surgeon", 1992). After each removal

    W <- W - W_j H_j / H_jj,    H <- H - H_j^T H_j / H_jj

are the refitted weights and the inverse of what is left, so that the next choice counts what has gone before: the order
is nested, and the sums of what was lost are the refit's error at every count. Several inputs at once are the same with
blocks of H. The greedy walk is that of OSSCAR (2024) and ZipLM (Kurtic et al., 2023), done to the end.
Next door: `plain` and `weighed` say what W and C are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.blas import dger
from scipy.optimize import isotonic_regression

from ...types import Block
from .threads import one_thread

EXACT = 512
"""Inputs up to which they leave one by one: one by one, n of them cost n^3 (34 s for 1,152)."""

CHUNK = 0.1  # of what is left, in one step where there are more
_SWEPT = 0.85  # of the places that are still taken: fewer, and the rest is swept out
_RAMP = 1e-9  # of the largest score


@dataclass(frozen=True)
class Elimination:
    """`order`: indices of units in the order of leaving, [units], or [heads, head_dim] where each head loses its own.
    `errors`: float64 [units + 1] (of dimensions [head_dim + 1]), the error after none, 1, 2, ... (of every head) went;
    never decreasing."""

    order: np.ndarray
    errors: np.ndarray

    def keys(self) -> np.ndarray:
        """A score for each unit, shaped like `order`, float64 > 0, that rises strictly in the order of leaving.

        It is the error's growth at the unit's place, made non-decreasing by isotonic regression (the slope of the
        largest convex curve under `errors`), shared alike by the heads. Taking the units of many sets in the order of
        score / cost is then the best allocation of every cost that it passes through (Lagrange).
        """
        growth = isotonic_regression(np.diff(self.errors)).x
        top = growth[-1] if growth[-1] > 0 else 1.0
        growth = growth + _RAMP * top * np.arange(1, len(growth) + 1) / len(growth)
        keys = np.empty(self.order.shape)
        heads = len(keys) if keys.ndim == 2 else 1
        np.put_along_axis(keys, self.order, np.broadcast_to(growth / heads, keys.shape), axis=-1)
        return keys

    def scaled(self, factor: float) -> Elimination:
        """The same order with `factor` times the errors."""
        return Elimination(self.order, factor * self.errors)


def eliminate(weight: np.ndarray, inverse: np.ndarray) -> Elimination:
    """All inputs of a layer, one by one up to `EXACT` of them, else `CHUNK` of those left at a time.

    `weight` [out, in]; `inverse` [in, in], of the inputs' covariance. Errors are squared, summed over outputs.
    """
    left, order, growth = _Left(weight, inverse), [], []
    with one_thread():
        while left.count:
            alone = left.alone()
            count = 1 if weight.shape[1] <= EXACT else max(1, int(CHUNK * left.count))
            chosen = np.argsort(alone, kind="stable")[:count]
            share = alone[chosen] / alone[chosen].sum() if alone[chosen].sum() > 0 else np.full(count, 1 / count)
            order.append(left.places[chosen])
            growth.append(left.remove(chosen) * share)
    return Elimination(np.concatenate(order), _added(np.concatenate(growth)))


def eliminate_rounds(weight: np.ndarray, inverse: np.ndarray, heads: int) -> Elimination:
    """Inputs in rounds of one a head; up to `EXACT` of them each is chosen after the last one has gone, else a round
    goes at once. An error for every round."""
    width = weight.shape[1] // heads
    left, order, growth = _Left(weight, inverse), np.empty((heads, width), np.int64), np.zeros(width)
    with one_thread():
        for turn in range(width):
            waiting = np.arange(heads)
            while len(waiting):
                chosen = _first_of_each(left, waiting, width)
                if weight.shape[1] <= EXACT:
                    chosen = chosen[:1]
                owners = left.places[chosen] // width
                order[owners, turn] = left.places[chosen] % width
                growth[turn] += left.remove(chosen)
                waiting = np.setdiff1d(waiting, owners)
    return Elimination(order, _added(growth))


def eliminate_blocks(weight: np.ndarray, inverse: np.ndarray, heads: int) -> Elimination:
    """Heads one by one, each with all its inputs together."""
    left, order, growth = _Left(weight, inverse), [], []
    with one_thread():
        for _ in range(heads):
            owners = np.where(left.there, left.places // (weight.shape[1] // heads), heads)
            costs = {head: left.together(np.flatnonzero(owners == head)) for head in np.unique(owners[left.there])}
            head = min(costs, key=lambda head: costs[head])
            order.append(head)
            growth.append(left.remove(np.flatnonzero(owners == head)))
    return Elimination(np.array(order), _added(growth))


def eliminate_logits(inverses: Sequence[np.ndarray]) -> Elimination:
    """Q/K dimensions of every head of a block: `inverses` of E[f f^T] [head_dim, head_dim], f_i what dimension i adds
    to a logit of that head, all of weight one; the heads' errors add up."""
    heads = [eliminate(np.ones((1, len(inverse))), inverse) for inverse in inverses]
    return Elimination(np.stack([head.order for head in heads]), np.sum([head.errors for head in heads], axis=0))


def eliminations(
    blocks: Iterable[Block],
    layer: Callable[[str], tuple[np.ndarray, np.ndarray]],
    logits: Callable[[str], Sequence[np.ndarray]],
) -> Iterator[tuple[str, Elimination]]:
    """(set name, order and error curve) of every set of groups of unsliced blocks, in forward order.

    `layer` gives the weight and inverse of a layer by name, `logits` those of a block's heads for `eliminate_logits`.
    """
    for block in blocks:
        yield f"{block.name}:mlp_neuron", eliminate(*layer(f"{block.name}.mlp.fc2"))
        if not block.heads:
            continue
        proj = layer(f"{block.name}.attn.proj")
        yield f"{block.name}:head", eliminate_blocks(*proj, block.heads)
        yield f"{block.name}:qk_dim", eliminate_logits(logits(block.name))
        yield f"{block.name}:v_dim", eliminate_rounds(*proj, block.heads)


def _first_of_each(left: _Left, waiting: np.ndarray, width: int) -> np.ndarray:
    """Of each of the `waiting` heads the input that costs least alone, cheapest first, as places in what is left."""
    alone, owners = left.alone(), left.places // width
    order = np.argsort(alone, kind="stable")
    order = order[np.isin(owners[order], waiting)]
    _, first = np.unique(owners[order], return_index=True)
    return order[np.sort(first)]


def _added(growth: np.ndarray | Sequence[float]) -> np.ndarray:
    """Errors from what each step added; rounding can make a step of nothing negative."""
    return np.concatenate([[0.0], np.cumsum(np.maximum(growth, 0.0))])


class _Left:
    """The inputs that are left: their places, refitted weights and inverse covariance.

    One that goes alone leaves zeros behind, which are swept out once they are many: to move the others at every step
    would take longer than the step.
    """

    def __init__(self, weight: np.ndarray, inverse: np.ndarray) -> None:
        self.count = weight.shape[1]
        self.places, self.there = np.arange(self.count), np.ones(self.count, bool)
        self.weight, self.inverse = (np.array(part, np.float64, order="C") for part in (weight, inverse))

    def alone(self) -> np.ndarray:
        """What the error grows by if each input goes alone; infinite for those that are gone."""
        squares = np.einsum("ij,ij->j", self.weight, self.weight)
        diagonal = np.where(self.there, self.inverse.diagonal(), 1.0)
        return np.where(self.there, squares / diagonal, np.inf)

    def together(self, gone: np.ndarray) -> float:
        """What the error grows by if these go together: tr(W_R ([C^-1]_RR)^-1 W_R^T)."""
        taken = self.weight[:, gone]
        return float(np.sum(cho_solve(cho_factor(self.inverse[np.ix_(gone, gone)]), taken.T) * taken.T))

    def remove(self, gone: np.ndarray) -> float:
        """Let these go, refit the others, and return what the error grew by. Places in `alone` may have moved then."""
        self.count -= len(gone)
        self.there[gone] = False
        growth = self._one(int(gone[0])) if len(gone) == 1 else self._many(gone)
        if self.count < _SWEPT * len(self.places):
            self._sweep(np.flatnonzero(self.there))
        return growth

    def _one(self, gone: int) -> float:
        pivot, row, column = self.inverse[gone, gone], self.inverse[gone].copy(), self.weight[:, gone].copy()
        dger(-1 / pivot, row, column, a=self.weight.T, overwrite_a=True)  # in place, as both are in C's order
        dger(-1 / pivot, row, row, a=self.inverse.T, overwrite_a=True)
        self.weight[:, gone] = self.inverse[gone] = self.inverse[:, gone] = 0.0
        return float(column @ column / pivot)

    def _many(self, gone: np.ndarray) -> float:
        growth, kept = self.together(gone), np.flatnonzero(self.there)
        beside = self.inverse[np.ix_(gone, kept)]
        rows = cho_solve(cho_factor(self.inverse[np.ix_(gone, gone)]), beside)
        taken = self.weight[:, gone]
        self._sweep(kept)
        self.weight -= taken @ rows
        self.inverse -= beside.T @ rows
        return growth

    def _sweep(self, kept: np.ndarray) -> None:
        """Move those that stay together."""
        self.places, self.there = self.places[kept], self.there[kept]
        self.weight = self.weight.take(kept, axis=1)  # in C's order, as an index would not be
        self.inverse = self.inverse.take(kept, axis=0).take(kept, axis=1)
