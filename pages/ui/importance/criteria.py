"""Do the criteria agree? Two of them by stage and module, and unit by unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dimap_core.criteria import offered
from dimap_core.figures import COLUMN_LABELS, agreement as figures, findings
from dimap_core.studies import agreement, summaries
from dimap_core.types import Compared

from ..look import TERMS, plan_names, theme
from ..session import View, cache, opening, state
from . import leave_one_out

Pair = leave_one_out.Pair


def draw(view: View) -> None:
    """Pickers; correlation by stage beside the ranks of single units; the measured truth below."""
    pair = pick(view)
    place = leave_one_out.scored(pair, state.current())
    if place is None:
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        table = heatmap(view, place, pair)
    with right:
        label, compared = units(view, place, pair, table)
    with left:
        furthest(label, compared, pair)
    leave_one_out.draw(view, pair)


def pick(view: View) -> Pair:
    """Two criteria that score what the plan removes; those that read images are offered where there are images."""
    plan = state.current().plan
    keys = [info.key for info in offered(plan.criterion) if plan.scored in info.scores]
    keys = [key for key in keys if view.info.data is not None or not opening.needs_images(key)]
    if st.session_state.get("compare_first") not in keys:
        st.session_state.compare_first = plan.criterion
    with st.container(horizontal=True):
        first = _criterion("Compare", "compare_first", keys)
        others = [key for key in keys if key != first]
        if st.session_state.get("compare_second") not in others:
            st.session_state.compare_second = "magnitude" if "magnitude" in others else others[0]
        return first, _criterion("with", "compare_second", others)


def _criterion(label: str, key: str, keys: list[str]) -> str:
    return st.selectbox(label, keys, key=key, format_func=leave_one_out.name, persist_state="session", width=300)


def heatmap(view: View, place: str, pair: leave_one_out.Pair) -> np.ndarray:
    """Rank correlation by stage and module; a click chooses what is shown beside it."""
    st.subheader("Do the criteria agree?", anchor=False, help=TERMS["correlation"])
    plan = state.current().plan
    table = cache.by_cell(place, *pair, plan.seed, plan.scored, plan.images)
    names = [*(f"{view.anatomy.stage_word} {stage.index + 1}" for stage in view.anatomy.stages), "all"]
    figure = figures.agreement_heatmap(dict(zip(names, table, strict=True)), theme.look(), _columns())
    first, second = map(leave_one_out.name, pair)
    alt = f"Rank correlation of {first} and {second} by {view.anatomy.stage_word}"
    theme.chart(
        figure, "agreement", alt, findings.cells(table, names, _columns(), "Agreement", "{:.2f}".format, split=1),
        "Rank correlation of both criteria's scores: 1 is the same ranking. Click a cell to see its units.",
        on_select=choose, selection_mode="points",
    )  # fmt: skip
    return table


def _columns() -> tuple[str, ...]:
    return summaries.columns(state.current().plan.scored)


def choose() -> None:
    """A click on the heatmap chooses stage and module (or kind)."""
    points = st.session_state.agreement["selection"]["points"]
    if points:
        st.session_state.compare_place = f"{int(points[0]['y'])}:{_columns()[int(points[0]['x'])]}"


def units(view: View, place: str, pair: leave_one_out.Pair, table: np.ndarray) -> tuple[str, Compared]:
    """Ranks of the units of one stage x module, or of one layer; at first the module or kind that agrees least."""
    plan, places = state.current().plan, _places(view)
    if st.session_state.get("compare_place") not in places:
        st.session_state.compare_place = f"{len(table) - 1}:{_columns()[int(np.nanargmin(table[-1]))]}"
    st.subheader("Unit by unit", anchor=False, help=TERMS["rank"])
    chosen = st.selectbox(
        "Units of", list(places), key="compare_place", format_func=lambda key: places[key][0],
        persist_state="session", label_visibility="collapsed", width=300,
    )  # fmt: skip
    label, found = places[chosen]
    names = tuple(unit.name for unit in found)
    compared = cache.compared(place, *pair, plan.seed, plan.scored, plan.images, names)
    labels = leave_one_out.name(pair[0]), leave_one_out.name(pair[1])
    figure = figures.rank_scatter(compared, labels, found[0].module, theme.look())
    some = f"{len(compared.ranks):,} of " if len(compared.ranks) < compared.all else ""
    theme.chart(
        figure, "units_scatter", f"Ranks of the units of {label} by {labels[0]} and {labels[1]}",
        findings.ranks(compared),
        f"{some}{compared.all:,} units, ranked among each other; 0 % goes first. Rings: ranked furthest apart.",
    )  # fmt: skip
    return label, compared


def furthest(label: str, compared: Compared, pair: leave_one_out.Pair) -> None:
    """The units that the criteria disagree on most."""
    labels = leave_one_out.name(pair[0]), leave_one_out.name(pair[1])
    st.markdown(f"**Ranked furthest apart in {label}**")
    rows = [{"unit": unit.unit, **leave_one_out.ranks(labels, (unit.first, unit.second))} for unit in compared.furthest]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="furthest")


def _places(view: View) -> dict[str, tuple[str, list[agreement.Unit]]]:
    """What can be looked at: (label, units) of each stage x module or kind, of all stages, and of each layer."""
    scored, word = state.current().plan.scored, view.anatomy.stage_word
    stages = [stage.index for stage in view.anatomy.stages]
    places = {}
    for row, (name, chosen) in enumerate([*((f"{word} {s + 1}", [s]) for s in stages), (f"all {word}s", stages)]):
        for column in _columns():
            found = agreement.place_units(view.anatomy, scored, chosen, column)
            if found:
                places[f"{row}:{column}"] = (f"{name}: {COLUMN_LABELS[column]}", found)
    for unit in summaries.units(view.anatomy, scored):
        part = plan_names.KIND_LABELS[unit.module].lower() if scored == "structure" else summaries.kind(unit)  # type: ignore[arg-type]
        places[unit.name] = (f"{agreement.block_label(unit)}: {part}", [unit])
    return places
