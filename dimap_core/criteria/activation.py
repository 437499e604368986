"""Activation energy: a unit is worth what it does, not what it weighs.

Paper: Hu et al., "Network Trimming", 2016 (arXiv 1607.03250) removes neurons by their activations, counting zeros;
after GELU nothing is exactly zero, so the energy E[x_j^2] over all tokens of the training images takes the count's
place. x is what enters fc2 (hidden units after GELU) and proj (V dimensions as attention hands them on); a head is the
sum over its V dimensions. A Q/K dimension is worth the energy E[(scale * q_ni * k_mi)^2] that it gives the logits, keys
centred over the window, because softmax does not see what is added to a whole row. Energies of different kinds are
different quantities: let groups compete within their kind.
Simplifications: the energy in place of the paper's count of zeros. Single weights have no activations of their own.
Next door: `anatomy.activations` counts, `wanda` also asks what the next layer makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..types import Anatomy, Scores, rank_groups
from .arrays import required, unsliced

if TYPE_CHECKING:
    from .statistics import Statistics


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: Statistics | None = None, seed: int = 0
) -> Scores:
    """Mean squared activation of every group; raises DataError without statistics."""
    return rank_groups("activation", seed, _energies(required(statistics, "Activation"), anatomy))


def _energies(found: Statistics, anatomy: Anatomy) -> Iterator[tuple[str, np.ndarray]]:
    for block in unsliced(anatomy):
        yield f"{block.name}:mlp_neuron", found.inputs[f"{block.name}.mlp.fc2"].energy
        if not block.heads:
            continue
        v = found.inputs[f"{block.name}.attn.proj"].energy.reshape(block.heads, block.head_dim)
        yield f"{block.name}:head", v.sum(axis=1)
        yield f"{block.name}:qk_dim", found.logits[block.name].diagonal(axis1=1, axis2=2)
        yield f"{block.name}:v_dim", v
