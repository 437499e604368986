"""What plans, and the units that they remove, are called on screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dimap_core.criteria import criterion, stem
from dimap_core.plan import from_recipe
from dimap_core.types import PruningPlan

KIND_LABELS = {"mlp_neuron": "Hidden units", "head": "Heads", "qk_dim": "Q/K dimensions", "v_dim": "V dimensions"}
SHORT = {
    "QKV-M": "QKV", "PRJ-M": "proj", "MLP-M": "MLP", "mlp_neuron": "hidden", "head": "head", "qk_dim": "Q/K",
    "v_dim": "V",
}  # fmt: skip
COST_LABELS = {"macs": "MACs", "params": "params"}
_GROUP_SCOPES = {
    "layer": ", structures by block",
    "stage-module": ", structures by stage and kind",
    "module": ", structures by kind",
    "model": ", structures",
}
UNIFORM = PruningPlan(criterion="magnitude", scope="layer")


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
        return f"{family(plan)}, {100 * plan.budget:g} % of {COST_LABELS[plan.budget_kind]} removed"
    amount = "own ratios" if plan.overrides else f"{100 * (plan.ratio or 0):g} %"
    return f"{family(plan)}, {amount}"


def short(plan: PruningPlan) -> str:
    """A plan in the name of a file: criterion and amount."""
    amount, name = plan.ratio if plan.budget is None else plan.budget, stem(plan.criterion)
    if plan.granularity == "nm" or plan.overrides or amount is None:
        return f"{name}_{plan.nm if plan.granularity == 'nm' else 'own'}"
    return f"{name}_{'' if plan.budget is None else plan.budget_kind}{100 * amount:g}"


def label_of(recipe: Mapping[str, Any]) -> str:
    """A recipe's plan in a few words."""
    return label(from_recipe(dict(recipe)))


def family_of(recipe: Mapping[str, Any]) -> str:
    """A recipe's way of cutting in a few words."""
    return family(from_recipe(dict(recipe)))
