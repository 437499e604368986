"""Plans: validation, and the JSON recipe in and out. A plan says what to remove before anything is scored or cut.

Next door: `selection` turns a plan and scores into what goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from .criteria import criterion
from .errors import InvalidPlan
from .types import KINDS, PRUNABLE_MODULES, Anatomy, Cell, Granularity, PruningPlan, Scope

VERSION = 1
SCOPES: tuple[str, ...] = get_args(Scope)
GRANULARITIES: tuple[str, ...] = get_args(Granularity)
PATTERNS = ("2:4", "4:8")
BUDGETS = ("macs", "params", "latency")
MOST_IMAGES = 100_000
_UNITS = {"weight": "single weights", "structure": "whole structures"}
_KEYS = {
    "version", "model", "criterion", "granularity", "scope", "ratio", "stages", "kinds", "budget", "cost_exponent",
    "protected", "nm", "round_to", "repair", "seed", "images",
}  # fmt: skip


def validate(plan: PruningPlan, anatomy: Anatomy | None = None) -> PruningPlan:
    """Return `plan` if it is well formed (and, given an anatomy, fits the model); raises InvalidPlan otherwise."""
    _one_of("scope", plan.scope, SCOPES)
    _one_of("granularity", plan.granularity, GRANULARITIES)
    if plan.scored not in criterion(plan.criterion).scores:
        raise InvalidPlan(
            f"'{plan.criterion}' cannot score {_UNITS[plan.scored]}; choose another criterion or granularity."
        )
    if plan.granularity == "nm":
        _check_nm(plan)
    else:
        _check_ratios(plan)
    _check_structure(plan)
    if not isinstance(plan.seed, int) or isinstance(plan.seed, bool) or not 0 <= plan.seed < 2**32:
        raise InvalidPlan(f"The seed must be a whole number from 0 to 2^32 - 1, not {plan.seed!r}.")
    if not isinstance(plan.images, int) or isinstance(plan.images, bool) or not 1 <= plan.images <= MOST_IMAGES:
        raise InvalidPlan(f"The training images to read must be from 1 to {MOST_IMAGES:,}, not {plan.images!r}.")
    if anatomy is not None:
        _fits(plan, anatomy)
    return plan


def _check_ratios(plan: PruningPlan) -> None:
    if (plan.ratio is None) == (plan.budget is None):
        raise InvalidPlan("A plan has either a ratio or a budget; give one of the two.")
    if plan.nm is not None:
        raise InvalidPlan("Only an N:M plan has a pattern; set the granularity to nm.")
    if plan.ratio is not None:
        _in_range("ratio", plan.ratio, 0, 1)
    modules = KINDS if plan.granularity == "structure" else PRUNABLE_MODULES
    for cell, ratio in plan.overrides:
        if cell[1] is not None:
            _one_of("kind" if plan.granularity == "structure" else "module", cell[1], modules)
        _in_range(f"ratio of {cell_label(cell)}", ratio, 0, 1)
    if plan.budget is not None:
        _one_of("budget kind", plan.budget_kind, BUDGETS)
        _in_range("budget", plan.budget, 0, 1)
    _in_range("cost exponent", plan.cost_exponent, 0, 2)


def _check_nm(plan: PruningPlan) -> None:
    if plan.nm not in PATTERNS:
        raise InvalidPlan(f"An N:M plan needs a pattern; choose one of {', '.join(PATTERNS)}.")
    if plan.ratio is not None or plan.budget is not None or plan.overrides or plan.cost_exponent:
        raise InvalidPlan("An N:M pattern fixes every ratio; drop ratio, budget, stages and cost exponent.")


def _check_structure(plan: PruningPlan) -> None:
    """What only a cut of whole structures can have."""
    step = plan.round_to
    if not isinstance(step, int) or isinstance(step, bool) or not 1 <= step <= 64:
        raise InvalidPlan(f"Kept sizes are rounded to a multiple from 1 to 64, not {step!r}.")
    if not isinstance(plan.repair, bool):
        raise InvalidPlan(f"repair is true or false, not {plan.repair!r}.")
    latency = plan.budget is not None and plan.budget_kind == "latency"
    if plan.granularity != "structure" and (step != 1 or plan.repair or latency):
        what = "rounding" if step != 1 else "repair" if plan.repair else "a latency budget"
        raise InvalidPlan(f"Zeros have no use for {what}; set the granularity to structure.")


def _fits(plan: PruningPlan, anatomy: Anatomy) -> None:
    count = len(anatomy.stages)
    for (stage, _), _ in plan.overrides:
        if stage is not None and not 0 <= stage < count:
            raise InvalidPlan(f"There is no stage {stage}; this model has stages 0 to {count - 1}.")
    for name in plan.protected:
        if all(name != layer.name for layer in anatomy.prunable):
            raise InvalidPlan(f"There is no prunable layer '{name}'; 'describe' and 'prune --json' list the names.")


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


def cell_name(cell: Cell) -> str:
    """(0, None) -> "0", (0, "MLP-M") -> "0:MLP-M", (None, "head") -> "head"."""
    return ":".join(str(part) for part in cell if part is not None)


def cell_label(cell: Cell) -> str:
    """What a sentence calls a cell: "stage 0:MLP-M", or the module alone."""
    return cell_name(cell) if cell[0] is None else f"stage {cell_name(cell)}"


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
