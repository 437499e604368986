"""The small map above a figure that speaks of parts: what is selected is framed, counted, and chosen beside it."""

from __future__ import annotations

import streamlit as st

from dimap_core.anatomy import kept_counts
from dimap_core.figures import COLUMN_LABELS, place_name
from dimap_core.measure import add, place_cost
from dimap_core.types import PRUNABLE_MODULES, Anatomy

from ..look import formats
from ..session import View, state
from . import live_map

_KEY = "part_map"


def draw(view: View) -> None:
    """The map, what chooses a part, and what the cut leaves of the part that is chosen."""
    plan = state.current().plan
    live_map.component()(
        key=_KEY, data={**live_map.data(view, plan, low=True), "cut": live_map.cut(view, plan)},
        on_selected_change=_clicked,
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom", key="part_row"):
        _choosing(view.anatomy)
        st.caption(_told(view))


def _clicked() -> None:
    live_map.choose(_KEY)


def _choosing(anatomy: Anatomy) -> None:
    """A stage, and one of its blocks, from 1, or all, which are 0."""
    at, word = state.selected(), anatomy.stage_word.capitalize()
    stages = [stage.index for stage in anatomy.stages]
    st.segmented_control(
        word, stages, default=state.fill("at_stage", at.stage), key="at_stage", on_change=_stage_chosen,
        format_func=lambda stage: f"{stage + 1}",
    )  # fmt: skip
    if at.stage is not None:
        number = state.fill("at_block", 0 if at.block is None else at.block + 1)
        st.selectbox(
            "Block", range(len(anatomy.stages[at.stage].blocks) + 1), number, key="at_block", width=110,
            on_change=_block_chosen, format_func=lambda block: f"{block}" if block else "all",
        )  # fmt: skip


def _stage_chosen() -> None:
    state.select(st.session_state.at_stage)


def _block_chosen() -> None:
    number = st.session_state.at_block
    state.select(state.selected().stage, number - 1 if number else None)


def _told(view: View) -> str:
    """Weights of each module, heads and MACs of the selected part: kept of all."""
    at = state.selected()
    if at.stage is None:
        return "Click a block to follow it everywhere."
    cost = place_cost(view.anatomy, view.cost, at.stage, at.block)
    total = add(cost.values())
    told = [
        f"{COLUMN_LABELS[module]} {formats.left(cost[module].prunable, cost[module].removed)} weights"
        for module in PRUNABLE_MODULES
        if module in cost
    ]
    blocks = view.anatomy.stages[at.stage].blocks
    blocks = blocks if at.block is None else blocks[at.block : at.block + 1]
    if heads := sum(block.heads for block in blocks):
        kept = sum(kept_counts(block, view.selection)[1] for block in blocks)
        told.append(f"{kept} of {heads} heads")
    told.append(f"{formats.left(total.macs, total.macs - total.macs_after)} MACs")
    name = place_name(view.anatomy, (at.stage, at.block)).capitalize()
    return f"**{name}**, kept: " + " · ".join(told)
