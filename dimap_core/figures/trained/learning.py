"""The learning curve: accuracy on the first validation images above, loss below, over the steps of one training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..look import Look, base, rgba

_HEIGHT = 320
_SPLIT = 0.34  # of the height goes to the loss


def learning_curve(points: Sequence[Mapping[str, Any]], steps: int, look: Look) -> go.Figure:
    """`points`: {"step", "loss"} each, some with "top1", "low", "high", "n"; `steps`: in all, so that the axis holds
    still while points come in."""
    figure = base(look, _HEIGHT)
    judged = [point for point in points if "top1" in point]
    x = [point["step"] for point in points]
    figure.add_scatter(
        x=x, y=[point["loss"] for point in points], mode="lines", yaxis="y2", line={"color": look.muted, "width": 1.5},
        hovertemplate="step %{x}: loss %{y:.3f}<extra></extra>",
    )  # fmt: skip
    if judged:
        _accuracy(figure, judged, look)
    else:
        figure.add_scatter(x=[0], y=[100], mode="markers", marker={"opacity": 0}, hoverinfo="skip")  # keeps its axis
    low = min((point["low"] for point in judged), default=0.5)
    figure.update_xaxes(range=[0, steps], title="step", anchor="y2")
    figure.update_layout(
        yaxis={"domain": [_SPLIT + 0.1, 1], "range": [100 * max(0.0, low - 0.05), 101], "title": "top-1, %"},
        yaxis2={"domain": [0, _SPLIT], "rangemode": "tozero", "title": "loss", "gridcolor": look.grid, "nticks": 3,
                "zeroline": False, "fixedrange": True, "automargin": True},
    )  # fmt: skip
    return figure


def _accuracy(figure: go.Figure, judged: Sequence[Mapping[str, Any]], look: Look) -> None:
    x = np.array([point["step"] for point in judged])
    low, high = (100 * np.array([point[end] for point in judged]) for end in ("low", "high"))
    figure.add_scatter(
        x=[*x, *x[::-1]], y=[*high, *low[::-1]], mode="lines", line={"width": 0}, fill="toself",
        fillcolor=rgba(look.cut, 0.2), hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=[100 * point["top1"] for point in judged], mode="lines+markers", line={"color": look.cut, "width": 2},
        customdata=[point["n"] for point in judged],
        hovertemplate="step %{x}: %{y:.1f} % of the first %{customdata:,}<extra></extra>",
    )  # fmt: skip
