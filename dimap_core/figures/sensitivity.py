"""Sensitivity: accuracy against ratio for each stage of one module (or kind), one above the other on shared axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ..types import CellCut, in_points
from .look import COLUMN_LABELS, Look, base, rgba

_PITCH = 1.3  # from one stage's floor to the next one's; a panel is 1 high
_ROW = 108  # px a stage
_FLOORS = (0.9, 0.8, 0.5, 0.0)  # few, so that the axis hardly moves while rows come in


def floor_of(rows: Sequence[CellCut]) -> float:
    """Where the accuracy axis of all panels begins: the highest of a few shares that no interval reaches below."""
    lowest = min(row.estimate.top1.low for row in rows)
    return next(floor for floor in _FLOORS if floor <= lowest)


def stage_curves(
    rows: Sequence[CellCut], column: str, stages: Sequence[str], look: Look, waiting: bool = False
) -> go.Figure:
    """Top-1 of one module or kind, a panel a stage: curve with its 95 % band, the dense model's line, and how far the
    strongest cut falls. `rows` are those of all columns, which share their axes. A stage without rows says that nothing
    can go there, unless it is still `waiting`."""
    figure = base(look, 64 + _ROW * len(stages))
    color, bottom = look.fill(column), floor_of(rows)
    for stage, name in enumerate(stages):
        floor = -_PITCH * stage
        own = sorted((row for row in rows if row.stage == stage and row.module == column), key=lambda row: row.removed)
        _panel(figure, floor, look)
        if own:
            _curve(figure, own, floor, bottom, look)
        elif not waiting:
            _note(figure, 50, floor + 0.5, "nothing can be removed here", look, "center")
        _note(figure, 0, floor + 1, f"<b>{name}</b>", look, "left")
    floors = [-_PITCH * stage for stage in range(len(stages))]
    figure.update_xaxes(range=[-4, 104], tickvals=[0, 25, 50, 75, 100], title="removed there, %", showgrid=True)
    figure.update_yaxes(
        range=[floors[-1] - 0.06, 1.5], showgrid=False,
        tickvals=[floor + at for floor in floors for at in (0, 0.5, 1)],
        ticktext=[f"{100 * share:g}" for share in (bottom, (bottom + 1) / 2, 1)] * len(floors),
    )  # fmt: skip
    figure.add_annotation(
        x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="top", showarrow=False,
        text=f'<span style="color:{color}">■</span> <b>{COLUMN_LABELS[column]}</b>',
    )  # fmt: skip
    return figure


def _panel(figure: go.Figure, floor: float, look: Look) -> None:
    for at in (0, 0.5, 1):
        line = {"color": look.muted if at == 0 else look.grid, "width": 1}
        figure.add_shape(type="line", x0=0, x1=100, y0=floor + at, y1=floor + at, line=line, layer="below")


def _curve(figure: go.Figure, rows: Sequence[CellCut], floor: float, bottom: float, look: Look) -> None:
    color, first = look.fill(rows[0].module), rows[0].estimate
    dense = first.top1.value - first.drops["joint"].value
    x = np.array([100 * row.removed for row in rows])

    def height(shares: list[float]) -> np.ndarray:
        return floor + (np.array(shares) - bottom) / (1 - bottom)

    low, high = (height([getattr(row.estimate.top1, end) for row in rows]) for end in ("low", "high"))
    figure.add_scatter(
        x=[0, 100], y=height([dense, dense]), mode="lines", hoverinfo="skip",
        line={"color": look.ink, "width": 1, "dash": "dot"},
    )  # fmt: skip
    figure.add_scatter(
        x=[*x, *x[::-1]], y=[*high, *low[::-1]], mode="lines", line={"width": 0}, fill="toself",
        fillcolor=rgba(color, 0.25), hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[0, *x], y=height([dense, *(row.estimate.top1.value for row in rows)]), mode="lines+markers",
        line={"color": color, "width": 2}, marker={"size": 5}, customdata=["dense", *map(_told, rows)],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    last = rows[-1]
    fall = f"{in_points(last.estimate.drops['joint'].value)} points at {100 * last.removed:.0f} %"
    _note(figure, 100, floor + 1, fall, look, "right")


def _note(figure: go.Figure, x: float, y: float, text: str, look: Look, anchor: str) -> None:
    figure.add_annotation(
        x=x, y=y, text=text, showarrow=False, xanchor=anchor, yanchor="bottom", borderpad=0,
        font={"size": look.size - 2, "color": look.muted},
    )  # fmt: skip


def _told(row: CellCut) -> str:
    share, rise = row.estimate.top1, row.rise
    return (
        f"{100 * row.removed:.0f} % removed: {100 * share.value:.1f} % "
        f"({100 * share.low:.1f} to {100 * share.high:.1f}, n = {share.n:,})<br>loss {rise.value:+.3f}"
    ).replace("-", "−")
