"""The map of the model with what the cut leaves of it, and the same as a table."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dimap_core.figures import COLUMN_LABELS, MEDIUM, NARROW, WIDE, Look, finding, model_picture
from dimap_core.measure import kept_by_band
from dimap_core.types import PRUNABLE_MODULES, CostReport

from ..look import theme
from ..parts import fills
from ..session import View, cache, state

_MANY = 16  # blocks from which some may be drawn as one
_SIZES = {"wide": WIDE, "medium": MEDIUM, "rows": NARROW}  # by their names in the style sheet


def draw(view: View) -> None:
    """The finding, what fills the bands, the map, what its areas mean, and the table."""
    kept = kept_by_band(view.anatomy, view.cost)
    st.markdown(finding(view.anatomy, kept))
    if st.session_state.get("map_fill") not in (names := fills.names(view)):
        st.session_state.map_fill = fills.KEPT
    fill = (
        st.segmented_control(
            "Fill by", names, default=fills.KEPT, key="map_fill", required=True, persist_state="session"
        )
        or fills.KEPT
    )
    look, shares = theme.look(), tuple(kept.items())
    key = (view.info.fingerprint, view.info.input_size, shares, fills.key_of(view, fill), state.selected(), look)
    st.html(cache.memo("model_map", key, lambda: _pictures(view, kept, fill, look)))
    fills.way_to(view, fill)
    st.caption(_explained(view, fill) + (" +1: the class token." if view.anatomy.family == "deit" else ""))
    if len(view.anatomy.blocks) >= _MANY:
        st.caption("×3: three blocks drawn as one, with what they keep together.")
    with st.expander("As a table"):
        st.dataframe(_table(view.cost, view.anatomy.stage_word), hide_index=True)


def _pictures(view: View, kept: dict[tuple[int, str], float], fill: str, look: Look) -> str:
    """Pictures for all widths; the style sheet shows one of them."""
    by, at = fills.of(view, fill), state.selected().place
    shown = [
        theme.image(model_picture(view.anatomy, kept, look, by, width, at), f'class="{name}"')
        for name, width in _SIZES.items()
    ]
    return f'<div class="model-map">{"".join(shown)}</div>'


def _explained(view: View, fill: str) -> str:
    area = (
        "A block’s height goes by the root of its tokens along one edge, its width by the root of its channels: where "
        "areas are equal, the linear layers of ordinary blocks cost equal MACs, but double the area would be sixteen "
        "times the MACs. "
    )
    if fill == fills.KEPT:
        return area + "In each band the share of weights that is gone lies left, dashed; what is kept lies right."
    return area + fills.told(view, fill)


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
