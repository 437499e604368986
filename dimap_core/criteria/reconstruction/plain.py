"""Reconstruction: units leave by exact backward elimination on the output error that stays after refit.

Ours, in the line of Optimal Brain Surgeon (Hassibi & Stork, 1992), SparseGPT (Frantar & Alistarh, 2023), ZipLM (Kurtic
et al., 2023) and OSSCAR (2024): OBS scores every unit as if it went alone; here each choice counts what has gone before
(see `elimination`), so that two units that stand in for each other do not both leave.

    mlp_neuron   columns of fc2
    v_dim        columns of proj, in rounds of one a head
    head         all its columns of proj together
    qk_dim       head by head on G_ij = E[f_i f_j], f_i what dimension i adds to a logit, all weights one

Inputs are centred and damped as in `obs`. A score is the growth of the error at the unit's place in the order. Errors
of different layers are different quantities: let units compete within their layer; `weighed` makes them comparable.
Reads images, no labels. More than `elimination.EXACT` inputs go in chunks.
Next door: `moments` gathers what layers see, `cut.repair` does the refit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...types import Anatomy, Scores, rank_groups
from ..arrays import damped, damped_inputs, inverse, required, unsliced, weight_of
from .elimination import eliminations

if TYPE_CHECKING:
    from .moments import InputMoments


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: InputMoments | None = None, seed: int = 0
) -> Scores:
    """The growth of each layer's error at every unit's place; raises DataError without moments."""
    found = required(statistics, "Reconstruction")
    curves = eliminations(
        unsliced(anatomy),
        lambda name: (weight_of(model, name), inverse(damped_inputs(model, name, found.inputs))),
        lambda block: [inverse(damped(of_head)) for of_head in found.logits[block]],
    )
    return rank_groups("reconstruction", seed, ((name, curve.keys()) for name, curve in curves))
