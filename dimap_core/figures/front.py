"""The front of a search: accuracy on the images that choose against what is kept, fixed rules' front beside the found
one. Plain data in, a plotly figure out; next door: `tradeoff`, the cuts that a reader tried by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from .look import Look, base, rgba


@dataclass(frozen=True)
class TriedCut:
    """A cut that was tried: `x` the share kept, `y` top-1 on the images that choose, both 0..1; `rule`: a fixed rule;
    `final`: with the real repair, not its quick preview."""

    x: float
    y: float
    rule: bool
    label: str
    final: bool = False


def search_front(
    tried: Sequence[TriedCut], kept: float | None, unit: str, n: int, look: Look, height: int = 430
) -> go.Figure:
    """Both fronts, stepped, over every cut tried; `kept`: the budget asked, drawn as a line."""
    figure = base(look, height)
    for rule, color, dash in ((True, look.reference, "dash"), (False, look.cut, "solid")):
        own = [one for one in tried if one.rule == rule]
        front = best(own)
        if front:
            figure.add_scatter(
                x=[100 * one.x for one in front] + [105], y=[100 * one.y for one in front] + [100 * front[-1].y],
                mode="lines", line={"color": color, "width": 2 if rule else 3, "dash": dash, "shape": "hv"},
                hoverinfo="skip",
            )  # fmt: skip
        figure.add_scatter(
            x=[100 * one.x for one in own], y=[100 * one.y for one in own], mode="markers",
            marker={
                "symbol": "square-open" if rule else "circle",
                "size": [10 if one.final else 7 for one in own],
                "color": color if rule else rgba(color, 0.55), "line": {"width": 1.5, "color": color},
            },
            customdata=[one.label for one in own],
            hovertemplate="%{customdata}<br>%{y:.1f} % right, %{x:.1f} % kept<br>click: put in force<extra></extra>",
        )  # fmt: skip
    if kept is not None:
        figure.add_vline(x=100 * kept, line={"color": look.ink, "width": 1.5, "dash": "dot"})
        figure.add_annotation(
            x=100 * kept, y=0.02, yref="paper", xanchor="left", yanchor="bottom", xshift=5, showarrow=False,
            text=f"budget: {100 * kept:.0f} % kept", font={"size": look.size, "color": look.ink},
        )  # fmt: skip
    _names(figure, look)
    figure.update_xaxes(range=[0, 107], title=f"{unit} kept, % of dense", dtick=20)
    lowest = min((one.y for one in tried), default=0.0)
    bottom = 0 if lowest < 0.5 else 50 if lowest < 0.8 else 75  # saturated fronts are told apart near the top
    figure.update_yaxes(range=[bottom, 102], title=f"right among {n:,} training images held apart, %")
    return figure


def best(tried: Sequence[TriedCut]) -> list[TriedCut]:
    """Cuts that no other beats in both less cost and more right answers, by ascending cost."""
    front: list[TriedCut] = []
    for one in sorted(tried, key=lambda one: (one.x, -one.y)):
        if not front or one.y > front[-1].y:
            front.append(one)
    return front


def _names(figure: go.Figure, look: Look) -> None:
    """What is what, in its own colour, in the corner that no front crosses."""
    for place, (text, color) in enumerate((("found ──", look.cut_text), ("fixed rules ╌╌", look.reference))):
        figure.add_annotation(
            x=0.97, y=0.16 - 0.08 * place, xref="paper", yref="paper", xanchor="right", yanchor="bottom", text=text,
            showarrow=False, font={"size": look.size, "color": color},
        )  # fmt: skip


def paired_bar(value: float, low: float, high: float, look: Look) -> go.Figure:
    """A paired difference in points with its interval, about zero."""
    figure = base(look, 92)
    reach = max(4.0, 115 * max(abs(low), abs(high)))
    figure.add_vline(x=0, line={"color": look.ink, "width": 1.5})
    figure.add_scatter(
        x=[100 * low, 100 * high], y=[0, 0], mode="lines", line={"color": look.cut, "width": 5}, hoverinfo="skip"
    )
    figure.add_scatter(
        x=[100 * value], y=[0], mode="markers", marker={"symbol": "star", "size": 15, "color": look.cut},
        hovertemplate="%{x:+.1f} points<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(range=[-reach, reach], showgrid=False, tickformat="+d")
    figure.update_yaxes(visible=False, range=[-1, 1])
    return figure
