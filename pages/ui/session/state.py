"""The session's state: the setting in force, what is selected, undo and redo, what was refused, and their mirror in
the URL.

Widgets are filled from the setting before they are drawn, and their callbacks replace it; nothing else writes it.
Next door: `setting` and `sight` say what it is made of, `links` how an address says it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dimap_core.plan import GRANULARITIES, from_recipe, reading, validate
from dimap_core.types import Anatomy, InvalidPlan, PruningPlan

from . import followed, links, story
from .setting import Setting
from .sight import AXES, CUES, Selected, Sight

_UNDO = 100
_JOBS = "jobs"  # the query parameter that holds the session's jobs, so that a reload finds them
_CLASS = "class"  # the one that names the class the session is in
_LONGEST = 60  # characters of it; whether it can name one is told with the first guess
_TOKEN = re.compile("[0-9a-f]{32}")
_MOST_JOBS = 8
_AMOUNT = {"ratio", "budget", "overrides", "granularity", "nm"}  # fields that decide which control shows a plan


def start() -> None:
    """Fill a new session from the URL; nonsense there becomes one notice, what is good there holds. In a session that
    goes on, the browser's Back and Forward put in force what the address then says."""
    if "setting" in st.session_state:
        _follow_history()
        return
    st.session_state.update(setting=Setting(), undo=[], redo=[], history=[], notice=None, mode="one")
    st.session_state.jobs = _TOKEN.findall(st.query_params.get(_JOBS, ""))[:_MOST_JOBS]
    asked = _asked()
    setting, sight, left_out = links.good_parts(asked)
    arrive(setting)
    look(sight)
    followed.arrive(asked, setting.judged)
    told = " ".join(filter(None, (_newer(), left_out, story.arrive(st.query_params))))
    st.session_state.notice = told or None
    st.session_state.in_class = st.query_params.get(_CLASS, "")[:_LONGEST] or None


def _asked() -> dict[str, str]:
    """What the address asks for; jobs, class, story and lessons aside."""
    return {
        key: st.query_params[key]
        for key in st.query_params
        if key not in (_JOBS, _CLASS, story.PART, story.PAIR, links.VERSION, *links.SLIDES, *links.LESSONS)
    }


def _newer() -> str:
    """What is said of a link that a later version of this program wrote."""
    if st.query_params.get(links.VERSION, "1") == "1":
        return ""
    return "The link was made by a later version of this program; what this one knows of it holds."


def _follow_history() -> None:
    """The setting and the sight of the address, after a step in the browser's history. A bare address says none: it is
    what a page has before its first mirror."""
    run, asked = get_script_run_ctx(), _asked()
    if run is None or not run.is_history_navigation or "model" not in asked:
        return
    setting, sight, _ = links.good_parts(asked)
    go(setting)
    look(sight)
    followed.arrive(asked, setting.judged)


def look(sight: Sight) -> None:
    """Show that; the widgets of cue, axis and zoom take what stands under their keys."""
    st.session_state.selected = sight.at
    st.session_state.update(cue=sight.cue, axis=sight.axis, zoom=sight.zoom)


def _sight() -> Sight:
    """What is looked at now."""
    cue, axis = st.session_state.get("cue") or CUES[0], st.session_state.get("axis") or AXES[0]
    return Sight(selected(), cue, axis, bool(st.session_state.get("zoom")))


def selected() -> Selected:
    """The part of the model that is selected, for the whole app."""
    return st.session_state.selected


def select(stage: int | None, block: int | None = None) -> None:
    """Select a stage, or a block within it; no stage: nothing."""
    st.session_state.selected = Selected(stage, None if stage is None else block)


def bound(anatomy: Anatomy) -> None:
    """Drop a selection that the open model has no such part for; after a link, with a word."""
    if not selected().fits(anatomy):
        if not st.session_state.undo:
            st.session_state.notice = f"There is no part '{selected()}' in this model; nothing is selected."
        select(None)
        st.rerun()


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
    """Replace fields of the plan; a plan that would be invalid changes nothing and leaves a notice.

    The control that shows how much goes stays, unless that is what changes.
    """
    mode = st.session_state.mode
    try:
        go(replace(current(), plan=validate(replace(current().plan, **fields))))
    except InvalidPlan as error:
        st.session_state.notice = str(error)
    if not fields.keys() & _AMOUNT:
        st.session_state.mode = mode


def fill(key: str, value: Any) -> Any:
    """Give a control its value, where it has another, and return it to be its default too.

    A value that is written overrides what the reader moved meanwhile, so only a new one is.
    """
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return value


def heard(key: str, event: str) -> Any:
    """What the browser said of that kind through the component under `key`; None where nothing was, or where the page
    has gone that held it: what was on its way then arrives late."""
    return (st.session_state.get(key) or {}).get(event)


def take(name: str, options: Sequence[Any] | None = None, units: Sequence[str] = GRANULARITIES) -> None:
    """A control's callback: the field of the plan gets what the control shows.

    `options`: all it may show, where another control was in its place: the browser may still send what that one showed.
    `units`: what the control is there for; it may still be sent after other units were chosen.
    """
    value = st.session_state[f"w_{name}"]
    if value is not None and (options is None or value in options) and current().plan.granularity in units:
        change(**{name: value})


def back(source: str = "undo", target: str = "redo") -> None:
    """Undo; with the arguments swapped, redo."""
    if st.session_state[source]:
        st.session_state[target] = [*st.session_state[target], current()]
        *st.session_state[source], setting = st.session_state[source]
        st.session_state.notice = None
        arrive(setting)


def refuse(message: str, bad: Sequence[str] = ()) -> None:
    """The setting in force cannot be met: say why and return to the last one that could; where there is none, as after
    a link, only the `bad` fields of the setting go back to their defaults."""
    mended = replace(current(), **{name: getattr(Setting(), name) for name in bad})
    first = Setting() if mended == current() else mended
    st.session_state.setting = st.session_state.undo.pop() if st.session_state.undo else first
    st.session_state.mode = mode_of(current().plan)
    st.session_state.notice = message


def refuse_plan(error: InvalidPlan) -> None:
    """The plan in force cannot be met: where something else than its amount was changed, the nearest amount that can
    takes its place; else as `refuse`."""
    plan, before = current().plan, st.session_state.undo[-1].plan if st.session_state.undo else None
    if before is None or error.nearest is None:
        return refuse(str(error), ["plan"])
    if (plan.ratio, plan.budget) != (before.ratio, before.budget) and plan == replace(
        before, ratio=plan.ratio, budget=plan.budget
    ):
        return refuse(str(error), ["plan"])
    amount, mode = "ratio" if plan.budget is None else "budget", st.session_state.mode
    arrive(replace(current(), plan=replace(plan, **{amount: error.nearest})))
    st.session_state.mode = mode
    st.session_state.notice = f"{error} That is now in force."
    return None


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


def mirror(more: Mapping[str, str] | None = None, own: bool = True) -> None:
    """Write the setting to the URL, and what else a page says there; not `own`: only that."""
    wanted = links.to_url(current(), _sight()) | followed.to_link(current().judged) if own else {}
    wanted |= more or {}
    if st.session_state.jobs:
        wanted[_JOBS] = "~".join(st.session_state.jobs)
    wanted |= story.to_link() if own else {}
    if st.session_state.in_class:
        wanted[_CLASS] = st.session_state.in_class
    if {key: st.query_params[key] for key in st.query_params if key not in links.IGNORED} != wanted:
        st.query_params.from_dict(wanted)


def add_job(token: str) -> None:
    """Remember a job of this session, in the link too; the oldest make room."""
    st.session_state.jobs = [*st.session_state.jobs, token][-_MOST_JOBS:]


def load_recipe(text: str | bytes) -> None:
    """Put a recipe in force; one for another bundled model loads that model, anything malformed leaves a notice."""
    setting = current()
    try:
        plan, said = from_recipe(text, setting.model), reading(text)
    except InvalidPlan as error:
        st.session_state.notice = str(error)
    else:
        readable = said and (setting.name.brought or setting.name.repository)
        model = str(replace(setting.name, architecture=said)) if readable else setting.model
        go(replace(setting, model=model, plan=plan))
