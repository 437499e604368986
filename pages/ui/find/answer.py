"""The answer of a search: what was found beside the best fixed rule, judged once, and what can be done with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st
from pydantic import TypeAdapter

from dimap_core.figures import findings, kept_bars, paired_bar
from dimap_core.measure import add
from dimap_core.plan import from_recipe
from dimap_core.service import Job
from dimap_core.types import AccuracyEstimate, Part, PruningPlan, in_points

from ..look import TERMS, plan_names, theme
from ..session import Setting, Tried, opening, state
from ..story import keep

_CELLS = TypeAdapter(list[tuple[int | None, str, Part]])
_ESTIMATE = TypeAdapter(AccuracyEstimate)


def headline(result: Mapping[str, Any]) -> str:
    """The finding in one sentence that keeps to the statistics."""
    paired = result["paired"]
    removed = f"With {100 * result['macs_removed']:.0f} % of the MACs gone"
    if result["rule"]:
        return f"{removed}, no cut that was tried does better than a fixed rule."
    points = in_points(paired["value"])
    if paired["low"] > 0:
        return f"{removed}, the cut found is right {points} points more often than the best fixed rule."
    if paired["high"] < 0:
        return f"{removed}, the best fixed rule does better than the cut found ({points} points)."
    return f"{removed}, the cut found and the best fixed rule differ by no more than chance ({points} points)."


def known(job: Job) -> dict[str, Any]:
    """The answer, if there is one yet; it comes before the whole front."""
    return dict(job.result or job.progress.get("answer") or {})


def card(job: Job) -> None:
    """Both accuracies, the paired difference, and the buttons."""
    result = known(job)
    rule, paired, chosen = result["best_rule"], result["paired"], result["chosen_on"]
    with st.container(border=True, key=f"result_{job.token}"):
        st.markdown(f"**Judged on {result['n']:,} validation images** that chose nothing")
        with st.container(horizontal=True):
            _share("Found", result)
            _share("Best fixed rule", rule)
        st.caption(f"Found: {plan_names.family_of(result['plan'])}. Rule: {plan_names.family_of(rule['plan'])}.")
    interval = f"{in_points(paired['low'])} to {in_points(paired['high'])}"
    st.markdown(f"Difference, paired: **{in_points(paired['value'])} points** ({interval})", help=TERMS["drop"])
    theme.chart(
        paired_bar(paired["value"], paired["low"], paired["high"], theme.look()), f"paired_{job.token}",
        f"Paired difference {in_points(paired['value'])} points, {interval}",
    )  # fmt: skip
    st.markdown(_verdict(paired, result["looks"]))
    _buttons(job, result["plan"])
    _keep(job, result)
    dense = result["against_dense"]
    st.caption(
        f"Against dense {in_points(dense['value'])} points ({in_points(dense['low'])} to "
        f"{in_points(dense['high'])}). Chosen among {result['trials']} cuts on {chosen['n']} training images held "
        f"apart from the {chosen['read']} that scores and repair read, in {result['seconds']:.0f} s."
    )
    faster = result.get("latency_removed")
    measured = "" if faster is None else f"Measured here, it removes {100 * faster:.0f} % of the latency."
    for line in filter(None, [measured, chosen["risk"], _search(result.get("search"))]):
        st.caption(line)
    cells = {(stage, module): part for stage, module, part in _CELLS.validate_python(result["cells"])}
    stage = "Stage" if result["family"] == "swin" else "Group"
    theme.chart(
        kept_bars(cells, stage, theme.look(), 230), f"kept_{job.token}", "Weights kept by the cut found",
        findings.kept(cells, stage),
    )  # fmt: skip


def _share(label: str, found: Mapping[str, Any]) -> None:
    low, high = found["ci95"]
    st.metric(label, f"{100 * found['top1']:.1f} %", f"{100 * low:.1f} to {100 * high:.1f}", delta_color="off",
              delta_arrow="off", help=TERMS["top1"])  # fmt: skip


def _verdict(paired: Mapping[str, float], looks: int) -> str:
    sure = f"{100 * paired['confidence']:.1f}".removesuffix(".0")
    several = f", at {sure} % because these images have answered {looks} times" if looks > 1 else ""
    if paired["low"] > 0:
        return f":green-badge[beyond chance{several}]"
    if paired["high"] < 0:
        return f":red-badge[worse beyond chance{several}]"
    return f":gray-badge[no difference beyond chance{several}]"


def _search(search: Mapping[str, Any] | None) -> str:
    if search is None:
        return ""
    if search["gained"]:
        return f"Searching near it tried {search['tries']} cuts more and came nearer to the dense model beyond chance."
    return f"Searching near it tried {search['tries']} cuts more and gained nothing beyond chance."


def _buttons(job: Job, recipe: Mapping[str, Any]) -> None:
    with st.container(horizontal=True):
        force = st.button("Put in force", type="primary", key=f"force_{job.token}", icon=":material/check:")
        train = st.button("Train it back", key=f"train_{job.token}", icon=":material/model_training:")
        export = st.button("Export", key=f"export_{job.token}", icon=":material/download:")
    for pressed, page in ((force, "prune"), (train, "recover"), (export, "export")):
        if pressed:
            put_in_force(job, recipe)
            st.switch_page(f"pages/{page}.py")


def _keep(job: Job, result: Mapping[str, Any]) -> None:
    """Keep the cut found; of a search with other images than the session's its accuracy would be another's."""
    if "estimate" in result and _looked_at(job) and job.request.get("images") == opening.images(state.current()):
        setting = replace(state.current(), plan=_plan(result["plan"]))
        keep.button(f"keep_{job.token}", setting, _kept, setting, result)


def _kept(setting: Setting, result: Mapping[str, Any]) -> None:
    """Keep the cut found, and put what it was judged to keep among the tried ones."""
    history: list[Tried] = st.session_state.history
    tried = next((one for one in history if one.setting == setting), None)
    if tried is None:
        total = add(part for _, _, part in _CELLS.validate_python(result["cells"]))
        tried = Tried(max((one.number for one in history), default=-1) + 1, setting, total)
        st.session_state.history = [*history, tried]
    tried.estimate, tried.preview = _ESTIMATE.validate_python(result["estimate"]), False
    keep.add(setting)


def _plan(recipe: Mapping[str, Any]) -> PruningPlan:
    return from_recipe({key: value for key, value in recipe.items() if key != "model"})


def _looked_at(job: Job) -> bool:
    """Whether the session looks at the search's model."""
    return bool(state.current().model == job.request["setting"])


def put_in_force(job: Job, recipe: Mapping[str, Any]) -> None:
    """The cut on every page; where the session looks at another model meanwhile, a notice says so."""
    if not _looked_at(job):
        st.session_state.notice = f"This cut is of {job.request['setting']}; choose that model first."
        return
    state.load_recipe(json.dumps({key: value for key, value in recipe.items() if key != "model"}))
