"""The grid of plans that a sweep, or a study of many processes, tries. No torch.

Next door: `sweep` measures them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

from ..types import PruningPlan


def plans(
    criteria: Iterable[str], scopes: Iterable[str], ratios: Iterable[float], exponents: Iterable[float], **fields: Any
) -> list[PruningPlan]:
    """The grid of plans, criteria outermost; with scope "layer" a cost exponent changes nothing and is tried once.
    `fields`: of every plan, e.g. its seed."""
    grid = product(criteria, scopes, exponents, ratios)
    made = [PruningPlan(criterion=c, scope=s, ratio=r, cost_exponent=a, **fields) for c, s, a, r in grid]  # type: ignore[arg-type]
    first: dict[tuple, PruningPlan] = {}
    for plan in made:
        key = (plan.criterion, plan.scope, plan.ratio, 0.0 if plan.scope == "layer" else plan.cost_exponent)
        first.setdefault(key, plan)
    return list(first.values())
