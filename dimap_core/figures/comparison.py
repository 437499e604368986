"""Methods against each other on one model: a row a method, accuracy along x. Plain data in, a plotly figure out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from .look import Look, base, rgba

_SHAPES = {0.35: "circle", 0.5: "square"}
_ROW, _BELOW = 54, 0.26  # height of a row in px; how far under its point the one before training lies, in rows


@dataclass(frozen=True)
class Entry:
    """One smaller model: `top1` and, where it was trained, `before`, each (share, low, high); `budget` of the table, or
    None for the reader's own; `said` follows the label in the row's heading."""

    label: str
    said: str
    top1: tuple[float, float, float]
    before: tuple[float, float, float] | None = None
    budget: float | None = None


def comparison(entries: Sequence[Entry], dense: tuple[float, float, float], look: Look) -> go.Figure:
    """Points with their 95 % intervals; hollow: before training. The dense model is a line with its interval."""
    figure = base(look, _ROW * len(entries) + 64)
    value, low, high = (100 * share for share in dense)
    figure.add_vrect(x0=low, x1=high, fillcolor=look.shade, line_width=0, layer="below")
    figure.add_vline(x=value, line={"color": look.muted, "width": 1, "dash": "dot"})
    for place, entry in enumerate(entries):
        _row(figure, entry, -place, look)
    lowest = min([low, *(100 * found[1] for entry in entries for found in (entry.top1, entry.before) if found)])
    figure.update_xaxes(range=[max(0.0, lowest - 2), 101], title="top-1, %", nticks=6)
    figure.update_yaxes(range=[-len(entries) + 0.45, 0.95], visible=False)
    figure.add_annotation(
        x=value, y=1, yref="paper", text=f"dense {value:.1f}", showarrow=False, xanchor="right", yanchor="bottom",
        xshift=-3, font={"color": look.muted, "size": look.size},
    )  # fmt: skip
    figure.update_layout(margin_t=22)
    return figure


def _row(figure: go.Figure, entry: Entry, y: float, look: Look) -> None:
    """An entry's heading, its points and the way between them."""
    color = look.cut if entry.budget is None else look.ink
    symbol = "diamond" if entry.budget is None else _SHAPES.get(entry.budget, "circle")
    figure.add_annotation(
        x=0, xref="paper", y=y + 0.36, xanchor="left", yanchor="middle", showarrow=False, align="left",
        text=f"<b>{entry.label}</b>  {entry.said}", font={"size": look.size - 1, "color": look.ink},
    )  # fmt: skip
    if entry.before is not None:
        below = y - _BELOW
        figure.add_scatter(
            x=[100 * entry.before[0], 100 * entry.top1[0]], y=[below, y], mode="lines", hoverinfo="skip",
            line={"color": rgba(color, 0.5), "width": 1.5, "dash": "dot"},
        )  # fmt: skip
        hollow = {"symbol": f"{symbol}-open", "color": color}
        _point(figure, entry.before, below, f"{entry.label}, before training", hollow)
    _point(figure, entry.top1, y, entry.label, {"symbol": symbol, "color": color})


def _point(figure: go.Figure, found: tuple[float, float, float], y: float, label: str, marker: dict[str, str]) -> None:
    value, low, high = (100 * share for share in found)
    bars = {"type": "data", "symmetric": False, "array": [high - value], "arrayminus": [value - low], "width": 4,
            "thickness": 1.5, "color": marker["color"]}  # fmt: skip
    drawn = {**marker, "size": 10, "line": {"width": 2, "color": marker["color"]}}
    figure.add_scatter(
        x=[value], y=[y], mode="markers", marker=drawn, error_x=bars,
        hovertemplate=f"{label}<br>{value:.1f} % ({low:.1f} to {high:.1f})<extra></extra>",
    )  # fmt: skip
