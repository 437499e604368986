"""The trade-off figure: accuracy against what is left of the model. Plain data in, a plotly figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

from .look import Look, base, rgba

SOLID_FROM = 64  # images; below that the current point is drawn hollow


@dataclass(frozen=True)
class Point:
    """One measured model: `x` the share of MACs or params kept, `y` top-1 with its interval, all 0..1; `n` images.

    `smaller`: the cut takes structures out; otherwise it leaves zeros behind.
    """

    x: float
    y: float
    low: float
    high: float
    n: int
    label: str = ""
    key: int = -1
    smaller: bool = False


@dataclass(frozen=True)
class Curve:
    """One criterion over global ratios; `reference` curves are drawn in the baseline's colour, `faint` ones as what was
    before."""

    label: str
    points: Sequence[Point]
    reference: bool = False
    faint: bool = False


@dataclass(frozen=True)
class Tradeoff:
    """Everything the figure shows, back to front."""

    dense: Point | None
    curves: Sequence[Curve] = ()
    history: Sequence[Point] = ()
    pins: Mapping[str, Point] = field(default_factory=dict)
    current: Point | None = None
    recovered: Sequence[tuple[Point, Point]] = ()
    chance: float = 0.0
    unit: str = "MACs"
    judged_by: str = "top-1 accuracy"


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Points that no other beats in both less cost and higher accuracy, by ascending cost."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if not front or point.y > front[-1].y:
            front.append(point)
    return front


def tradeoff(data: Tradeoff, look: Look, zoom: bool = False) -> go.Figure:
    """Draw `data`; `zoom` shows the 15 points of accuracy below the dense model instead of everything above chance."""
    figure = base(look, 440)
    bottom, ceiling = view_range(data, zoom)
    _front(figure, data, look, bottom)
    _curves(figure, [curve for curve in data.curves if curve.points], look)
    if data.dense:
        _dense(figure, data.dense, look)
    _history(figure, data.history, look)
    _recovered(figure, data.recovered, look)
    if data.current:
        _current(figure, data.current, look)
    _pins(figure, data.pins, data.unit, look)
    if not zoom:
        figure.add_hline(y=100 * data.chance, line={"color": look.muted, "dash": "dot", "width": 1})
        text = f"guessing, {100 * data.chance:.1f} %"
        figure.add_annotation(
            x=53, y=100 * data.chance, text=text, showarrow=False, xanchor="center", yanchor="bottom", font=_small(look)
        )
    figure.update_xaxes(range=[0, 107], title=f"{data.unit} kept, % of dense", dtick=20)
    figure.update_yaxes(range=[100 * bottom, 100 * ceiling], title=f"{data.judged_by}, %")
    return figure


def view_range(data: Tradeoff, zoom: bool) -> tuple[float, float]:
    """Lowest and highest accuracy that the picture shows, 0..1."""
    top = data.dense.y if data.dense else 1.0
    lowest = min(data.chance, data.current.y if data.current else 1.0)  # few images may give less than guessing does
    return (max(data.chance - 0.02, top - 0.15), top + 0.01) if zoom else (lowest - 0.04, top + 0.03)


def _front(figure: go.Figure, data: Tradeoff, look: Look, bottom: float) -> None:
    """The stepped Pareto front of what was tried, the dominated side shaded; there is none before the second try."""
    measured = [*data.history, *([data.current] if data.current else []), *([data.dense] if data.dense else [])]
    front = pareto_front([point for point in measured if point.n >= SOLID_FROM])
    if len(front) < 3:
        return
    x = [100 * p.x for p in front] + [107]
    y = [100 * p.y for p in front] + [100 * front[-1].y]
    line = {"color": look.muted, "width": 1, "shape": "hv"}
    figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip")
    floor = go.Scatter(x=[x[0], 107], y=[100 * bottom] * 2, mode="lines", line={"width": 0}, hoverinfo="skip")
    figure.add_trace(floor)
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"width": 0, "shape": "hv"}, fill="tonexty", fillcolor=look.shade, hoverinfo="skip"
    )


def _curves(figure: go.Figure, curves: Sequence[Curve], look: Look) -> None:
    """Lines, and their names in their own colours in the corner that no curve crosses: little cost, little accuracy
    lies left, so the lower right stays free."""
    for place, curve in enumerate(curves):
        color = look.reference if curve.reference else look.muted if curve.faint else look.ink
        dash = "dash" if curve.reference else "dot" if curve.faint else "solid"
        points = sorted(curve.points, key=lambda p: p.x)
        figure.add_scatter(
            x=[100 * p.x for p in points],
            y=[100 * p.y for p in points],
            mode="lines+markers",
            line={"color": color, "width": 1.5, "dash": dash},
            marker={"size": 4},
            text=[_hover(p) for p in points],
            hovertemplate=curve.label + "<br>%{text}<extra></extra>",
        )
        stroke = {"dash": "╌╌", "dot": "┈┈", "solid": "──"}[dash]
        figure.add_annotation(
            x=0.92, y=0.14 + 0.07 * place, xref="paper", yref="paper", xanchor="right", yanchor="bottom",
            text=f"{curve.label} {stroke}", showarrow=False, font={"color": color, "size": look.size},
        )  # fmt: skip


def _dense(figure: go.Figure, dense: Point, look: Look) -> None:
    guide = {"color": look.muted, "dash": "dot", "width": 1}
    figure.add_hline(y=100 * dense.y, line=guide)
    figure.add_vline(x=100 * dense.x, line=guide)
    marker = {"symbol": "square-open", "size": 12, "color": look.ink, "line": {"width": 2}}
    _dot(figure, dense, marker)
    figure.add_annotation(
        x=100, y=100 * dense.y, text="dense", showarrow=False, xanchor="right", yanchor="top",
        xshift=-8, yshift=-3, font={"size": look.size, "color": look.ink},
    )  # fmt: skip


def _history(figure: go.Figure, history: Sequence[Point], look: Look) -> None:
    """Small numbered circles (squares for really smaller models), older ones fainter."""
    if not history:
        return
    faded = [0.35 + 0.65 * (i + 1) / len(history) for i in range(len(history))]
    figure.add_scatter(
        x=[100 * p.x for p in history],
        y=[100 * p.y for p in history],
        mode="lines",
        line={"color": rgba(look.cut, 0.25), "width": 1},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[100 * p.x for p in history],
        y=[100 * p.y for p in history],
        mode="markers+text",
        marker={
            "size": 17,
            "symbol": ["square" if p.smaller else "circle" for p in history],
            "color": look.surface,
            "opacity": faded,
            "line": {"color": look.cut, "width": 1.5},
        },
        text=[str(p.key + 1) for p in history],
        textfont={"size": 10, "color": look.ink},
        customdata=[f"{p.label}<br>{_hover(p)}" for p in history],
        hovertemplate="%{customdata}<br>click to restore<extra></extra>",
    )


def _recovered(figure: go.Figure, pairs: Sequence[tuple[Point, Point]], look: Look) -> None:
    """A diamond for each trained model, and an arrow to it from what it was before."""
    for before, after in pairs:
        figure.add_annotation(
            x=100 * after.x, y=100 * after.y, ax=100 * before.x, ay=100 * before.y, xref="x", yref="y", axref="x",
            ayref="y", text="", arrowhead=2, arrowwidth=2, arrowcolor=look.done, standoff=8, startstandoff=4,
        )  # fmt: skip
        marker = {"symbol": "diamond", "size": 13, "color": look.done, "line": {"width": 1.5, "color": look.surface}}
        _dot(figure, after, marker)
        figure.add_annotation(
            x=100 * after.x, y=100 * after.y, text="trained", showarrow=False, xanchor="left", yanchor="top", xshift=9,
            font={"color": look.done, "size": look.size},
        )  # fmt: skip


def _current(figure: go.Figure, point: Point, look: Look) -> None:
    solid = point.n >= SOLID_FROM
    marker = {
        "symbol": ("star-square" if point.smaller else "star") + ("" if solid else "-open"),
        "size": 19,
        "color": look.cut,
        "line": {"width": 1.5, "color": look.surface if solid else look.cut},
    }
    error = {
        "type": "data",
        "symmetric": False,
        "array": [100 * (point.high - point.y)],
        "arrayminus": [100 * (point.y - point.low)],
        "color": look.cut,
        "thickness": 2,
        "width": 6,
    }
    _dot(figure, point, marker, error_y=error)


def _pins(figure: go.Figure, pins: Mapping[str, Point], unit: str, look: Look) -> None:
    """A and B, and once both stand an arrow that names the difference."""
    for name, point in pins.items():
        figure.add_annotation(
            x=100 * point.x, y=100 * point.y, text=f"<b>{name}</b>", showarrow=False,
            yshift=-24 if point.y > 0.8 else 22,  # under a point near the top edge
            font={"size": look.size + 1, "color": look.surface}, bgcolor=look.ink, borderpad=2,
        )  # fmt: skip
    if {"A", "B"} <= pins.keys():
        a, b = pins["A"], pins["B"]
        figure.add_annotation(
            x=100 * b.x, y=100 * b.y, ax=100 * a.x, ay=100 * a.y, xref="x", yref="y", axref="x", ayref="y",
            text="", arrowhead=2, arrowwidth=2, arrowcolor=look.ink, standoff=10, startstandoff=10,
        )  # fmt: skip
        figure.add_annotation(
            x=50 * (a.x + b.x), y=100 * min(a.y, b.y), text=difference(a, b, unit), showarrow=False, yshift=-46,
            font={"size": look.size, "color": look.ink}, bgcolor=look.surface, borderpad=2, opacity=0.9,
        )  # fmt: skip


def difference(a: Point, b: Point, unit: str) -> str:
    """What B costs and gains against A, e.g. "-38 % MACs, -1.2 points"."""
    change = (b.x - a.x) / a.x if a.x else 0.0
    return f"{_signed(100 * change, 0)} % {unit}, {_signed(100 * (b.y - a.y), 1)} points"


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def _dot(figure: go.Figure, point: Point, marker: dict, **more: object) -> None:
    figure.add_scatter(
        x=[100 * point.x],
        y=[100 * point.y],
        mode="markers",
        marker=marker,
        hovertemplate=f"{point.label}<br>{_hover(point)}<extra></extra>",
        **more,
    )


def _hover(point: Point) -> str:
    between = f"{100 * point.low:.1f} to {100 * point.high:.1f}, n = {point.n:,}"
    return f"{100 * point.y:.1f} % top-1 ({between})<br>{100 * point.x:.1f} % kept"


def _small(look: Look) -> dict:
    return {"size": look.size - 2, "color": look.muted}
