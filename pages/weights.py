"""Weights: how are they distributed, and where do the plan's thresholds fall?"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dimap_core.criteria import criterion
from dimap_core.figures import findings, plain_against_plan, ridgeline
from dimap_core.studies import summaries
from dimap_core.types import PruningPlan, WeightRow
from pages.ui.look import frame, plan_names, theme
from pages.ui.parts import header, waiting
from pages.ui.session import View, cache, opened, opening, state

VIEWS = {"log": "|w|, log scale", "signed": "signed weights", "norms": "norms of output units"}


def main() -> None:
    """Distribution with thresholds, one row in detail, and the paper's argument beside it."""
    view = header.begin()
    if view is None:
        return
    st.segmented_control(
        "Show", list(VIEWS), default="log", key="weights_view", format_func=VIEWS.get, required=True,
        persist_state="session", label_visibility="collapsed",
    )  # fmt: skip
    rows = summaries.weight_rows(view.anatomy, view.weights, view.scores, view.selection)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        distribution(view, rows)
    with right:
        argument(view, rows)
    detail(view, [row.label for row in rows])


def distribution(view: View, rows: list[WeightRow]) -> None:
    """The ridgeline in the chosen form."""
    shown = st.session_state.get("weights_view") or "log"
    title = {"log": "|w|", "signed": "w", "norms": "L2 norm of an output unit's weights"}[shown]
    if shown == "signed":
        rows = summaries.weight_rows(view.anatomy, view.weights, view.scores, view.selection, signed=True)
    if shown == "norms":
        rows = summaries.unit_norms(view.anatomy, view.weights)
    st.subheader("How the weights are distributed", anchor=False)
    figure = ridgeline(rows, theme.look(), title, log=shown != "signed")
    alt = f"Distribution of {title} by {view.anatomy.stage_word} and layer"
    removed = "Filled: removed by this plan. Strokes: the smallest |w| kept, one stroke a block."
    if not view.scores.by_magnitude:
        scores = f"{criterion(view.scores.criterion).label} scores decide"
        why = "Whole structures go" if view.selection.granularity == "structure" else scores
        removed = f"Filled: removed by this plan. {why}, so there is no threshold on |w|."
    note = "Whole units are compared here; this plan removes single weights." if shown == "norms" else removed
    theme.chart(
        figure, "ridges", alt, findings.ridges(rows, title, shown != "signed"),
        f"Rows: {view.anatomy.stage_word} · layer; click one to see its blocks below. {note}", table(rows),
        on_select=choose, selection_mode="points",
    )  # fmt: skip


def table(rows: list[WeightRow]) -> dict[str, list]:
    """What a ridgeline draws, in numbers."""
    return {
        "row": [row.label for row in rows],
        "counted": [f"{row.counts.sum():,}" for row in rows],
        "removed, %": [f"{100 * row.removed_share:.1f}" for row in rows],
        "smallest |w| kept, by layer": [", ".join(f"{value:.3g}" for value in row.thresholds) or "–" for row in rows],
    }


def choose() -> None:
    """A click on a ridge chooses the row that is shown block by block."""
    points = st.session_state.ridges["selection"]["points"]
    if points and points[0].get("customdata"):
        st.session_state.weights_row = points[0]["customdata"][0]


def argument(view: View, rows: list[WeightRow]) -> None:
    """What one plain threshold over the whole model would take from each row instead, on |w| or on norms of groups."""
    st.subheader("Against one plain threshold", anchor=False)
    place = opening.folder(state.current(), "magnitude")
    if place is None:
        waiting.wait_for("magnitude")
        return
    plan = state.current().plan
    scored, total = plan.scored, view.cost.total
    plain = PruningPlan("magnitude", scored, "model", ratio=total.ratio, seed=plan.seed)  # type: ignore[arg-type]
    if scored == "structure":
        plain = replace(plain, ratio=None, budget=1 - total.params_after / total.params, budget_kind="params")
    magnitude = cache.scores(place, "magnitude", plan.seed, scored, plan.images)
    selection, message = opened.attempt(plain, magnitude, view.anatomy)
    if selection is None:
        st.info(f"One plain threshold cannot remove as much here. {message}")
        return
    other = summaries.weight_rows(view.anatomy, view.weights, magnitude, selection)
    name = plan_names.family(replace(plan, budget=None))
    figure = plain_against_plan(other, rows, name, theme.look(), "norms" if scored == "structure" else "|w|")
    note = (
        f"Both remove {100 * total.ratio:.0f} % of the prunable weights. DIMAP's point: a plain threshold decides by "
        "scale."
    )
    shares = ([f"{100 * row.removed_share:.1f}" for row in found] for found in (rows, other))
    columns = ("row", f"{name}, %", "one plain threshold, %")
    theme.chart(
        figure, "argument", "Share removed from each row by this plan and by one magnitude threshold",
        findings.plain_threshold(other, view.anatomy.stage_word), note,
        dict(zip(columns, ([row.label for row in rows], *shares), strict=True)),
    )  # fmt: skip


def detail(view: View, labels: list[str]) -> None:
    """One row split into its blocks."""
    st.subheader("One row, block by block", anchor=False)
    chosen = st.selectbox("Row", labels, key="weights_row", persist_state="session", label_visibility="collapsed")
    rows = summaries.block_rows(view.anatomy, view.weights, view.scores, view.selection, chosen or labels[0])
    theme.chart(
        ridgeline(rows, theme.look(), "|w|"), "blocks", f"Distribution of |w| in the blocks of {chosen}",
        findings.ridges(rows, "|w|", True), table=table(rows),
    )  # fmt: skip


frame.enter()
main()
