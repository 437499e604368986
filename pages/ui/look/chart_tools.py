"""The row under each chart: its points by arrow keys, enlarge, save as PNG or SVG, read as a table.

All but the enlarged chart happens in the browser: `reading.js` tells what a chart shows, `saving.js` makes files.
Next door: `theme` draws charts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from dimap_core.figures import EDGES, FILLS, INK, LEVELS, Look, ramp

_HERE = Path(__file__).parent
_BODY = """
<div class="tools"><div class="row">
<div class="points" role="slider" tabindex="0" aria-label="Points of the chart"
aria-valuemin="1" aria-valuemax="1" aria-valuenow="1">◂ ▸ points</div>
<button data-do="enlarge">Enlarge</button><button data-do="png">PNG</button><button data-do="svg">SVG</button
><button data-do="table">Table</button>
<div class="walk" aria-hidden="true"><div class="ring"></div><div class="tip"></div></div></div><dialog></dialog></div>
"""
_LARGE = 620  # px
MOST = 500  # points of a trace that are gone through one by one; more are a picture, not a list
Table = Mapping[str, Sequence[Any]]
"""Columns by their names."""


@lru_cache
def _script() -> str:
    """One module: what files import from each other they find in it."""
    parts = [(_HERE / f"{name}.js").read_text(encoding="utf-8") for name in ("reading", "saving", "chart_tools")]
    shared = [re.sub(r"^export (?!default)", "", part, flags=re.MULTILINE) for part in parts]
    levels = [(ramp(level, Look()), ramp(level, Look(dark=True))) for level in range(LEVELS + 1)]
    given = {"INKS": INK, "FILLS": [*FILLS.values(), *EDGES.values(), *levels], "MOST": MOST}
    inks = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items())
    return inks + "\n".join(shared)


@lru_cache
def _style() -> str:
    return (_HERE / "chart_tools.css").read_text(encoding="utf-8")


def source(file: str, line: str) -> None:
    """What the run's charts are of: `file` in the names of saved ones, `line` under them."""
    st.session_state.chart_source = re.sub(r"[^\w.-]+", "-", file), line


def draw(key: str, told: Mapping[str, Any], table: Table | None, dark: bool) -> bool:
    """The row for the chart of that key; whether it is to be enlarged now."""
    file, line = st.session_state.get("chart_source", ("", "DIMAP Explorer"))
    shown = None
    if table is not None:
        shown = {"columns": list(table), "rows": [list(row) for row in zip(*table.values(), strict=True)]}
    component = st.components.v2.component("chart_tools", html=_BODY, css=_style(), js=_script())
    data = {**told, "key": key, "source": line, "file": f"{key}_{file}" if file else key, "table": shown, "dark": dark}
    component(key=f"tools_{key}", data=data, on_enlarge_change=lambda: st.session_state.update(enlarged=key))
    return st.session_state.get("enlarged") == key


def walkable(trace: Any) -> bool:
    """Whether a trace has points with words, and few enough to go through them one by one."""
    if trace.hoverinfo == "skip" or not trace.hovertemplate:
        return False
    return (np.size(trace.z) if trace.type == "heatmap" else np.size(trace.x)) <= MOST


def enlarge(figure: go.Figure, title: str, alt: str) -> None:
    """The same, larger, over the page: with zoom, and a bar that resets it."""

    def closed() -> None:
        st.session_state.pop("enlarged", None)

    @st.dialog(title, width="large", on_dismiss=closed)
    def shown() -> None:
        large = go.Figure(figure).update_layout(height=max(_LARGE, figure.layout.height or 0), dragmode="zoom")
        large.update_xaxes(fixedrange=False)
        large.update_yaxes(fixedrange=False)
        unused = ["toImage", "lasso2d", "select2d"]
        config = {"displaylogo": False, "displayModeBar": True, "modeBarButtonsToRemove": unused}
        st.plotly_chart(large, key="enlarged_chart", alt=alt, theme=None, config=config)
        st.caption("Drag over a part to see it larger; a double click shows everything again.")

    shown()
