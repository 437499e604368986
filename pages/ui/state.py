"""The session's state: model and plan, undo and redo, tried points and pins, and their mirror in the URL.

`Setting` is the whole of what a link restores. Widgets are filled from it before they are drawn, and their callbacks
replace it; nothing else writes it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from dimap_core.bundled import BUNDLED
from dimap_core.errors import InvalidPlan, PruningError
from dimap_core.estimates import AccuracyEstimate
from dimap_core.plan import cell_name, from_recipe, overrides_from, to_recipe, validate
from dimap_core.sources import COUNT, check_count
from dimap_core.types import Part, PruningPlan

HISTORY = 60  # tried points kept
_UNDO = 100
_BUDGETS = ("macs", "params")
_NUMBERS = {"ratio", "pay", "seed", "round", "repair", "images", "n", "draw", *_BUDGETS}
_TEXTS = ("criterion", "scope", "granularity", "nm")
_URL_KEYS = {"model", "weights", "stages", "kinds", "protected", "data", "classes", *_TEXTS, *_NUMBERS}
_SHORT = 400  # characters of classes set by hand that a link carries
_IGNORED = {"embed", "embed_options"}
JOBS = "jobs"  # the query parameter that holds the session's jobs, so that a reload finds them
_TOKEN = re.compile("[0-9a-f]{32}")
_MOST_JOBS = 8


@dataclass(frozen=True)
class Setting:
    """What is looked at: a model, how its weights come, the plan, and images to judge by.

    `model`: a bundled or timm name, or a file (see `brought`).
    `data`: "" for the model's own set, "folder:PATH", "zip:PATH", "upload:TOKEN" or the name of a set; `count`, `draw`
    and `classes` are those of `sources.ImageSource` (`draw` its seed).
    """

    model: str = BUNDLED[0].name
    weights: str = "pretrained"
    plan: PruningPlan = field(default_factory=lambda: PruningPlan(ratio=0.8))
    data: str = ""
    count: int = COUNT
    draw: int = 0
    classes: tuple[tuple[str, int], ...] = ()

    @property
    def judged(self) -> tuple:
        """What accuracies depend on besides the plan: two settings with the same can be compared."""
        return self.model, self.weights, self.data, self.data and (self.count, self.draw, self.classes)


@dataclass
class Tried:
    """One point of the history; `estimate` grows while images stream in."""

    number: int
    setting: Setting
    total: Part
    estimate: AccuracyEstimate | None = None


def start() -> None:
    """Fill a new session from the URL; nonsense there becomes one notice and the default setting."""
    if "setting" in st.session_state:
        return
    st.session_state.update(setting=Setting(), undo=[], redo=[], history=[], pins={}, notice=None, mode="one")
    st.session_state.jobs = _TOKEN.findall(st.query_params.get(JOBS, ""))[:_MOST_JOBS]
    try:
        arrive(from_url({key: st.query_params[key] for key in st.query_params if key != JOBS}))
    except PruningError as error:
        st.session_state.notice = f"{str(error).rstrip('.')} (the link was ignored, the default is shown)."


def current() -> Setting:
    """The setting in force."""
    return st.session_state.setting


def arrive(setting: Setting) -> None:
    """Put `setting` in force without a trace in undo."""
    st.session_state.setting = setting
    st.session_state.mode = mode_of(setting.plan)


def go(setting: Setting) -> None:
    """Put `setting` in force; the one before can be had back by undo."""
    if setting == current():
        return
    st.session_state.undo = [*st.session_state.undo, current()][-_UNDO:]
    st.session_state.redo = []
    st.session_state.notice = None
    arrive(setting)


def change(**fields: Any) -> None:
    """Replace fields of the plan; a plan that would be invalid changes nothing and leaves a notice."""
    try:
        go(replace(current(), plan=validate(replace(current().plan, **fields))))
    except InvalidPlan as error:
        st.session_state.notice = str(error)


def take(name: str, options: Sequence[Any] | None = None) -> None:
    """A control's callback: the field of the plan gets what the control shows.

    `options`: all it may show, where another control was in its place: the browser may still send what that one showed.
    """
    value = st.session_state[f"w_{name}"]
    if value is not None and (options is None or value in options):
        change(**{name: value})


def back(source: str = "undo", target: str = "redo") -> None:
    """Undo; with the arguments swapped, redo."""
    if st.session_state[source]:
        st.session_state[target] = [*st.session_state[target], current()]
        *st.session_state[source], setting = st.session_state[source]
        st.session_state.notice = None
        arrive(setting)


def refuse(message: str) -> None:
    """The setting in force cannot be met: say why and return to the last one that could."""
    st.session_state.setting = st.session_state.undo.pop() if st.session_state.undo else Setting()
    st.session_state.mode = mode_of(current().plan)
    st.session_state.notice = message


def mode_of(plan: PruningPlan) -> str:
    """Which control shows a plan: "one" ratio, "kinds", "stages", "grid" of stage x module, "budget", or "pattern"."""
    if plan.granularity == "nm":
        return "pattern"
    if plan.budget is not None:
        return "budget"
    if not plan.overrides:
        return "one"
    if any(stage is None for (stage, _), _ in plan.overrides):
        return "kinds"
    return "grid" if any(module for (_, module), _ in plan.overrides) else "stages"


def from_url(params: dict[str, str]) -> Setting:
    """A setting from query parameters; raises InvalidPlan (DataError of images) for anything that is not one."""
    params = {key: value for key, value in params.items() if key not in _IGNORED}
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


def mirror() -> None:
    """Write the setting to the URL."""
    wanted = to_url(current())
    if st.session_state.jobs:
        wanted[JOBS] = "~".join(st.session_state.jobs)
    if {key: st.query_params[key] for key in st.query_params if key not in _IGNORED} != wanted:
        st.query_params.from_dict(wanted)


def add_job(token: str) -> None:
    """Remember a job of this session, in the link too; the oldest make room."""
    st.session_state.jobs = [*st.session_state.jobs, token][-_MOST_JOBS:]


def load_recipe(text: str | bytes) -> None:
    """Put a recipe in force; one for another bundled model loads that model, anything malformed leaves a notice."""
    try:
        plan = from_recipe(text, current().model)
    except InvalidPlan as error:
        st.session_state.notice = str(error)
    else:
        go(replace(current(), plan=plan))


def recipe(setting: Setting) -> dict[str, Any]:
    """The setting's plan as a recipe that names the model, unless it is a file."""
    return to_recipe(setting.plan, None if setting.model.startswith(("upload:", "file:")) else setting.model)


def cells(pairs: dict[str, float]) -> tuple:
    """{"0": 0.2} -> plan overrides."""
    return overrides_from(pairs.items())


def _whole(number: float) -> int:
    if not float(number).is_integer():
        raise InvalidPlan("Numbers of images, seeds and classes are whole.")
    return int(number)


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidPlan(f"Its {key} '{text[:40]}' is not a number.") from None
