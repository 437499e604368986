"""Heatmaps with a number in every cell, for tables by block, stage or head. Next door: `importance` and
`studies.agreement`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from .look import COLUMN_LABELS, Look, base


def stage_heatmap(
    rows: Mapping[str, np.ndarray],
    look: Look,
    columns: Sequence[str],
    name: str,
    text: Callable[[float], str],
    span: tuple[float, float],
) -> go.Figure:
    """One row a stage, one column a module or kind; `text` writes a value into its cell, NaN is a dash."""
    names, values = list(rows), np.array(list(rows.values()))
    figure = base(look, 60 + 36 * len(names))
    written = [["–" if np.isnan(value) else text(value) for value in row] for row in values]
    heat(figure, values, written, look, span, name)
    targets(figure, written, name)
    column_names(figure, columns)
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5], showgrid=False
    )
    return figure


def heat(
    figure: go.Figure,
    values: np.ndarray,
    text: list[list[str]],
    look: Look,
    span: tuple[float, float] | None,
    name: str,
) -> None:
    """A heatmap whose numbers stay readable: the ramp ends well before the ink's own colour."""
    limits = {"zmin": span[0], "zmax": span[1]} if span else {}
    figure.add_heatmap(
        z=values, text=text, texttemplate="%{text}", colorscale=look.ramp(), showscale=False, xgap=2, ygap=2, **limits,
        textfont={"color": look.ink, "size": look.size}, hovertemplate=name + ": %{text}<extra></extra>",
    )  # fmt: skip


def targets(figure: go.Figure, text: list[list[str]], name: str) -> None:
    """Unseen points in the middle of the cells: a heatmap itself takes no clicks."""
    rows, columns = np.indices((len(text), len(text[0])))
    figure.data[-1].hoverinfo = "skip"
    figure.data[-1].hovertemplate = None
    figure.add_scatter(
        x=columns.ravel(), y=rows.ravel(), mode="markers", marker={"size": 24, "opacity": 0}, text=np.ravel(text),
        hovertemplate=name + ": %{text}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(hoverdistance=-1)


def column_names(figure: go.Figure, columns: Sequence[str]) -> None:
    """Modules or kinds along the top."""
    names = [COLUMN_LABELS[name] for name in columns]
    span = [-0.5, len(names) - 0.5]
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=names, side="top", showgrid=False, range=span)


def number(value: float, percent: bool) -> str:
    """A cell's text: whole percents, or two digits."""
    if np.isnan(value):
        return "–"
    return f"{value:.0f}" if percent else f"{value:.2g}"
