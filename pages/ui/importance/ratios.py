"""From sensitivity curves to ratios, put in force by a button and judged against the plain scope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from pydantic import TypeAdapter

from dimap_core.figures import findings, stage_heatmap
from dimap_core.plan import to_recipe
from dimap_core.service import Ticket
from dimap_core.studies import Allocation, columns, dense_plan, plain_plan
from dimap_core.types import CellCut, InvalidPlan, Proportion, PruningPlan, Versus, in_points

from ..look import TERMS, plan_names, theme
from ..parts import waiting
from ..session import View, cache, opened, polling, state
from . import measurements

_VERSUS = TypeAdapter(Versus)


def draw(view: View, rows: list[CellCut], recipe: str) -> None:
    """One ratio a part for a chosen saving, a button that puts them in force, and the judgement."""
    st.subheader("From curves to ratios", anchor=False, help=TERMS["ratios"])
    plan, total = state.current().plan, view.cost.total
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "Share of", ["macs", "params"], key="share_kind", default="macs", required=True,
            format_func=plan_names.COST_LABELS.get, persist_state="session", label_visibility="collapsed",
        ) or "macs"  # fmt: skip
        now = 1 - (total.macs_after / total.macs if kind == "macs" else total.params_after / total.params)
        if "share" not in st.session_state:
            st.session_state.share = min(max(5 * round(20 * now), 5), 90)
        share = st.slider(f"Remove at least, % of all {plan_names.COST_LABELS[kind]}", 5, 95, key="share", step=5,
                          persist_state="session")  # fmt: skip
    try:
        made = cache.allocated((view.folder, recipe, plan.repair, share, kind), view.anatomy, view.scores, plan, rows)
    except InvalidPlan as error:
        st.info(str(error))
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        _chosen(view, made, kind)
    with right:
        _judgement(view, made, plain_plan(dense_plan(plan), made.saved, kind), kind)


def _chosen(view: View, made: Allocation, kind: str) -> None:
    """The ratios, and the button."""
    own, names = dict(made.plan.overrides), columns(made.plan.granularity)
    table = {
        f"{view.anatomy.stage_word} {stage.index + 1}": np.array([own.get((stage.index, n), np.nan) for n in names])
        for stage in view.anatomy.stages
    }
    figure = stage_heatmap(table, theme.look(), names, "ratio, %", lambda ratio: f"{100 * ratio:.0f}", (0, 1))
    title = findings.cells(np.array(list(table.values())), list(table), names, "Removed", findings.percent)
    theme.chart(figure, "ratios", "Ratios made from the curves, in % of each part's units", title)
    st.caption(
        f"Share of each part's units to remove, %. Saves {100 * made.saved:.1f} % of all "
        f"{plan_names.COST_LABELS[kind]}; the curves foretell a loss higher by {made.rise:.3f}, as if what parts lose "
        "simply added up."
    )
    st.button("Use these ratios", key="use_ratios", on_click=_use, args=(made.plan,), icon=":material/check:",
              disabled=state.current().plan == made.plan)  # fmt: skip


def _use(plan: PruningPlan) -> None:
    """Put the ratios in force; undo takes them back."""
    state.change(ratio=plan.ratio, budget=None, overrides=plan.overrides)


def _judgement(view: View, made: Allocation, other: PruningPlan, kind: str) -> None:
    """Both plans on all images."""
    st.markdown("**Does that beat the plain scope?**")
    other = replace(other, repair=made.plan.repair)
    selection, message = opened.attempt(other, view.scores, view.anatomy)
    if selection is None:
        st.info(f"The plain scope cannot save as much. {message}")
        return
    st.caption(
        f"Against one common ratio ({plan_names.family(other)}) that saves the same {100 * made.saved:.1f} % of "
        f"{plan_names.COST_LABELS[kind]}, on all validation images. None of them had a part in the curves, which "
        f"{measurements.training_images(view)} training images made."
    )
    recipes = [to_recipe(made.plan), to_recipe(other)]
    images = cache.cards().get(view.info.name, {"n": 0})["n"]
    request = {"kind": "versus", "recipes": recipes}
    ticket = measurements.offer(view, "versus", request, "Compare", 2 * images)
    if ticket is not None:
        polling.polled(_verdict, ticket.running, measurements.POLL)(ticket, ticket.running)


def _verdict(ticket: Ticket, was_running: bool) -> None:
    """Who is ahead, in words and numbers."""
    polling.ended(ticket, was_running)
    if ticket.last is None or "difference" not in ticket.last:
        waiting.doing(ticket, "Judging both")
        return
    found = _VERSUS.validate_python(ticket.last)
    st.markdown(f"{'' if found.done else 'So far: '}{verdict(found)}")
    table = [
        {"plan": "ratios from the curves", **_shown(found.first)},
        {"plan": "plain scope", **_shown(found.second)},
    ]
    st.dataframe(pd.DataFrame(table), hide_index=True, key="versus")


def verdict(found: Versus) -> str:
    """One sentence: ahead, behind, or no difference that the images could show."""
    d = found.difference
    low, high = sorted((abs(d.low), abs(d.high)))
    if d.low <= 0 <= d.high:
        between = f"{in_points(d.value)} points, {in_points(d.low)} to {in_points(d.high)}"
        return f"No difference that n = {d.n:,} images could show ({between})."
    side = "ahead" if d.value > 0 else "behind"
    return (
        f"The ratios from the curves are **{side} by {100 * abs(d.value):.1f} points** "
        f"({100 * low:.1f} to {100 * high:.1f}, n = {d.n:,})."
    )


def _shown(share: Proportion) -> dict[str, str]:
    return {
        "top-1, %": f"{100 * share.value:.1f}",
        "95 % interval": f"{100 * share.low:.1f} to {100 * share.high:.1f}",
        "n": f"{share.n:,}",
    }
