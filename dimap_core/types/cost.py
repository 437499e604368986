"""Params and MACs before and after a cut, by layer, by stage and module, and in all.

Next door: `measure` counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """Params and MACs of one part before and after a cut; for masks "after" counts non-zero weights and their MACs.
    `prunable` and `removed` count weights of the layers that plans act on."""

    params: int = 0
    macs: int = 0
    params_after: int = 0
    macs_after: int = 0
    prunable: int = 0
    removed: int = 0

    @property
    def ratio(self) -> float:
        """Removed / prunable weights, 0..1."""
        return self.removed / self.prunable if self.prunable else 0.0


@dataclass(frozen=True)
class CostReport:
    """Cost of the whole model and of each cell; cells are keyed (stage or None, module class)."""

    total: Part
    cells: Mapping[tuple[int | None, str], Part]
    layers: Mapping[str, Part]
