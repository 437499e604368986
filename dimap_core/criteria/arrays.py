"""Weights as numpy arrays, shared by the criteria that read nothing else. Next door: one file for each criterion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..types import Anatomy


def prunable_weights(model: Any, anatomy: Anatomy) -> Iterator[tuple[str, np.ndarray]]:
    """(layer name, float32 weight) of every prunable layer in forward order; `model` is an nn.Module, left as it is."""
    for layer in anatomy.prunable:
        weight = model.get_parameter(f"{layer.name}.weight").detach()
        yield layer.name, weight.float().cpu().numpy()
