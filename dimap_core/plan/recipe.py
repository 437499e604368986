"""A plan in and out, as the JSON recipe and as a link. It says what to remove before anything is scored or cut.

Whatever comes in is checked here, once; `validate` with an anatomy then says whether it fits a model.
Next door: `fields` says how each part is written, `validation` checks plans, `selection` turns a plan and scores into
what goes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..types import Cell, InvalidPlan, PruningPlan
from .fields import FIELDS
from .validation import validate

VERSION = 1
_KEYS = {"version", "model", "reading", *(field.key for field in FIELDS)}
LINK_KEYS = tuple(key for field in FIELDS for key in field.links)
"""A link's keys that are a plan's, details after what they are details of."""
LINK_BEGINS = tuple(key for field in FIELDS if field.said == "always" for key in field.links)
"""Those that every link has."""


def to_recipe(plan: PruningPlan, model: str | None = None, reading: str = "") -> dict[str, Any]:
    """The plan as a JSON-ready dict of a few lines; what is at its default and optional is left out. `reading`: what is
    said behind the @ of the file that it is for."""
    recipe: dict[str, Any] = {"version": VERSION}
    if model is not None:
        recipe["model"] = model
    if reading:
        recipe["reading"] = reading
    return recipe | _said(plan)


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


def reading(text: str | bytes) -> str:
    """What a recipe that `from_recipe` takes says of how a file is to be read, "" where it says nothing."""
    said = json.loads(text).get("reading", "")
    if not isinstance(said, str):
        raise InvalidPlan("The recipe's reading must be text, as ARCHITECTURE?img_size=384.")
    return said


def to_link(plan: PruningPlan) -> dict[str, str]:
    """The plan as a link's parameters, `LINK_BEGINS` first."""
    said = _said(plan)
    params = {
        key: text for field in FIELDS if field.key in said for key, text in field.to_link(said[field.key]).items()
    }
    return {key: params[key] for key in LINK_BEGINS} | params


def from_link(params: Mapping[str, str]) -> PruningPlan:
    """Read those of a link's parameters that are a plan's; raises InvalidPlan if they are malformed."""
    recipe: dict[str, Any] = {"version": VERSION}
    for field in FIELDS:
        if params.keys() & {*field.links}:
            recipe[field.key] = field.from_link(params)
    return from_recipe(recipe)


def _said(plan: PruningPlan) -> dict[str, Any]:
    """What a recipe says of the plan itself."""
    return {field.key: value for field in FIELDS if (value := field.of(plan)) is not None}


def _plan_from(recipe: Mapping[str, Any]) -> PruningPlan:
    found: dict[str, Any] = {}
    overrides: dict[Cell, float] = {}
    for field in FIELDS:
        if field.key in recipe:
            found |= field.put(recipe[field.key])
            overrides |= found.pop("overrides", {})
    if found.get("budget") is not None or found.get("granularity") == "nm":
        found.setdefault("ratio", None)
    return PruningPlan(**found, overrides=sort_overrides(overrides))


def sort_overrides(overrides: Mapping[Cell, float]) -> tuple[tuple[Cell, float], ...]:
    """By stage, then module; modules of all stages last."""
    return tuple(sorted(overrides.items(), key=lambda item: (item[0][0] is None, item[0][0] or 0, item[0][1] or "")))
