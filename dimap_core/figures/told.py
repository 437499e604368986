"""The trade-off of a story's cuts, to be hovered over: each by its letter, with its interval, over the known curves.

Next door: `tradeoff` draws what lies under them, `slides` the same as a still picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html import escape

import plotly.graph_objects as go

from .look import Look
from .tradeoff import Point, Tradeoff, tradeoff


def told_tradeoff(data: Tradeoff, names: Mapping[str, str], look: Look) -> go.Figure:
    """`data`: its pins are the story's cuts by letter, in order; `names` what they are called."""
    figure = tradeoff(replace(data, pins={}), look)
    for letter, point in data.pins.items():
        error = {
            "type": "data", "symmetric": False, "array": [100 * (point.high - point.y)],
            "arrayminus": [100 * (point.y - point.low)], "color": look.ink, "thickness": 2, "width": 6,
        }  # fmt: skip
        figure.add_scatter(
            x=[100 * point.x], y=[100 * point.y], error_y=error, mode="markers+text", text=[f"<b>{letter}</b>"],
            textfont={"size": look.size - 1, "color": look.surface}, hoverinfo="text",
            hovertext=[_said(letter, names[letter], point, data.unit)],
            marker={"symbol": "square" if point.smaller else "circle", "size": 20, "color": look.ink, "opacity": 1,
                    "line": {"width": 1.5, "color": look.surface}},
        )  # fmt: skip
    return figure


def _said(letter: str, name: str, point: Point, unit: str) -> str:
    """A name that somebody typed is text, in a figure too, whose words are markup."""
    between = f"{100 * point.low:.1f} to {100 * point.high:.1f}, n = {point.n:,}"
    return (
        f"<b>{letter}</b> {escape(name)}<br>{100 * point.y:.1f} % right ({between})<br>{100 * point.x:.1f} % of {unit}"
    )
