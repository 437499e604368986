"""What a study's rows say, as plain data for figures and tables. No torch.

Next door: `ledger` has the rows, `tables` writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from ...criteria import criterion
from ...plan import family
from ...types import AccuracyEstimate, Difference, Proportion, PruningPlan
from .asked import Asked

_ESTIMATE = TypeAdapter(AccuracyEstimate)


@dataclass(frozen=True)
class Result:
    """A point that was measured: its place in `Asked.points`, what was cut how, top-1, the paired difference to the
    dense model, and the shares of all params and MACs that went, 0..1."""

    point: int
    model: str
    plan: PruningPlan
    top1: Proportion
    drop: Difference
    params_removed: float
    macs_removed: float

    @property
    def dense(self) -> float:
        """Top-1 of the dense model on the same images."""
        return self.top1.value - self.drop.value

    @property
    def reads_images(self) -> bool:
        """Whether its criterion looks at images, not at weights alone."""
        return criterion(self.plan.criterion).reads_images

    def curve(self, seeds: bool) -> str:
        """What the curve is called that it lies on; `seeds`: of several each has its own."""
        amount = "" if self.plan.budget is None else f", by {'MACs' if self.plan.budget_kind == 'macs' else 'params'}"
        return family(self.plan) + amount + (f", seed {self.plan.seed}" if seeds else "")


def results(rows: Iterable[Mapping[str, Any]], asked: Asked) -> list[Result]:
    """All points that were measured, in the order of the rows; those that cannot be met are left out."""
    points, found = asked.points, []
    for row in rows:
        if "error" not in row:
            estimate, (model, plan) = _ESTIMATE.validate_python(row["estimate"]), points[row["point"]]
            removed = row["params_removed"], row["macs_removed"]
            found.append(Result(row["point"], model, plan, estimate.top1, estimate.drops["joint"], *removed))
    return found
