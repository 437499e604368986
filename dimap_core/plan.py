"""Plans: validation, and the JSON recipe in and out. A plan says what to remove before anything is scored or cut.

Next door: `selection` turns a plan and scores into what goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from .criteria import criterion
from .errors import InvalidPlan
from .types import PRUNABLE_MODULES, Anatomy, Cell, Granularity, PruningPlan, Scope

VERSION = 1
SCOPES: tuple[str, ...] = get_args(Scope)
GRANULARITIES: tuple[str, ...] = get_args(Granularity)
_KEYS = {
    "version", "model", "criterion", "granularity", "scope", "ratio", "stages", "budget", "cost_exponent", "protected",
    "seed",
}  # fmt: skip


def validate(plan: PruningPlan, anatomy: Anatomy | None = None) -> PruningPlan:
    """Return `plan` if it is well formed (and, given an anatomy, fits the model); raises InvalidPlan otherwise."""
    criterion(plan.criterion)
    _one_of("scope", plan.scope, SCOPES)
    _one_of("granularity", plan.granularity, GRANULARITIES)
    if (plan.ratio is None) == (plan.budget is None):
        raise InvalidPlan("A plan has either a ratio or a budget; give one of the two.")
    for what, ratio in [("ratio", plan.ratio), *((f"ratio of {cell_name(c)}", r) for c, r in plan.overrides)]:
        if what != "ratio" or ratio is not None:
            _in_range(what, ratio, 0, 1)
    if plan.budget is not None:
        _one_of("budget kind", plan.budget_kind, ("macs", "params"))
        _in_range("budget", plan.budget, 0, 1)
    _in_range("cost exponent", plan.cost_exponent, 0, 2)
    if not isinstance(plan.seed, int) or isinstance(plan.seed, bool) or not 0 <= plan.seed < 2**32:
        raise InvalidPlan(f"The seed must be a whole number from 0 to 2^32 - 1, not {plan.seed!r}.")
    for (_, module), _ in plan.overrides:
        if module is not None:
            _one_of("module", module, PRUNABLE_MODULES)
    if anatomy is not None:
        _fits(plan, anatomy)
    return plan


def _fits(plan: PruningPlan, anatomy: Anatomy) -> None:
    count = len(anatomy.stages)
    for (stage, _), _ in plan.overrides:
        if not 0 <= stage < count:
            raise InvalidPlan(f"There is no stage {stage}; this model has stages 0 to {count - 1}.")
    names = {layer.name for layer in anatomy.prunable}
    for name in plan.protected:
        if name not in names:
            raise InvalidPlan(f"There is no prunable layer '{name}'; 'describe' and 'prune --json' list the names.")


def to_recipe(plan: PruningPlan, model: str | None = None) -> dict[str, Any]:
    """The plan as a JSON-ready dict of a few lines; what is at its default and optional is left out."""
    recipe: dict[str, Any] = {"version": VERSION}
    if model is not None:
        recipe["model"] = model
    recipe |= {"criterion": plan.criterion, "granularity": plan.granularity, "scope": plan.scope}
    if plan.budget is None:
        recipe["ratio"] = plan.ratio
    else:
        recipe["budget"] = {plan.budget_kind: plan.budget}
    if plan.overrides:
        recipe["stages"] = {cell_name(cell): ratio for cell, ratio in plan.overrides}
    if plan.cost_exponent:
        recipe["cost_exponent"] = plan.cost_exponent
    if plan.protected:
        recipe["protected"] = list(plan.protected)
    if plan.seed:
        recipe["seed"] = plan.seed
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
    stages, protected = recipe.get("stages", {}), recipe.get("protected", [])
    if not isinstance(stages, Mapping):
        raise InvalidPlan('The recipe\'s stages must look like {"0": 0.2, "1:MLP-M": 0.5}.')
    if not isinstance(protected, list) or not all(isinstance(name, str) for name in protected):
        raise InvalidPlan("The recipe's protected layers must be a list of layer names.")
    default = PruningPlan()
    return PruningPlan(
        criterion=_text(recipe, "criterion", default.criterion),
        granularity=_text(recipe, "granularity", default.granularity),  # type: ignore[arg-type]
        scope=_text(recipe, "scope", default.scope),  # type: ignore[arg-type]
        ratio=recipe.get("ratio", 0.0 if share is None else None),
        overrides=overrides_from(stages.items()),
        budget=share,
        budget_kind=kind,  # type: ignore[arg-type]
        cost_exponent=recipe.get("cost_exponent", default.cost_exponent),
        protected=tuple(protected),
        seed=recipe.get("seed", default.seed),
    )


def overrides_from(pairs: Iterable[tuple[str, Any]]) -> tuple[tuple[Cell, float], ...]:
    """("0", 0.2) or ("0:MLP-M", 0.2) pairs -> sorted overrides; raises InvalidPlan for names that are no cell."""
    overrides: dict[Cell, float] = {}
    for name, ratio in pairs:
        stage, _, module = str(name).partition(":")
        if not stage.isdecimal() or len(stage) > 4:
            raise InvalidPlan(f"'{name}' is not a stage; write 0, or 0:MLP-M for one module of stage 0.")
        overrides[int(stage), module or None] = ratio
    return tuple(sorted(overrides.items(), key=lambda item: (item[0][0], item[0][1] or "")))


def cell_name(cell: Cell) -> str:
    """(0, None) -> "0", (0, "MLP-M") -> "0:MLP-M"."""
    stage, module = cell
    return f"{stage}:{module}" if module else str(stage)


def _text(recipe: Mapping[str, Any], key: str, default: str) -> str:
    value = recipe.get(key, default)
    if not isinstance(value, str):
        raise InvalidPlan(f"The recipe's {key} must be text, not {value!r}.")
    return value


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidPlan(f"There is no {what} '{value}'; choose one of {', '.join(allowed)}.")


def _in_range(what: str, value: Any, low: float, high: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    closed = what == "cost exponent"
    if not number or not (low <= value < high or (closed and value == high)):
        raise InvalidPlan(
            f"The {what} must be a number from {low} to {'' if closed else 'below '}{high}, not {value!r}."
        )
