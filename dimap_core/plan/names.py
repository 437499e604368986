"""What plans are called in a few words: on screen, in reports, on curves.

Next door: `recipe` says all of a plan.
"""

from __future__ import annotations

from ..criteria import criterion
from ..types import PruningPlan

_COSTS = {"macs": "MACs", "params": "params", "latency": "latency"}
_GROUP_SCOPES = {
    "layer": ", structures by block",
    "stage-module": ", structures by stage and kind",
    "module": ", structures by kind",
    "model": ", structures",
}


UNIFORM = PruningPlan(criterion="magnitude", scope="layer")
"""What all curves are compared with."""


def family(plan: PruningPlan) -> str:
    """What a curve is called: criterion, scope, what goes, repair and cost exponent."""
    name, repair = criterion(plan.criterion).label, " + repair" if plan.repair else ""
    if plan.granularity == "nm":
        return f"{name}, {plan.nm} pattern{repair}"
    uniform = (plan.criterion, plan.scope) == ("magnitude", "layer")
    scope = _GROUP_SCOPES[plan.scope] if plan.granularity == "structure" else f", {plan.scope}"
    if uniform:
        name, scope = "uniform magnitude", _GROUP_SCOPES["model"] if plan.granularity == "structure" else ""
    name += scope + repair
    return f"{name}, paid in MACs ({plan.cost_exponent:g})" if plan.cost_exponent else name


def label(plan: PruningPlan) -> str:
    """A plan in a few words."""
    if plan.granularity == "nm":
        return family(plan)
    if plan.budget is not None:
        return f"{family(plan)}, {100 * plan.budget:g} % of {_COSTS[plan.budget_kind]} removed"
    amount = "own ratios" if plan.overrides else f"{100 * (plan.ratio or 0):g} %"
    return f"{family(plan)}, {amount}"
