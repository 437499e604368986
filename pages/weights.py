"""Weights: how are they distributed, and where do the plan's thresholds fall?"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dimap_core.criteria import criterion
from dimap_core.figures import findings, plain_against_plan, ridgeline
from dimap_core.studies import summaries
from dimap_core.types import PruningPlan, WeightRow
from pages.ui.look import frame, plan_names, theme
from pages.ui.parts import header, part_map, waiting
from pages.ui.session import View, cache, opened, opening, state

VIEWS = {"log": "|w|, log scale", "signed": "signed weights", "norms": "norms of output units"}


def main() -> None:
    """The map, the distribution with thresholds, one row in detail, and the paper's argument beside it."""
    view = header.begin()
    if view is None:
        return
    part_map.draw(view)
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
    what = "norm" if shown == "norms" else title
    if shown == "norms":
        rows = summaries.unit_norms(view.anatomy, view.weights)
    st.subheader("How the weights are distributed", anchor=False)
    stage = state.selected().stage
    marked = [row.label for row in rows if stage is not None and _stage(row.label) == stage]
    figure = ridgeline(rows, theme.look(), title, log=shown != "signed", marked=marked)
    alt = f"Distribution of {title} by {view.anatomy.stage_word} and layer"
    removed = "Filled: removed by this plan. Strokes: the smallest |w| kept, one stroke a block."
    if not view.scores.by_magnitude:
        scores = f"{criterion(view.scores.criterion).label} scores decide"
        why = "Whole structures go" if view.selection.granularity == "structure" else scores
        removed = f"Filled: removed by this plan. {why}, so there is no threshold on |w|."
    note = "Whole units are compared here; this plan removes single weights." if shown == "norms" else removed
    theme.chart(
        figure, "ridges", alt, findings.ridges(rows, what, shown != "signed", view.anatomy.stage_word),
        f"Rows: {view.anatomy.stage_word} · layer (fc1 and fc2 are the MLP’s two); click one to see its blocks below. "
        f"{note}", table(rows),
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


def _stage(label: str) -> int:
    """The stage of a row, from 0."""
    return int(label.partition(" · ")[0]) - 1


def choose() -> None:
    """A click on a ridge chooses the row that is shown block by block."""
    points = st.session_state.ridges["selection"]["points"]
    if points and points[0].get("customdata"):
        st.session_state.weights_row = points[0]["customdata"][0]
        row_chosen()


def row_chosen() -> None:
    """The chosen row's stage is selected, for the whole app; a block of that stage stays."""
    stage, at = _stage(st.session_state.weights_row), state.selected()
    state.select(stage, at.block if at.stage == stage else None)


def argument(view: View, rows: list[WeightRow]) -> None:
    """What one plain threshold over the whole model would take from each row instead, on |w| or on norms of groups."""
    st.subheader("Against one plain threshold", anchor=False)
    place = opening.folder(state.current(), "magnitude")
    if place is None:
        waiting.wait_for("magnitude")
        return
    plan = state.current().plan
    scored, total = plan.scored, view.cost.total
    ratio = round(total.ratio, 3)
    plain = PruningPlan("magnitude", scored, "model", ratio=ratio, seed=plan.seed)  # type: ignore[arg-type]
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
        findings.plain_threshold(other, rows, view.anatomy.stage_word), note,
        dict(zip(columns, ([row.label for row in rows], *shares), strict=True)),
    )  # fmt: skip
    if (plan.criterion, plan.scope) != (plain.criterion, plain.scope):
        st.button(
            "Cut by this threshold instead", key="plain_cut", on_click=state.go,
            args=(replace(state.current(), plan=plain),),
            help="Prune and Predictions then show what it costs in accuracy; Undo brings this cut back.",
        )  # fmt: skip


def detail(view: View, labels: list[str]) -> None:
    """One row of the selected stage split into its blocks."""
    st.subheader("One row, block by block", anchor=False)
    shown, at = st.session_state.get("weights_row"), state.selected()
    if shown not in labels or at.stage not in (None, _stage(shown)):
        st.session_state.weights_row = _same_layer(shown or labels[0], labels, at.stage or 0)
    chosen = st.selectbox(
        "Row", labels, key="weights_row", persist_state="session", label_visibility="collapsed", on_change=row_chosen,
        width=240,
    )  # fmt: skip
    rows = summaries.block_rows(view.anatomy, view.weights, view.scores, view.selection, chosen or labels[0])
    figure = ridgeline(rows, theme.look(), "|w|", marked=[f"block {at.block + 1}"] if at.block is not None else ())
    theme.chart(
        figure, "blocks", f"Distribution of |w| in the blocks of {chosen}", findings.ridges(rows, "|w|", True),
        table=table(rows),
    )  # fmt: skip


def _same_layer(label: str, labels: list[str], stage: int) -> str:
    """The row of that stage with the same layers, or its first."""
    own = [other for other in labels if _stage(other) == stage] or labels
    return next((other for other in own if other.partition(" · ")[2] == label.partition(" · ")[2]), own[0])


frame.enter()
main()
