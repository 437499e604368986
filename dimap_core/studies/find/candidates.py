"""What is tried at a budget: the fixed rules that people use, and cuts by reconstruction. Rows, nothing is measured.

A fixed rule is a criterion, the set in which its scores compete and an exponent for the cost; all of them are repaired,
as all that is found is. The others choose units by reconstruction (`criteria.reconstruction`): with one share of every
layer, or weighed by what the answer feels, when scores of all layers are one currency and a common threshold on loss
per MAC is the cheapest way to a budget (best-cut.md, 3).
Next door: `bench` measures them, `search` varies the best.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...types import Budget, Granularity, PruningPlan, Scope


@dataclass(frozen=True)
class Candidate:
    """A way of cutting, without its budget; `rule`: one of the fixed rules that what is found is measured against."""

    criterion: str
    scope: Scope
    cost_exponent: float = 0.0
    rule: bool = True

    def at(self, share: float, kind: Budget, granularity: Granularity, images: int, seed: int) -> PruningPlan:
        """The plan that removes `share` of all "macs" or "params"."""
        return PruningPlan(
            criterion=self.criterion, granularity=granularity, scope=self.scope, ratio=None,
            budget=share, budget_kind=kind, cost_exponent=self.cost_exponent, repair=True, seed=seed, images=images,
        )  # fmt: skip


def _found(criterion: str, scope: Scope, exponent: float = 0.0) -> Candidate:
    return Candidate(criterion, scope, exponent, rule=False)


_STRUCTURES = (
    _found("reconstruction", "layer"),
    _found("fisher", "model", 1.0),
    _found("fisher", "model", 0.5),
    Candidate("magnitude", "layer"),
    Candidate("magnitude", "module"),
    Candidate("dimap", "module"),
    Candidate("dimap", "model", 1.0),
    Candidate("taylor", "layer"),
    Candidate("taylor", "module"),
    Candidate("taylor", "model"),
    Candidate("taylor", "model", 1.0),
    Candidate("nvit", "model", 1.0),
    Candidate("wanda", "layer"),
    Candidate("wanda", "module"),
    Candidate("obs", "layer"),
)
_ZEROS = (
    _found("fisher", "model"),
    _found("fisher", "model", 0.5),
    _found("fisher", "model", 1.0),
    Candidate("magnitude", "layer"),
    Candidate("magnitude", "module"),
    Candidate("magnitude", "model"),
    Candidate("dimap", "module"),
    Candidate("dimap", "model"),
    Candidate("taylor", "module"),
    Candidate("taylor", "model"),
    Candidate("taylor", "model", 1.0),
    Candidate("wanda", "layer"),
    Candidate("obs", "layer"),
)


def candidates(granularity: Granularity) -> tuple[Candidate, ...]:
    """All that is tried for structures ("structure") or single weights ("weight")."""
    return _STRUCTURES if granularity == "structure" else _ZEROS
