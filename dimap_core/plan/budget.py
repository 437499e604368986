"""What a ratio removes, and which budgets can be met: the same for single weights and for structures.

Next door: `selection` and `structure` solve for the common ratio that meets a budget.
"""

from __future__ import annotations

import math

from ..types import InvalidPlan, PruningPlan

FULL = 1 - 1e-9
"""The largest common ratio a budget may solve to."""


def count_to_remove(ratio: float, size: int) -> int:
    """floor(ratio * size + 1/2): how many of `size` units a ratio removes."""
    return math.floor(ratio * size + 0.5)


def out_of_reach(plan: PruningPlan, least: float, most: float) -> InvalidPlan:
    """What is raised for a budget outside the shares 0..1 that can be removed; names the nearer of the two."""
    target = plan.budget or 0.0
    limit = math.ceil(1000 * least) / 10 if target < least else math.floor(1000 * most) / 10
    kind = {"macs": "MACs", "params": "params"}[plan.budget_kind]
    return InvalidPlan(
        f"A budget of {100 * target:g} % of the {kind} cannot be met; the nearest that can is {limit:g} %.",
        nearest=limit / 100,
    )
