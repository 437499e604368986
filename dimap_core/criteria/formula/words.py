"""The words of a formula: what a layer's weights are worked out of, each with its sentence, and the functions.

Next door: `grammar` says how they are put together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Facts:
    """One layer: `weight` float32 of any shape, outputs first; `stage` and `depth` (its block's number from the image)
    from 1; `uses`: multiply-accumulates of one image that one weight takes part in, its layer's tokens."""

    weight: np.ndarray
    stage: int = 1
    depth: int = 1
    uses: float = 1.0

    @cached_property
    def size(self) -> np.ndarray:
        """|w|, float64."""
        return np.abs(self.weight, dtype=np.float64)

    @cached_property
    def rest(self) -> np.ndarray:
        """The sum of w² over each weight and all of its layer that leave after it, float64: what Eq. 10 divides by.

        Added one by one from the largest down, as `types.scores` does, so that w² / rest is its score to the last bit.
        """
        flat = self.size.reshape(-1)
        order = np.argsort(flat, kind="stable")  # equal ones leave in ascending flat index
        sums = np.empty_like(flat)
        sums[order[::-1]] = np.cumsum(np.square(flat[order[::-1]]))
        return sums.reshape(self.size.shape)


@dataclass(frozen=True)
class Word:
    """What a word stands for, in a sentence and in numbers (float64, a number or one for each weight)."""

    told: str
    value: Callable[[Facts], Any]


WORDS = {
    "w": Word("The weight's size, |w|.", lambda of: of.size),
    "layer_mean": Word("Mean of |w| over the weight's layer.", lambda of: of.size.mean()),
    "layer_max": Word("Largest |w| of the layer.", lambda of: of.size.max()),
    "layer_std": Word("Standard deviation of |w| in the layer.", lambda of: of.size.std()),
    "layer_l1": Word("Sum of |w| over the layer.", lambda of: of.size.sum()),
    "layer_l2": Word("Root of the sum of w² over the layer.", lambda of: np.sqrt(np.square(of.size).sum())),
    "layer_count": Word("Number of weights in the layer.", lambda of: np.float64(of.size.size)),
    "rest": Word("Sum of w² over this weight and all larger ones of its layer.", lambda of: of.rest),
    "fan_in": Word("Inputs of the layer.", lambda of: np.float64(of.size.size / len(of.size))),
    "fan_out": Word("Outputs of the layer.", lambda of: np.float64(len(of.size))),
    "stage": Word("Number of the stage, from 1.", lambda of: np.float64(of.stage)),
    "depth": Word("Number of the block, from 1 at the image.", lambda of: np.float64(of.depth)),
    "uses": Word("How often the weight is used for one image (MACs per weight).", lambda of: np.float64(of.uses)),
}


@dataclass(frozen=True)
class Function:
    """`takes` so many values; `example` is how one writes it."""

    told: str
    value: Callable[..., Any]
    example: str
    takes: int = 1


FUNCTIONS = {
    "sqrt": Function("Square root.", np.sqrt, "sqrt(w)"),
    "log": Function("Natural logarithm; of 0 there is none.", np.log, "log(1 + w)"),
    "exp": Function("e to the power of the value.", np.exp, "exp(-w)"),
    "abs": Function("The value without its sign.", np.abs, "abs(w - layer_mean)"),
    "min": Function("The smaller of two values.", np.minimum, "min(w, 1)", 2),
    "max": Function("The larger of two values.", np.maximum, "max(w, 0.01)", 2),
}


def _quotient(above: Any, below: Any) -> Any:
    """above / below, where 0 / 0 is 0: the score that Eq. 10 has for a zero."""
    return np.divide(above, np.where((above == 0) & (below == 0), 1.0, below))


def _power(base: Any, exponent: Any) -> Any:
    """base ^ exponent; squares are exact on every processor."""
    return np.square(base) if np.ndim(exponent) == 0 and exponent == 2 else np.power(base, exponent)


OPERATORS: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _quotient,
    "^": _power,
    "negative": lambda a: -a,
}
