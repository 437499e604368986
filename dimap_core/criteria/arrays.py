"""Weights as numpy arrays and groups' energies, shared by the criteria that read nothing else.

Next door: one file for each criterion.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..groups import group_sums
from ..types import Anatomy, Block


def prunable_weights(model: Any, anatomy: Anatomy) -> Iterator[tuple[str, np.ndarray]]:
    """(layer name, float32 weight) of every prunable layer in forward order; `model` is an nn.Module, left as it is."""
    for layer in anatomy.prunable:
        weight = model.get_parameter(f"{layer.name}.weight").detach()
        yield layer.name, weight.float().cpu().numpy()


def group_energies(model: Any, anatomy: Anatomy) -> Iterator[tuple[str, np.ndarray]]:
    """(set name, sum of squared weights and biases of each group, float64) of every set of groups in forward order."""
    for block in anatomy.blocks:
        squares = {name: np.square(value, dtype=np.float64) for name, value in block_parameters(model, block)}
        yield from named_sums(block, squares)


def named_sums(block: Block, arrays: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """(set name, sums over its groups) of one block, in the order of `groups.group_sets`."""
    for kind, sums in group_sums(block, arrays).items():
        yield f"{block.name}:{kind}", sums


def block_parameters(model: Any, block: Block) -> Iterator[tuple[str, np.ndarray]]:
    """(parameter name inside the block, float32 value) of all its parameters."""
    for name, parameter in model.get_submodule(block.name).named_parameters():
        yield name, parameter.detach().float().cpu().numpy()
