"""What plans, and the units that they remove, are called on screen; `family` and `label` are the core's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dimap_core.criteria import stem
from dimap_core.plan import family, from_recipe, label
from dimap_core.types import PruningPlan

KIND_LABELS = {"mlp_neuron": "Hidden units", "head": "Heads", "qk_dim": "Q/K dimensions", "v_dim": "V dimensions"}
SHORT = {
    "QKV-M": "QKV", "PRJ-M": "proj", "MLP-M": "MLP", "mlp_neuron": "hidden", "head": "head", "qk_dim": "Q/K",
    "v_dim": "V",
}  # fmt: skip
COST_LABELS = {"macs": "MACs", "params": "params"}


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
