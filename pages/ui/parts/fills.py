"""What the map can be filled by: its numbers, what its colours mean, and the way to what is not measured yet."""

from __future__ import annotations

import streamlit as st
from pydantic import TypeAdapter

from dimap_core.criteria import criterion
from dimap_core.figures import Fill, common_depth, cost_fill, importance_fill, sensitivity_fill
from dimap_core.plan import to_recipe
from dimap_core.studies import dense_plan, summaries
from dimap_core.types import CellCut

from ..session import View, requests, state

KEPT, IMPORTANCE, SENSITIVITY = "kept share", "importance", "sensitivity"
_CUTS = TypeAdapter(list[CellCut])


def names(view: View) -> list[str]:
    """What can be chosen; sensitivity only where it can be measured."""
    can = view.judged and state.current().plan.granularity != "nm"
    return [KEPT, IMPORTANCE, "MACs", "params", *([SENSITIVITY] if can else [])]


def of(view: View, name: str) -> Fill | None:
    """Numbers to fill bands by; None for the kept share, which bands show by their form."""
    if name == KEPT:
        return None
    if name == IMPORTANCE:
        return importance_fill(summaries.score_by_band(view.anatomy, view.scores))
    if name == SENSITIVITY:
        return sensitivity_fill(view.anatomy, _measured(view))
    return cost_fill(view.anatomy, name)


def key_of(view: View, name: str) -> tuple:
    """What a fill's numbers depend on beside the model."""
    plan = state.current().plan
    scored = plan.criterion, plan.seed, plan.scored, plan.images
    return (name, scored if name == IMPORTANCE else len(_measured(view)) if name == SENSITIVITY else ())


def told(view: View, name: str) -> str:
    """What the bands' colour says; nothing of the kept share."""
    if name == KEPT:
        return ""
    dashed = "Dashed is gone."
    if name == IMPORTANCE:
        name = criterion(view.scores.criterion).label.partition(",")[0].removesuffix(" score")
        of_what = "" if view.scores.granularity == "weight" else " for each param of its heads or hidden units"
        return (
            f"The whole band has the colour of its rank among all bands by mean {name} score{of_what}: which matter "
            f"more, not how much more. {dashed}"
        )
    if name == SENSITIVITY:
        rows = _measured(view)
        if not rows:
            return f"Sensitivity is not measured for this model and this way of cutting. {dashed}"
        return (
            "The whole band has the colour of the points of top-1 that are lost where nothing but "
            f"{100 * common_depth(rows):.0f} % of its {view.anatomy.stage_word} and module goes. {dashed}"
        )
    product = " The attention product’s MACs belong to no band." if name == "MACs" else ""
    return f"The whole band has the colour of its share of the dense model’s {name}; dashed is gone.{product}"


def way_to(view: View, name: str) -> None:
    """Where sensitivity is asked for and not measured: the way to what measures it."""
    if name == SENSITIVITY and not _measured(view):
        st.button("Measure it on Importance", key="measure_fill", icon=":material/east:", on_click=_towards)
        if st.session_state.pop("towards_sensitivity", False):
            st.switch_page("pages/importance.py")


def _towards() -> None:
    st.session_state.importance_part, st.session_state.towards_sensitivity = "sensitivity", True


def _measured(view: View) -> list[CellCut]:
    """All curves of the plan's way of cutting, once they were measured by anyone; nothing is asked for."""
    plan = state.current().plan
    if plan.granularity == "nm":
        return []
    request = {"kind": "sensitivity", "recipe": to_recipe(dense_plan(plan))}
    ticket = requests.known(view, "sensitivity", request)
    if ticket is None or not ticket.done or ticket.error:
        return []
    return _CUTS.validate_python([event for event in ticket.events if "left" in event])
