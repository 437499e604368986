"""Links: a setting as query parameters and back. Next door: `state` keeps the address bar equal to the setting."""

from __future__ import annotations

from typing import Any

from dimap_core.data import COUNT, check_count
from dimap_core.plan import cell_name, from_recipe
from dimap_core.types import InvalidPlan, PruningPlan

from .setting import Setting

_BUDGETS = ("macs", "params")
_NUMBERS = {"ratio", "pay", "seed", "round", "repair", "images", "n", "draw", *_BUDGETS}
_TEXTS = ("criterion", "scope", "granularity", "nm")
_URL_KEYS = {"model", "weights", "stages", "kinds", "protected", "data", "classes", *_TEXTS, *_NUMBERS}
_SHORT = 400  # characters of classes set by hand that a link carries
IGNORED = {"embed", "embed_options"}


def from_url(params: dict[str, str]) -> Setting:
    """A setting from query parameters; raises InvalidPlan (DataError of images) for anything that is not one."""
    params = {key: value for key, value in params.items() if key not in IGNORED}
    if unknown := sorted(params.keys() - _URL_KEYS):
        raise InvalidPlan(f"Its part '{unknown[0][:40]}' is not known.")
    numbers = {key: _number(key, params[key]) for key in params.keys() & _NUMBERS}
    recipe: dict[str, Any] = {"version": 1}
    recipe |= {key: params[key] for key in _TEXTS if key in params}
    recipe |= {to: numbers[key] for key, to in (("ratio", "ratio"), ("pay", "cost_exponent")) if key in numbers}
    for key, to in (("seed", "seed"), ("round", "round_to"), ("images", "images")):
        if key in numbers:
            recipe[to] = int(numbers[key]) if numbers[key].is_integer() else numbers[key]
    if "repair" in numbers:
        recipe["repair"] = bool(numbers["repair"])
    if budgets := {key: numbers[key] for key in _BUDGETS if key in numbers}:
        recipe["budget"] = budgets
    for key in params.keys() & {"stages", "kinds"}:
        # A kind's own name holds a "_", so the last one parts it from its ratio.
        pairs = [part.rpartition("_") for part in params[key].split("~")]
        recipe[key] = {cell.replace(".", ":"): _number(key, value) for cell, _, value in pairs}
    if "protected" in params:
        recipe["protected"] = params["protected"].split("~")
    default = Setting()
    plan = from_recipe(recipe) if len(recipe) > 1 else default.plan
    weights = params.get("weights", default.weights)
    if weights not in ("pretrained", "random"):
        raise InvalidPlan("Weights are 'pretrained' or 'random'.")
    return Setting(params.get("model", default.model), weights, plan, *_images_from_url(params, numbers))


def _images_from_url(params: dict[str, str], numbers: dict[str, float]) -> tuple[str, int, int, tuple]:
    """(data, count, draw, classes)."""
    count, draw = (_whole(numbers.get(key, default)) for key, default in (("n", COUNT), ("draw", 0)))
    check_count(count, draw)
    pairs = [part.rpartition("_") for part in params.get("classes", "").split("~") if part]
    classes = tuple(sorted((folder, _whole(_number("classes", output))) for folder, _, output in pairs))
    return params.get("data", ""), count, draw, classes


def to_url(setting: Setting) -> dict[str, str]:
    """The query parameters that `from_url` reads back."""
    plan = setting.plan
    params = {"model": setting.model, "criterion": plan.criterion, "scope": plan.scope}
    if setting.weights != "pretrained":
        params["weights"] = setting.weights
    if setting.data:
        params |= _images_to_url(setting)
    if plan.granularity != "weight":
        params["granularity"] = plan.granularity
    if plan.budget is not None:
        params[plan.budget_kind] = f"{plan.budget:g}"
    elif plan.ratio is not None:
        params["ratio"] = f"{plan.ratio:g}"
    for key, of_stage in (("stages", True), ("kinds", False)):
        # Only characters that a URL leaves as they are: 0.MLP-M_0.2~1_0.5
        own = [(cell_name(cell), ratio) for cell, ratio in plan.overrides if (cell[0] is not None) == of_stage]
        if own:
            params[key] = "~".join(f"{cell.replace(':', '.')}_{ratio:g}" for cell, ratio in own)
    if plan.nm is not None:
        params["nm"] = plan.nm
    if plan.round_to != 1:
        params["round"] = str(plan.round_to)
    if plan.repair:
        params["repair"] = "1"
    if plan.cost_exponent:
        params["pay"] = f"{plan.cost_exponent:g}"
    if plan.protected:
        params["protected"] = "~".join(plan.protected)
    if plan.seed:
        params["seed"] = str(plan.seed)
    if plan.images != PruningPlan.images:
        params["images"] = str(plan.images)
    return params


def _images_to_url(setting: Setting) -> dict[str, str]:
    """Classes set by hand only as far as they are short; the session knows them all."""
    params = {"data": setting.data}
    if setting.count != COUNT:
        params["n"] = str(setting.count)
    if setting.draw:
        params["draw"] = str(setting.draw)
    classes = "~".join(f"{folder}_{output}" for folder, output in setting.classes)
    if 0 < len(classes) <= _SHORT and not any("~" in folder for folder, _ in setting.classes):
        params["classes"] = classes
    return params


def _whole(number: float) -> int:
    if not float(number).is_integer():
        raise InvalidPlan("Numbers of images, seeds and classes are whole.")
    return int(number)


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidPlan(f"Its {key} '{text[:40]}' is not a number.") from None
