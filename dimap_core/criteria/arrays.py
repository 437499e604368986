"""Weights as numpy arrays, groups' energies, damped inverses of covariances, and the way to values gathered from
images: what criteria share.

Next door: one file for each criterion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from scipy.linalg import cho_factor
from scipy.linalg.lapack import dpotri

from ..anatomy import group_sets, group_sums
from ..types import Anatomy, Block, DataError
from .reconstruction import one_thread

if TYPE_CHECKING:
    from ..anatomy import LayerInputs

Evidence = TypeVar("Evidence")

DAMPING = 1e-2  # of the mean diagonal
_RESOLUTION = 1e-5  # of the mean second moment: what float32 moments cannot tell from zero
_TINY = 1e-30  # so that inputs that are always zero can be inverted


def required(evidence: Evidence | None, label: str) -> Evidence:
    """What was gathered from images; raises DataError where there is nothing."""
    if evidence is None:
        raise DataError(f"{label} scores need training images; name a data set the model knows, or another criterion.")
    return evidence


def in_order(values: Mapping[str, np.ndarray], anatomy: Anatomy) -> Iterator[tuple[str, np.ndarray]]:
    """(set name, value) of every set of groups in forward order; raises UnsupportedModel for a sliced model."""
    for group in group_sets(anatomy):
        yield group.name, values[group.name]


def unsliced(anatomy: Anatomy) -> tuple[Block, ...]:
    """The blocks, in forward order; raises UnsupportedModel for a model without groups (`anatomy.group_sets`)."""
    group_sets(anatomy)
    return anatomy.blocks


def channel_energies(weight: np.ndarray) -> np.ndarray:
    """Squared norm of each column of a weight [out, in], float64 [in]: what an input channel is multiplied with."""
    return np.square(weight, dtype=np.float64).sum(axis=0)


def weight_of(model: Any, name: str) -> np.ndarray:
    """One layer's weight, float32."""
    return model.get_parameter(f"{name}.weight").detach().float().cpu().numpy()


def prunable_weights(model: Any, anatomy: Anatomy) -> Iterator[tuple[str, np.ndarray]]:
    """(layer name, float32 weight) of every prunable layer in forward order; `model` is an nn.Module, left as it is."""
    for layer in anatomy.prunable:
        yield layer.name, weight_of(model, layer.name)


def group_energies(model: Any, anatomy: Anatomy) -> Iterator[tuple[str, np.ndarray]]:
    """(set name, sum of squared weights and biases of each group, float64) of every set of groups in forward order."""
    for block in unsliced(anatomy):
        squares = {name: np.square(value, dtype=np.float64) for name, value in block_parameters(model, block)}
        yield from named_sums(block, squares)


def named_sums(block: Block, arrays: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """(set name, sums over its groups) of one block, in the order of `anatomy.group_sets`."""
    for kind, sums in group_sums(block, arrays).items():
        yield f"{block.name}:{kind}", sums


def block_parameters(model: Any, block: Block) -> Iterator[tuple[str, np.ndarray]]:
    """(parameter name inside the block, float32 value) of all its parameters."""
    for name, parameter in model.get_submodule(block.name).named_parameters():
        yield name, parameter.detach().float().cpu().numpy()


def damped(square: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """S + l I of a covariance, l = DAMPING times its mean diagonal, but at least `floor`."""
    strength = max(DAMPING * float(square.diagonal().mean()), floor, _TINY)
    return square + strength * np.eye(len(square))


def damped_inputs(model: Any, name: str, seen: Mapping[str, LayerInputs]) -> np.ndarray:
    """S + l I of the named layer's inputs, float64 [in, in], centred where it has a bias."""
    inputs = seen[name]
    centred = model.get_submodule(name).bias is not None
    floor = _RESOLUTION * float(inputs.energy.mean())
    return damped(inputs.covariance() if centred else inputs.products.astype(np.float64), floor)


def inverse(square: np.ndarray) -> np.ndarray:
    """Of a positive definite matrix, float64."""
    with one_thread():
        factor, _ = cho_factor(square, lower=True)
        lower = np.tril(dpotri(factor, lower=True, overwrite_c=True)[0])
        return lower + np.tril(lower, -1).T
