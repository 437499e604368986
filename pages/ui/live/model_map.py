"""The map of the model with what the cut leaves of it, and the same as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from dimap_core.figures import COLUMN_LABELS, Look, model_picture
from dimap_core.measure import kept_by_band
from dimap_core.types import PRUNABLE_MODULES, Anatomy, CostReport

from ..parts import live_map
from ..session import View, lesson, state
from . import moves

_FOLD = "About this map"
_MANY = 16  # blocks from which some may be drawn as one


def draw(view: View, locked: bool = False) -> None:
    """The map with its sliders; a move draws only the answer anew, a hand that rests all of the page. `locked`: nothing
    can be moved yet, and what can be guessed is not written on it."""
    _moved_by_hand(lambda: (live_map.locked if locked else dict)(live_map.data(view, state.current().plan)))


def draw_beforehand(known: live_map.Beforehand) -> None:
    """The same in its place before the model is open, with one cut measured beforehand."""
    _moved_by_hand(lambda: live_map.beforehand(known, state.current().plan))


@st.fragment(key="map")
def _moved_by_hand(data: Callable[[], dict[str, Any]]) -> None:
    found = live_map.component()(
        key=moves.KEY, data=data() | {"words": lesson.drawn_words()}, on_selected_change=moves.selected,
        on_rest_change=moves.rested,
    )  # fmt: skip
    if found.get("rest") or found.get("selected"):
        st.rerun()


def explained(view: View) -> None:
    """What the drawing's sizes mean, and the map as a table."""
    with st.expander(_FOLD):
        _meant(view.anatomy)
        st.dataframe(_table(view.cost, view.anatomy.stage_word), hide_index=True)
        st.download_button("The map as SVG", lambda: _drawn(view), f"map_{view.info.architecture}.svg", key="map_svg")
        live_map.way_to_sensitivity(view)


def meant(anatomy: Anatomy) -> None:
    """The same before the model is open, without the table."""
    with st.expander(_FOLD):
        _meant(anatomy)


def _meant(anatomy: Anatomy) -> None:
    """What the drawing's sizes mean."""
    st.caption(
        "A block’s height goes by the root of its tokens along one edge, its width by the root of its channels: where "
        "areas are equal, the linear layers of ordinary blocks cost equal MACs, but double the area would be sixteen "
        "times the MACs. In each band the share of weights that is gone lies left, dashed; what is kept lies right. "
        "Where structures are taken out a block gets narrower: dashed is what it was, squares are its heads."
        + (" +1: the class token." if anatomy.family == "deit" else "")
        + (" ×2, ×3: so many blocks drawn as one, with what they keep together." * (len(anatomy.blocks) >= _MANY))
    )


def _drawn(view: View) -> str:
    kept = kept_by_band(view.anatomy, view.cost)
    smaller = view.selection.granularity == "structure"
    return model_picture(view.anatomy, kept, Look(), selected=state.selected().place, smaller=smaller).svg


def _table(cost: CostReport, stage_word: str) -> pd.DataFrame:
    """Kept shares of the weights that can go, a row a stage."""
    stages = sorted({stage for stage, _ in cost.cells if stage is not None})
    return pd.DataFrame(
        [
            {stage_word.capitalize(): stage + 1}
            | {f"{COLUMN_LABELS[module]} kept, %": _kept(cost, stage, module) for module in PRUNABLE_MODULES}
            for stage in stages
        ]
    )


def _kept(cost: CostReport, stage: int, module: str) -> float | None:
    part = cost.cells.get((stage, module))
    return None if part is None else round(100 * (1 - part.ratio), 1)
