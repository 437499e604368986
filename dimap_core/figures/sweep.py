"""A sweep on screen: its curves, and the front of all cuts that it tried. Plain data in, plotly figures out.

Next door: `front`, a search's own; `tradeoff`, the cuts that a reader tried by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from .look import Look, base

_COLORS = (
    ("#0072B2", "#56B4E9"), ("#C2570C", "#F2A65A"), ("#007A5A", "#2FC79B"), ("#9A4789", "#E39AC6"),
    ("#8A6100", "#F0D442"), ("#4B5563", "#B6BEC8"), ("#A32638", "#FF8FA0"), ("#3F4FA8", "#A5B4FF"),
)  # fmt: skip
"""Of criteria, on light and on dark ground."""
_DASHES = ("solid", "dash", "dot", "dashdot")
_MARKS = ("circle", "square", "diamond", "triangle-up", "x", "star")
_HEIGHT = 350
_LONG = 62  # characters of a name in the legend


@dataclass(frozen=True)
class SweptPoint:
    """A measured cut: `x` the share that went, `y` with its interval, 0..1; `images`: its criterion reads images;
    `key`: what a click tells."""

    x: float
    y: float
    low: float
    high: float
    n: int
    label: str
    images: bool = False
    key: int = -1


@dataclass(frozen=True)
class SweptCurve:
    """A setting at rising amounts: numbers that its `color`, `dash` and `mark` are counted out by."""

    label: str
    points: Sequence[SweptPoint]
    color: int = 0
    dash: int = 0
    mark: int = 0


@dataclass(frozen=True)
class SweptBy:
    """What is measured: the `unit` of what went, "MACs" or "params"; `what` an answer counts as; `dense`, the share of
    the dense model, drawn as a line; `paired`: differences to it instead, about zero; `force`: the key of the cut in
    force."""

    unit: str
    what: str = "top-1"
    dense: float | None = None
    paired: bool = False
    force: int | None = None


def sweep_curves(curves: Sequence[SweptCurve], by: SweptBy, look: Look, height: int = _HEIGHT) -> go.Figure:
    """One curve a setting, with 95 % intervals."""
    figure = base(look, height)
    for curve in curves:
        color = _COLORS[curve.color % len(_COLORS)][look.dark]
        points = sorted(curve.points, key=lambda point: point.x)
        figure.add_scatter(
            x=[100 * point.x for point in points], y=[100 * point.y for point in points], mode="lines+markers",
            name=curve.label[:_LONG], line={"color": color, "width": 2, "dash": _DASHES[curve.dash % len(_DASHES)]},
            marker={"size": 8, "symbol": _MARKS[curve.mark % len(_MARKS)], "color": color},
            error_y={
                "type": "data", "symmetric": False, "array": [100 * (point.high - point.y) for point in points],
                "arrayminus": [100 * (point.y - point.low) for point in points], "thickness": 1, "width": 3,
            },
            customdata=[point.key for point in points], text=[_hover(point, by) for point in points],
            hovertemplate="%{text}<br>click: put in force<extra></extra>",
        )  # fmt: skip
    if by.paired or by.dense is not None:
        level = 0.0 if by.paired else 100 * (by.dense or 0.0)
        figure.add_hline(y=level, line={"color": look.muted, "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=0.005, xref="x domain", y=level, text="dense", showarrow=False, xanchor="left", yanchor="bottom",
            font={"size": look.size - 1, "color": look.muted},
        )  # fmt: skip
    return _framed(figure, by, look)


def sweep_front(points: Sequence[SweptPoint], by: SweptBy, look: Look, height: int = _HEIGHT) -> go.Figure:
    """Every cut that was tried, the front of each way of choosing, and what a better cut leaves behind shaded: as much
    or more went, and more answers are right."""
    figure, (x, y) = base(look, height), _steps(undominated(points))
    best = [point for point in points if is_unbeaten(point, points)]
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"width": 0}, fill="tozeroy", fillcolor=look.shade, hoverinfo="skip",
        showlegend=False,
    )  # fmt: skip
    for images, color, dash, name in (
        (False, look.reference, "dash", "by weights alone"), (True, look.cut, "solid", "by images"),
    ):  # fmt: skip
        own = [point for point in points if point.images == images]
        x, y = _steps(undominated(own))
        line = {"color": color, "width": 2, "dash": dash}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", name=f"front of rules {name}",
                           visible=bool(own))  # fmt: skip
        figure.add_scatter(
            x=[100 * point.x for point in own], y=[100 * point.y for point in own], mode="markers", showlegend=False,
            marker={
                "opacity": 1, "symbol": "circle" if images else "square",
                "size": [11 if one in best else 8 for one in own],
                "color": [color if one in best else look.surface for one in own],
                "line": {"color": color, "width": 1.5},
            },
            customdata=[point.key for point in own], text=[_hover(point, by) for point in own],
            hovertemplate="%{text}<br>click: put in force<extra></extra>",
        )  # fmt: skip
    for point in (point for point in points if point.key == by.force):
        marker = {"symbol": "star", "size": 17, "color": look.ink, "line": {"color": look.surface, "width": 1.5}}
        figure.add_scatter(x=[100 * point.x], y=[100 * point.y], mode="markers", marker=marker, hoverinfo="skip",
                           name="in force")  # fmt: skip
    low = min((100 * point.y for point in points), default=0.0)
    figure.update_yaxes(range=[max(0.0, low - 6), 102])
    return _framed(figure, by, look)


def undominated(points: Sequence[SweptPoint]) -> list[SweptPoint]:
    """Points that no other beats in both, what went and right answers, by rising share that went."""
    front: list[SweptPoint] = []
    for point in sorted(points, key=lambda one: (-one.x, -one.y)):
        if not front or point.y > front[-1].y:
            front.append(point)
    return front[::-1]


def is_unbeaten(point: SweptPoint, points: Sequence[SweptPoint]) -> bool:
    """Whether it is as good as a point of the front."""
    return any((point.x, point.y) == (other.x, other.y) for other in undominated(points))


def _steps(front: Sequence[SweptPoint]) -> tuple[list[float], list[float]]:
    """A stair through a front: what is right of a point is beyond its reach, what is under it is worse."""
    x, y = [0.0], []
    for point in front:
        x += [100 * point.x] * 2
        y += [100 * point.y] * 2
    return x, [*y, 0.0]


def _framed(figure: go.Figure, by: SweptBy, look: Look) -> go.Figure:
    """With axes, and names below."""
    figure.update_xaxes(range=[0, 102], title=f"{by.unit} removed, % of all", dtick=20)
    figure.update_yaxes(title=f"{by.what} against dense, points (paired)" if by.paired else f"{by.what}, %")
    legend = {"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0, "font": {"size": look.size - 1}}
    figure.update_layout(showlegend=True, legend=legend)
    return figure


def _hover(point: SweptPoint, by: SweptBy) -> str:
    sign, what = ("+", "points") if by.paired else ("", f"% {by.what}")
    value, low, high = (f"{100 * part:{sign}.1f}".replace("-", "−") for part in (point.y, point.low, point.high))
    return (
        f"{point.label}<br>{value} {what} ({low} to {high}, n = {point.n:,})"
        f"<br>{100 * point.x:.1f} % of {by.unit} removed"
    )
