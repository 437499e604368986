"""What the map's hand asks for: a move of one stage or of all becomes the plan in force.

What a browser sends is checked here: it may be late, of another model, or made up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from dimap_core.plan import sort_overrides, validate
from dimap_core.types import Cell, InvalidPlan, PruningPlan

from ..parts import live_map
from ..session import opening, state
from . import feed

KEY = "live_map"
LIVE = "live"
"""The part of the page that answers; it alone is drawn anew by a move."""
_MOST = 0.98


def moved() -> None:
    """The feed's callback: put the map's move in force; only the answer is drawn anew."""
    move = feed.heard("move")
    if isinstance(move, Mapping):
        feed.held(move.get("held"))
        take(move)


def take(move: Mapping[str, Any]) -> None:
    """Put a move in force: `all`, one ratio, or `stages`, a ratio for each; `drag` names the hand's one movement, of
    which undo takes back the whole; `seq` counts up."""
    seq, drag = move.get("seq"), str(move.get("drag"))[:40]
    if not isinstance(seq, int | float) or seq <= st.session_state.get("map_seq", 0):
        return
    st.session_state.map_seq = seq
    try:
        plan = validate(_plan(state.current().plan, move))
    except InvalidPlan as error:
        st.session_state.notice = str(error)
        return
    setting = replace(state.current(), plan=plan)
    if st.session_state.get("map_drag") == drag and state.current() == st.session_state.get("map_setting"):
        state.arrive(setting)
    else:
        state.go(setting)
    st.session_state.map_drag, st.session_state.map_setting = drag, setting
    st.session_state.passing = None if move.get("final") else setting


def _plan(plan: PruningPlan, move: Mapping[str, Any]) -> PruningPlan:
    if plan.granularity == "nm":
        raise InvalidPlan("A pattern fixes every ratio; choose zeros or structures to move a slider.")
    if "all" in move:
        return replace(plan, ratio=_ratio(move["all"]), budget=None, overrides=())
    anatomy = opening.anatomy(state.current())
    ratios = move.get("stages")
    if anatomy is None or not isinstance(ratios, Sequence) or len(ratios) != len(anatomy.stages):
        raise InvalidPlan("That move was of another model; move again.")
    cells: list[tuple[Cell, float]] = [
        ((stage.index, None), _ratio(ratio)) for stage, ratio in zip(anatomy.stages, ratios, strict=True)
    ]
    return replace(plan, ratio=plan.ratio or 0.0, budget=None, overrides=sort_overrides(dict(cells)))


def _ratio(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidPlan("A ratio is a number from 0 to 0.98.")
    return min(round(float(value), 3), _MOST)


def selected() -> None:
    """The map's callback: a click on a block selects it."""
    live_map.choose(KEY)


def rested() -> None:
    """The map's callback: the hand rests, the whole page may be drawn."""
