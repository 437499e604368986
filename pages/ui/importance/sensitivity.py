"""What each part of the model bears when it is cut alone."""

from __future__ import annotations

import streamlit as st
from pydantic import TypeAdapter

from dimap_core.figures import findings, stage_curves
from dimap_core.plan import to_recipe
from dimap_core.service import Ticket
from dimap_core.studies import RATIOS, cell_passes, cells, columns, dense_plan
from dimap_core.types import CellCut

from ..look import TERMS, plan_names, theme
from ..parts import header
from ..session import View, polling, state
from . import measurements, ratios

_CUTS = TypeAdapter(list[CellCut])


def draw(view: View) -> None:
    """Curves of every part; then the ratios made from them."""
    st.subheader("What does each part bear?", anchor=False, help=TERMS["sensitivity"])
    plan = state.current().plan
    if not view.judged:
        header.not_judged(view, "Sensitivity needs")
        return
    why = None
    if plan.granularity == "nm":
        why = "A pattern fixes every ratio: choose single weights or whole structures to see what each part bears."
    if why is None and not measurements.training_images(view):
        why = "All of your images judge, and none is left to make ratios from: judge fewer, or bring train/ and val/."
    if why is not None:
        st.info(why)
        return
    recipe, images = to_recipe(dense_plan(plan)), measurements.training_images(view)
    st.caption(
        f"Each {view.anatomy.stage_word} × {'kind' if plan.granularity == 'structure' else 'module'} is cut alone "
        f"({plan_names.family(dense_plan(plan))}), everything else stays dense. Top-1, %, on {images} training "
        "images, so that those which judge the ratios below have no part in making them."
    )
    ticket = measurements.offer(
        view, "sensitivity", {"kind": "sensitivity", "recipe": recipe}, "Measure",
        images * cell_passes(view.anatomy, plan.granularity),
    )  # fmt: skip
    if ticket is None:
        return
    polling.polled(_curves, ticket.running, measurements.POLL)(view, ticket, ticket.running)
    if ticket.done:
        ratios.draw(view, _CUTS.validate_python(measurements.rows(ticket)), str(recipe))


def _curves(view: View, ticket: Ticket, was_running: bool) -> None:
    """A figure for each module or kind, a panel a stage."""
    names = columns(state.current().plan.granularity)
    total = len(cells(view.anatomy, state.current().plan.granularity)) * len(RATIOS)
    measurements.progress(ticket, total, was_running)
    rows = _CUTS.validate_python(measurements.rows(ticket))
    if ticket.running and rows:  # whole curves only: a figure that changes flickers
        rows = [row for row in rows if (row.stage, row.module) != (rows[-1].stage, rows[-1].module)]
    if not rows:
        return
    stages = [f"{view.anatomy.stage_word} {stage.index + 1}" for stage in view.anatomy.stages]
    for column, name in zip(st.columns(len(names), gap="small"), names, strict=True):
        with column:
            figure = stage_curves(rows, name, stages, theme.look(), waiting=ticket.running)
            alt = f"Top-1 against ratio where only {name} of one stage is cut"
            theme.chart(figure, f"bears_{name}", alt, findings.bears(rows, name, stages))
    st.caption("Bands: 95 % intervals. Dotted: dense. The number is the change at the strongest cut.")
