"""The user's own criterion: a formula worked out for every weight. No paper; what it is worth, its curve shows.

Worked out layer by layer in float64, ranked as float32 like every index. Scores must be finite and not below 0, or the
formula is refused with the layer that it fails in. Where a value divides 0 by 0 the quotient is 0. Single weights only:
a group has no |w|.
Next door: `grammar` reads a formula, `words` has what it may hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ...types import Anatomy, CriterionInfo, InvalidPlan, Layer, Scores, rank
from ..arrays import prunable_weights
from .grammar import Step, read
from .words import FUNCTIONS, OPERATORS, WORDS, Facts

PREFIX = "formula:"
_LABEL = 40  # letters of a formula in names
_LARGEST = float(np.finfo(np.float32).max)


@lru_cache(maxsize=256)
def row(key: str) -> CriterionInfo:
    """The registry's row of a formula by its key, "formula:w / layer_mean"; raises InvalidPlan for one that has
    mistakes."""
    line = key.removeprefix(PREFIX).strip()
    steps = read(line)
    # A name stands in Markdown and is parted at commas with a space.
    name = line.replace("*", "·").replace(", ", ",")
    return CriterionInfo(
        key=key,
        label=f"formula {name if len(name) <= _LABEL else name[: _LABEL - 1] + '…'}",
        fn=partial(score, key, steps),
        paper="your own, no paper",
        equation=line,
        summary="A formula that you typed: what it is worth, its curve shows.",
        scores=frozenset({"weight"}),
    )


def score(
    key: str,
    steps: tuple[Step, ...],
    model: Any,
    anatomy: Anatomy,
    granularity: str,
    statistics: None = None,
    seed: int = 0,
) -> Scores:
    """The formula's scores of every prunable layer; raises InvalidPlan where one is negative or no finite number."""
    return rank(key, seed, _keys(steps, model, anatomy), relative=False)


def _keys(steps: tuple[Step, ...], model: Any, anatomy: Anatomy) -> Iterator[tuple[str, np.ndarray]]:
    depths = {(block.stage, block.index): place for place, block in enumerate(anatomy.blocks, 1)}
    layers = {layer.name: layer for layer in anatomy.prunable}
    for name, weight in prunable_weights(model, anatomy):
        facts = _facts(weight, layers[name], depths)
        yield name, checked(values(steps, facts), name).astype(np.float32)


def _facts(weight: np.ndarray, layer: Layer, depths: dict[tuple[int, int], int]) -> Facts:
    stage, block = layer.stage or 0, layer.block or 0
    return Facts(weight, stage + 1, depths[stage, block], layer.macs_per_unit)


def values(steps: tuple[Step, ...], facts: Facts) -> np.ndarray:
    """A formula's value for each weight, float64, whatever it is."""
    stack: list[Any] = []
    with np.errstate(all="ignore"):
        for step in steps:
            if step.kind == "number":
                stack.append(np.float64(step.number))
            elif step.kind == "word":
                stack.append(WORDS[step.what].value(facts))
            else:
                function = OPERATORS[step.what] if step.kind == "operator" else FUNCTIONS[step.what].value
                takes = 1 if step.what == "negative" else 2 if step.kind == "operator" else FUNCTIONS[step.what].takes
                stack[-takes:] = [function(*stack[-takes:])]
    return np.broadcast_to(stack[0], facts.weight.shape)


def checked(scores: np.ndarray, name: str) -> np.ndarray:
    """Scores that can be ranked; raises InvalidPlan for others."""
    if bad := int(np.count_nonzero(~(np.abs(scores) <= _LARGEST))):
        raise InvalidPlan(
            f"The formula has no finite value for {bad:,} of {scores.size:,} weights of {name}; divide by nothing that "
            "can be 0 (write layer_std + 0.001), take no log of 0 and no root of less, and keep powers small."
        )
    lowest = float(scores.min())
    if lowest < 0:
        raise InvalidPlan(
            f"The formula gives a weight of {name} {lowest:.3g}, and a score may not lie below 0; write abs(...) or "
            "max(..., 0) around it."
        )
    return scores
