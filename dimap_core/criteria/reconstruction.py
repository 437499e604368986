"""Reconstruction: units leave by exact backward elimination on the output error that stays after refit.

Ours, in the line of Optimal Brain Surgeon (Hassibi & Stork, 1992), SparseGPT (Frantar & Alistarh, 2023), ZipLM (Kurtic
et al., 2023) and OSSCAR (2024): OBS scores every unit as if it went alone; here each choice counts what has gone before
(see `elimination`), so that two units that stand in for each other do not both leave.

    mlp_neuron   columns of fc2
    v_dim        columns of proj, in rounds of one a head
    head         all its columns of proj together
    qk_dim       head by head on G_ij = E[f_i f_j], f_i what dimension i adds to a logit, all weights one

Inputs are centred and damped as in `obs`. A score is the growth of the error at the unit's place in the order. Errors
of different layers are different quantities: let units compete within their layer; `fisher` makes them comparable.
Reads images, no labels. More than `elimination.EXACT` inputs go in chunks.
Next door: `moments` gathers what layers see, `cut.repair` does the refit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..types import Anatomy, Block, Scores, rank_groups
from .arrays import required, unsliced, weight_of
from .elimination import Elimination, eliminate, eliminate_blocks, eliminate_rounds
from .obs import inverse, inverse_of_inputs

if TYPE_CHECKING:
    from .moments import InputMoments

Weigh = Callable[[str, np.ndarray], np.ndarray]
"""(layer name, weight [out, in]) -> weight whose squared output error counts."""


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: InputMoments | None = None, seed: int = 0
) -> Scores:
    """The growth of each layer's error at every unit's place; raises DataError without moments."""
    found = required(statistics, "Reconstruction")
    curves = eliminations(model, anatomy, found, lambda _, weight: weight)
    return rank_groups("reconstruction", seed, ((name, curve.keys()) for name, curve in curves))


def eliminations(model: Any, anatomy: Anatomy, found: InputMoments, weigh: Weigh) -> Iterator[tuple[str, Elimination]]:
    """(set name, order and error curve) of every set of groups, in forward order."""
    for block in unsliced(anatomy):
        fc2, proj = (f"{block.name}.{part}" for part in ("mlp.fc2", "attn.proj"))
        yield (
            f"{block.name}:mlp_neuron",
            eliminate(weigh(fc2, weight_of(model, fc2)), inverse_of_inputs(model, fc2, found.inputs)),
        )
        if not block.heads:
            continue
        weight, of_v = weigh(proj, weight_of(model, proj)), inverse_of_inputs(model, proj, found.inputs)
        yield f"{block.name}:head", eliminate_blocks(weight, of_v, block.heads)
        yield f"{block.name}:qk_dim", eliminate_logits(block, found.logits[block.name])
        yield f"{block.name}:v_dim", eliminate_rounds(weight, of_v, block.heads)


def eliminate_logits(block: Block, products: np.ndarray) -> Elimination:
    """Q/K dimensions of every head of a block, from E[f f^T] [heads, head_dim, head_dim]; the heads' errors add up."""
    ones = np.ones((1, block.head_dim))
    heads = [eliminate(ones, inverse(of_head)) for of_head in products]
    errors = np.sum([head.errors for head in heads], axis=0)
    return Elimination(np.stack([head.order for head in heads]), errors)
