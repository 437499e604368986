"""OBS: the output error that stays after the layer's other inputs have made up for the loss as well as they can.

Papers: Hassibi & Stork, "Optimal Brain Surgeon", NeurIPS 1992, Eq. 5: w_q^2 / (2 [H^-1]_qq), here layer by layer with
H = S, the covariance of the layer's inputs, as in Optimal Brain Compression (Frantar & Alistarh, NeurIPS 2022,
arXiv 2208.11580); in blocks as SlimGPT (Ling et al., NeurIPS 2024, arXiv 2412.18110) does for heads and hidden units:

    weights     w_ij^2 / (2 [S_l^-1]_jj)
    structures  tr(W_R ([S_l^-1]_RR)^-1 W_R^T), R the group's columns of proj or fc2

The covariance is centred where the layer has a bias, which is one of the parameters that make up. A group's score is
exactly what the least-squares refit of the others (see `cut.repair`) leaves of the squared output error, damping aside,
if it goes alone. S_l = S + l I with l 1 % of the mean diagonal (SparseGPT's damping).
Q/K dimensions, our analogue: dimension i adds f_i = scale * q_ni * k_mi to each logit, the head's logits are the sum
over i, and 1 / [G_l^-1]_ii with G = E[f f^T] is the logit energy that rescaling the head's other dimensions cannot
restore.
Errors of different layers are different quantities: let units compete within their layer or kind.
Simplifications: weights are not updated on the way; `cut.repair` updates all of them at the end.
Next door: `statistics` gathers the moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..types import Anatomy, Block, Scores, rank, rank_groups
from .arrays import channel_energies, damped, damped_inputs, inverse, prunable_weights, required, unsliced, weight_of

if TYPE_CHECKING:
    from .statistics import Statistics


def score(
    model: Any, anatomy: Anatomy, granularity: str, statistics: Statistics | None = None, seed: int = 0
) -> Scores:
    """Errors that no refit mends, of every weight or group; raises DataError without statistics."""
    found = required(statistics, "OBS")
    if granularity == "structure":
        worths = (pair for block in unsliced(anatomy) for pair in _groups(model, block, found))
        return rank_groups("obs", seed, worths)
    keys = (
        (name, (weight**2 / (2 * inverse(damped_inputs(model, name, found.inputs)).diagonal())).astype(np.float32))
        for name, weight in prunable_weights(model, anatomy)
    )
    return rank("obs", seed, keys, relative=False)


def _groups(model: Any, block: Block, found: Statistics) -> Iterator[tuple[str, np.ndarray]]:
    fc2, proj = (f"{block.name}.{part}" for part in ("mlp.fc2", "attn.proj"))
    of_hidden = inverse(damped_inputs(model, fc2, found.inputs)).diagonal()
    yield f"{block.name}:mlp_neuron", channel_energies(weight_of(model, fc2)) / of_hidden
    if not block.heads:
        return
    of_v = inverse(damped_inputs(model, proj, found.inputs))
    out = weight_of(model, proj).astype(np.float64)
    heads = []
    for h in range(block.heads):
        own = slice(h * block.head_dim, (h + 1) * block.head_dim)
        # tr(W_R M^-1 W_R^T) = tr(M^-1 W_R^T W_R)
        heads.append(np.trace(np.linalg.solve(of_v[own, own], out[:, own].T @ out[:, own])))
    logits = [1 / inverse(damped(products)).diagonal() for products in found.logits[block.name]]
    yield f"{block.name}:head", np.array(heads)
    yield f"{block.name}:qk_dim", np.array(logits)
    yield f"{block.name}:v_dim", (channel_energies(out) / of_v.diagonal()).reshape(block.heads, -1)
