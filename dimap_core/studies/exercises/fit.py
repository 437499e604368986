"""A unit fitted by hand: two of a real unit's weights stay, and their values are chosen so that its output stays near.

The unit's output over tokens of training images, centred: the bias follows by itself. With x the two inputs that stay
and y the dense output, both centred, the error of the values w is the share of y's variance that is lost,
E|y - w x|^2 / E|y|^2 = (E[y y] - 2 w E[x y] + w E[x x^T] w) / E[y y], and its least is at w = E[x x^T]^-1 E[x y]:
least squares, as `cut.least_squares` solves it for whole layers, there with a little damping.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from ...types import ASSETS

FILE = ASSETS / "fit.json"


@dataclass(frozen=True)
class Fit:
    """One output unit of a layer of which two weights stay.

    `unit`: the row of the layer's weight, `inputs` the two columns that stay, `kept` their dense weights. `x` float64
    [n, 2] and `y` [n] (output without the bias): one token of each of n training images of `data`. `of`: how many
    weights the unit has; `middle`: the error of the layer's middle unit before and after such a fit.
    """

    model: str
    data: str
    layer: str
    unit: int
    of: int
    inputs: tuple[int, int]
    kept: tuple[float, float]
    middle: tuple[float, float]
    x: np.ndarray
    y: np.ndarray

    @cached_property
    def centred(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y less their means."""
        return self.x - self.x.mean(axis=0), self.y - self.y.mean()

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray, float]:
        x, y = self.centred
        return x.T @ x / len(y), x.T @ y / len(y), float(y @ y / len(y))

    def made(self, values: tuple[float, float]) -> np.ndarray:
        """The pruned unit's output with these values for its two weights, centred, [n]."""
        return self.centred[0] @ np.array(values)

    def error(self, values: tuple[float, float]) -> float:
        """Mean squared error of the output, as a share of the dense output's variance: 0 exact, 1 as bad as none."""
        square, cross, whole = self._moments
        w = np.array(values)
        return float((whole - 2 * w @ cross + w @ square @ w) / whole)

    @cached_property
    def best(self) -> tuple[float, float]:
        """The values with the least error."""
        square, cross, _ = self._moments
        first, second = np.linalg.solve(square, cross)
        return float(first), float(second)

    def gained(self, values: tuple[float, float]) -> float:
        """How far these values are from the weights as they were, 0, to the least error, 1; below 0 they are worse."""
        before, least = self.error(self.kept), self.error(self.best)
        return (before - self.error(values)) / (before - least)


def of_json(facts: dict[str, Any]) -> Fit:
    """From what is stored, where tokens are rows [x, x, y]."""
    plain = {name: value for name, value in facts.items() if name != "points"}
    pairs = {name: tuple(facts[name]) for name in ("inputs", "kept", "middle")}
    points = np.array(facts["points"], np.float64)
    return Fit(**plain | pairs, x=points[:, :2], y=points[:, 2])


@cache
def read() -> Fit:
    """The stored unit; `python -m benchmarks.fit` makes it."""
    return of_json(json.loads(FILE.read_text(encoding="utf-8")))
