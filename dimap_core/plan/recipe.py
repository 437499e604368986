"""The JSON recipe of a plan, in and out. A plan says what to remove before anything is scored or cut.

Next door: `validation` checks plans, `selection` turns a plan and scores into what goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..types import Cell, InvalidPlan, PruningPlan
from .validation import cell_name, validate

VERSION = 1
_KEYS = {
    "version", "model", "criterion", "granularity", "scope", "ratio", "stages", "kinds", "budget", "cost_exponent",
    "protected", "nm", "round_to", "repair", "seed", "images",
}  # fmt: skip


def to_recipe(plan: PruningPlan, model: str | None = None) -> dict[str, Any]:
    """The plan as a JSON-ready dict of a few lines; what is at its default and optional is left out."""
    recipe: dict[str, Any] = {"version": VERSION}
    if model is not None:
        recipe["model"] = model
    recipe |= {"criterion": plan.criterion, "granularity": plan.granularity, "scope": plan.scope}
    if plan.budget is not None:
        recipe["budget"] = {plan.budget_kind: plan.budget}
    elif plan.ratio is not None:
        recipe["ratio"] = plan.ratio
    for key, of_stage in (("stages", True), ("kinds", False)):
        named = {cell_name(cell): ratio for cell, ratio in plan.overrides if (cell[0] is not None) == of_stage}
        if named:
            recipe[key] = named
    if plan.nm is not None:
        recipe["nm"] = plan.nm
    if plan.round_to != 1:
        recipe["round_to"] = plan.round_to
    if plan.repair:
        recipe["repair"] = True
    if plan.cost_exponent:
        recipe["cost_exponent"] = plan.cost_exponent
    if plan.protected:
        recipe["protected"] = list(plan.protected)
    if plan.seed:
        recipe["seed"] = plan.seed
    if plan.images != PruningPlan.images:
        recipe["images"] = plan.images
    return recipe


def from_recipe(recipe: Any, model: str | None = None) -> PruningPlan:
    """Read a recipe (a dict or JSON text); raises InvalidPlan if it is malformed or was made for another model."""
    if isinstance(recipe, str | bytes):
        try:
            recipe = json.loads(recipe)
        except (ValueError, RecursionError) as error:
            raise InvalidPlan(f"The recipe is not JSON ({error}); export one and start from it.") from error
    if not isinstance(recipe, Mapping):
        raise InvalidPlan("The recipe is not a JSON object; export one and start from it.")
    if unknown := sorted(set(map(str, recipe)) - _KEYS):
        raise InvalidPlan(f"The recipe has unknown keys: {', '.join(unknown)}; allowed are {', '.join(sorted(_KEYS))}.")
    if recipe.get("version") != VERSION:
        raise InvalidPlan(f"The recipe has version {recipe.get('version')!r}; this program reads version {VERSION}.")
    made_for = recipe.get("model")
    if model is not None and made_for not in (None, model):
        raise InvalidPlan(f"The recipe was made for '{made_for}', not for '{model}'; load that model first.")
    return validate(_plan_from(recipe))


def _plan_from(recipe: Mapping[str, Any]) -> PruningPlan:
    budget = recipe.get("budget")
    kind, share = "macs", None
    if budget is not None:
        if not isinstance(budget, Mapping) or len(budget) != 1:
            raise InvalidPlan('The recipe\'s budget must look like {"macs": 0.5} or {"params": 0.5}.')
        kind, share = next(iter(budget.items()))
    stages, kinds, protected = recipe.get("stages", {}), recipe.get("kinds", {}), recipe.get("protected", [])
    if not isinstance(stages, Mapping):
        raise InvalidPlan('The recipe\'s stages must look like {"0": 0.2, "1:MLP-M": 0.5}.')
    if not isinstance(kinds, Mapping):
        raise InvalidPlan('The recipe\'s kinds must look like {"mlp_neuron": 0.5, "head": 0.25}.')
    if not isinstance(protected, list) or not all(isinstance(name, str) for name in protected):
        raise InvalidPlan("The recipe's protected layers must be a list of layer names.")
    default = PruningPlan()
    open_ratio = None if share is not None or recipe.get("granularity") == "nm" else 0.0
    return PruningPlan(
        criterion=_text(recipe, "criterion", default.criterion),
        granularity=_text(recipe, "granularity", default.granularity),  # type: ignore[arg-type]
        scope=_text(recipe, "scope", default.scope),  # type: ignore[arg-type]
        ratio=recipe.get("ratio", open_ratio),
        overrides=sort_overrides({**_stage_cells(stages.items()), **{(None, str(k)): r for k, r in kinds.items()}}),
        budget=share,
        budget_kind=kind,  # type: ignore[arg-type]
        cost_exponent=recipe.get("cost_exponent", default.cost_exponent),
        protected=tuple(protected),
        nm=recipe.get("nm"),
        round_to=recipe.get("round_to", default.round_to),
        repair=recipe.get("repair", default.repair),
        seed=recipe.get("seed", default.seed),
        images=recipe.get("images", default.images),
    )


def overrides_from(pairs: Iterable[tuple[str, Any]]) -> tuple[tuple[Cell, float], ...]:
    """("0", 0.2) or ("0:MLP-M", 0.2) pairs -> sorted overrides; raises InvalidPlan for names that are no cell."""
    return sort_overrides(_stage_cells(pairs))


def sort_overrides(overrides: Mapping[Cell, float]) -> tuple[tuple[Cell, float], ...]:
    """By stage, then module; modules of all stages last."""
    return tuple(sorted(overrides.items(), key=lambda item: (item[0][0] is None, item[0][0] or 0, item[0][1] or "")))


def _stage_cells(pairs: Iterable[tuple[str, Any]]) -> dict[Cell, float]:
    cells: dict[Cell, float] = {}
    for name, ratio in pairs:
        stage, _, module = str(name).partition(":")
        if not stage.isdecimal() or len(stage) > 4:
            raise InvalidPlan(f"'{name}' is not a stage; write 0, or 0:MLP-M for one module of stage 0.")
        cells[int(stage), module or None] = ratio
    return cells


def _text(recipe: Mapping[str, Any], key: str, default: str) -> str:
    value = recipe.get(key, default)
    if not isinstance(value, str):
        raise InvalidPlan(f"The recipe's {key} must be text, not {value!r}.")
    return value
