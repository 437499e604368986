"""Indicators through training: what every head would keep, step by step; and how alike a head's channels are.

Plain data in, plotly figures out. Next door: `redistribution` draws what is kept in the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..look import Look, base

_BLOCK = 34  # px of a block's rows
_COLUMNS = 60  # steps that are drawn at most
_MATRICES = 250  # px
_GAP = 0.08  # between two matrices


def indicators_through_training(points: Sequence[Mapping[str, Any]], kind: str, steps: int, look: Look) -> go.Figure:
    """A heatmap over steps with a row for each head, blocks from top to bottom, each as high as any other.

    `points`: {"step", "indicators"}, where indicators[kind][block][head] is the share in % of channels whose indicator
    is at or above the threshold; `steps` of the whole search, so that the axis holds still while points come in.
    """
    points = points[:: -(-len(points) // _COLUMNS)]
    heads = [len(block) for block in points[0]["indicators"][kind]]
    figure = base(look, _BLOCK * len(heads) + 70)
    z = np.array([[share for block in point["indicators"][kind] for share in block] for point in points]).T
    edges = np.concatenate([block + np.arange(count) / count for block, count in enumerate(heads)] + [[len(heads)]])
    names = [f"block {block + 1}" + (f", head {head + 1}" if count > 1 else "")
             for block, count in enumerate(heads) for head in range(count)]  # fmt: skip
    x = [point["step"] for point in points]
    figure.add_heatmap(
        x=[*x, 2 * x[-1] - x[-2] if len(x) > 1 else x[-1] + 1], y=edges.tolist(), z=z.tolist(),
        zmin=0, zmax=100, showscale=False,
        colorscale=[[0, look.surface], [1, look.fill(kind)]], text=[[name] * len(x) for name in names],
        hovertemplate="%{text}, step %{x}: %{z} % of its channels<extra></extra>",
    )  # fmt: skip
    for block in range(1, len(heads)):
        figure.add_hline(y=block, line={"color": look.surface, "width": 3})
    middle = [block + 0.5 for block in range(len(heads))]
    figure.update_yaxes(
        tickvals=middle, ticktext=[str(block + 1) for block in range(len(heads))], range=[len(heads), 0],
        title="block, a row a head" if max(heads) > 1 else "block", showgrid=False,
    )  # fmt: skip
    figure.update_xaxes(title="step of the search", range=[1, max(steps, 2)], showgrid=False)
    return figure


def channel_similarity(before: Sequence[Sequence[int]], after: Sequence[Sequence[int]], kept: Sequence[int],
                       look: Look) -> go.Figure:  # fmt: skip
    """|cosine| in % of every two channels of a head: of the dense model, and of what was `kept` of it, at the same
    places; channels that went are left blank."""
    figure = base(look, _MATRICES)
    size = len(before)
    whole = np.full((size, size), np.nan)
    whole[np.ix_(kept, kept)] = after
    width = (1 - _GAP) / 2
    for place, (z, name) in enumerate(((np.array(before, float), "dense"), (whole, "pruned, trained"))):
        axis, left = "2" if place else "", place * (width + _GAP)
        figure.add_heatmap(
            z=np.where(np.eye(size, dtype=bool), np.nan, z).tolist(), xaxis=f"x{axis}", yaxis=f"y{axis}",
            zmin=0, zmax=100,
            colorscale=look.ramp("most"), showscale=False, xgap=1, ygap=1, x=list(range(1, size + 1)),
            y=list(range(1, size + 1)),
            hovertemplate=f"{name}: channels %{{x}} and %{{y}}, %{{z:.0f}} %<extra></extra>",
        )  # fmt: skip
        pairs = z[~np.eye(size, dtype=bool) & ~np.isnan(z)]
        mean = f"mean {pairs.mean():.0f} %" if len(pairs) else "one channel"
        figure.add_annotation(
            x=left, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", yshift=4, showarrow=False,
            align="left", text=f"<b>{name}</b><br>{mean}",
        )  # fmt: skip
        common = {"tickvals": [1, size], "showgrid": False, "zeroline": False, "fixedrange": True, "ticks": ""}
        domain, ends = [left, left + width], [0.5, size + 0.5]
        figure.update_layout({
            f"xaxis{axis}": {**common, "domain": domain, "anchor": f"y{axis}", "range": ends},
            f"yaxis{axis}": {**common, "anchor": f"x{axis}", "range": ends[::-1], "automargin": True},
        })  # fmt: skip
    figure.update_layout(margin_t=48)
    return figure
