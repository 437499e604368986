"""How the weights are distributed: ridgelines with the plan's thresholds, and what a plain cut would take instead."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import plotly.graph_objects as go

from ..types import WeightRow
from .look import Look, base, rgba

_OVERLAP = 0.92  # height of the tallest ridge in rows


def ridgeline(
    rows: Sequence[WeightRow], look: Look, title: str, log: bool = True, marked: Collection[str] = ()
) -> go.Figure:
    """One ridge a row on a shared axis; the removed part is filled in full, thresholds stand as ticks. Rows with a
    `marked` label stand on a ground of their own."""
    figure = base(look, 70 + 34 * len(rows))
    edges = rows[0].edges
    low, high = _range(rows)
    middle = (edges[:-1] + edges[1:]) / 2
    shown = slice(low, high)
    for place, row in enumerate(rows):
        floor = len(rows) - 1 - place
        peak = max(row.counts[shown].max(), 1)
        color = look.fill(row.module)
        _ridge(figure, middle[shown], row.counts[shown] / peak, floor, color, 0.22, True)
        if row.removed.any():
            _ridge(figure, middle[shown], row.removed[shown] / peak, floor, color, 0.85, False)
    _thresholds(figure, rows, look, log)
    _targets(figure, rows, middle[shown])
    for place, row in enumerate(rows):
        figure.add_annotation(
            x=1, xref="paper", y=len(rows) - 1 - place, yanchor="bottom", xanchor="right", showarrow=False,
            text=_caption(row), font={"size": look.size - 2, "color": look.muted},
        )  # fmt: skip
    for place, row in enumerate(reversed(rows)):
        if row.label in marked:
            figure.add_hrect(place - 0.1, place + 0.95, fillcolor=rgba(look.action, 0.12), line_width=0, layer="below")
    names = [f"<b>{row.label}</b>" if row.label in marked else row.label for row in reversed(rows)]
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=names, range=[-0.15, len(rows) + 0.05], ticklabelstandoff=6
    )
    figure.update_xaxes(title=title, range=[middle[low], middle[high - 1] + 0.14 * (middle[high - 1] - middle[low])])
    if log:
        ticks = [tick for tick in range(-5, 2) if middle[low] <= tick <= middle[high - 1]]
        figure.update_xaxes(tickvals=ticks, ticktext=[f"{10.0**tick:g}" for tick in ticks])
    return figure


def _caption(row: WeightRow) -> str:
    zeros = f", {row.zeros:,} {'zero' if row.zeros == 1 else 'zeros'}" if row.zeros else ""
    return f"−{100 * row.removed_share:.0f} %{zeros}" if row.removed.any() else zeros.removeprefix(", ")


def _range(rows: Sequence[WeightRow]) -> tuple[int, int]:
    """Bins between the 0.5 % and the 99.95 % point of all rows, each row counting alike."""
    share = np.sum([row.counts / max(row.counts.sum(), 1) for row in rows], axis=0).cumsum() / len(rows)
    low, high = np.searchsorted(share, [0.005, 0.9995])
    return max(int(low) - 1, 0), min(int(high) + 2, len(share))


def _ridge(
    figure: go.Figure, x: np.ndarray, height: np.ndarray, floor: int, color: str, alpha: float, outline: bool
) -> None:
    y = floor + _OVERLAP * height
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]).astype(np.float32),
        y=np.concatenate([y, np.full(len(x), floor)]).astype(np.float32),
        mode="lines",
        line={"color": color, "width": 1 if outline else 0},
        fill="toself",
        fillcolor=rgba(color, alpha),
        hoverinfo="skip",
    )


def _thresholds(figure: go.Figure, rows: Sequence[WeightRow], look: Look, log: bool) -> None:
    """All ticks as one trace with gaps: one stroke a layer, two where the axis is signed."""
    x: list[float | None] = []
    y: list[float | None] = []
    for place, row in enumerate(rows):
        floor = len(rows) - 1 - place
        for threshold in row.thresholds:
            for at in (np.log10(threshold),) if log else (threshold, -threshold):
                x += [at, at, None]
                y += [floor - 0.1, floor + 0.55, None]
    figure.add_scatter(x=x, y=y, mode="lines", line={"color": look.ink, "width": 2}, hoverinfo="skip")


def _targets(figure: go.Figure, rows: Sequence[WeightRow], x: np.ndarray) -> None:
    """Invisible marks over each row: what is hovered there is told, what is clicked there is the row (customdata)."""
    at = x[:: max(1, len(x) // 16)]
    places = np.repeat([len(rows) - 1 - place for place in range(len(rows))], len(at))
    labels = np.repeat([row.label for row in rows], len(at))
    told = [f"{row.label}: {row.counts.sum():,} weights, {100 * row.removed_share:.1f} % removed" for row in rows]
    figure.add_scatter(
        x=np.tile(at, len(rows)), y=places + 0.35, mode="markers", marker={"size": 22, "opacity": 0},
        customdata=np.stack([labels, np.repeat(told, len(at))], axis=1),
        hovertemplate="%{customdata[1]}<extra></extra>",
    )  # fmt: skip


def plain_against_plan(
    plain: Sequence[WeightRow], plan: Sequence[WeightRow], name: str, look: Look, what: str = "|w|"
) -> go.Figure:
    """For each row the share that one threshold on magnitudes would take, open, and the plan's share, filled."""
    figure = base(look, 70 + 34 * len(plan))
    places = [len(plan) - 1 - i for i in range(len(plan))]
    taken, would = ([100 * row.removed_share for row in rows] for rows in (plan, plain))
    x: list[float | None] = []
    y: list[float | None] = []
    for place, one, other in zip(places, taken, would, strict=True):
        x += [one, other, None]
        y += [place, place, None]
    figure.add_scatter(x=x, y=y, mode="lines", line={"color": look.grid, "width": 5}, hoverinfo="skip")
    colors = [look.fill(row.module) for row in plan]
    for values, label, symbol in ((would, f"one threshold on {what}", "circle-open"), (taken, name, "circle")):
        figure.add_scatter(
            x=values, y=places, mode="markers",
            marker={"size": 11, "symbol": symbol, "color": colors, "line": {"width": 2, "color": colors}},
            customdata=[row.label for row in plan],
            hovertemplate=f"%{{customdata}}: {label} takes %{{x:.0f}} %<extra></extra>",
        )  # fmt: skip
    figure.add_annotation(
        x=0.5, y=1, xref="paper", yref="paper", yanchor="bottom", showarrow=False, font={"size": look.size},
        text=f"● {name}   ○ one threshold on {what}",
    )  # fmt: skip
    names = [row.label for row in reversed(plan)]
    figure.update_yaxes(tickvals=list(range(len(plan))), ticktext=names, range=[-0.6, len(plan) - 0.4])
    figure.update_xaxes(title="removed, %", range=[-3, 103], dtick=25)
    figure.update_layout(margin_t=30)
    return figure
