"""Where the importance lies: block x module heatmap, heads of a block, a layer's mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from ..types import PRUNABLE_MODULES
from .heat import column_names, heat, number, targets
from .look import Look, base, rgba

_BARS = 96  # more units than this are drawn as a line


def block_heatmap(
    values: np.ndarray,
    blocks: Sequence[str],
    title: str,
    look: Look,
    percent: bool = True,
    columns: Sequence[str] = PRUNABLE_MODULES,
    selected: Sequence[int] = (),
) -> go.Figure:
    """values [blocks, columns] with the number in each cell; stages are set apart by a gap, `selected` rows framed."""
    figure = base(look, 60 + 34 * len(blocks))
    shown = 100 * values if percent else values
    text = [[number(value, percent) for value in row] for row in shown]
    heat(figure, shown, text, look, (0, 100) if percent else None, title)
    targets(figure, text, title)
    for row in range(1, len(blocks)):
        if blocks[row].split(".")[0] != blocks[row - 1].split(".")[0]:
            figure.add_hline(y=row - 0.5, line={"color": look.ink, "width": 2})
    column_names(figure, columns)
    if selected:
        edge = {"color": look.action, "width": 2.5}
        ends = {"y0": selected[0] - 0.5, "y1": selected[-1] + 0.5}
        figure.add_shape(type="rect", xref="paper", x0=0, x1=1, **ends, line=edge)
    figure.update_yaxes(
        tickvals=list(range(len(blocks))), ticktext=list(blocks), range=[len(blocks) - 0.5, -0.5], showgrid=False,
        title="block",
    )  # fmt: skip
    return figure


def head_heatmap(heads: Mapping[str, np.ndarray], look: Look) -> go.Figure:
    """Kept share of each head's weights, one row each for Q, K, V and out; what is cut whole is crossed out."""
    names, values = list(heads), 100 * np.array(list(heads.values()))
    figure = base(look, 60 + 40 * len(names))
    text = [["✕" if value == 0 else number(value, True) for value in row] for row in values]
    heat(figure, values, text, look, (0, 100), "kept, %")
    count = values.shape[1]
    figure.update_xaxes(tickvals=list(range(count)), ticktext=[str(i + 1) for i in range(count)], title="head")
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, autorange="reversed", showgrid=False)
    return figure


def mask_heatmap(mask: np.ndarray, shape: tuple[int, ...], look: Look, thirds: bool = False) -> go.Figure:
    """A layer's mask as a picture: kept weights dark (light on dark), rows are outputs; `thirds` marks Q, K and V."""
    figure = base(look, 360)
    ramp = [[0, look.surface], [1, look.ink]]
    figure.add_heatmap(z=mask, colorscale=ramp, zmin=0, zmax=1, showscale=False, hoverinfo="skip")
    figure.update_yaxes(autorange="reversed", title=f"{shape[0]:,} outputs", showgrid=False, showticklabels=False)
    figure.update_xaxes(title=f"{shape[1]:,} inputs", showgrid=False, showticklabels=False)
    if thirds:
        for third, name in enumerate("QKV"):
            top = mask.shape[0] * third / 3 - 0.5
            if third:
                figure.add_hline(y=top, line={"color": look.cut, "width": 2})
            figure.add_annotation(
                x=0, xref="paper", y=top + mask.shape[0] / 6, text=f"<b>{name}</b>", showarrow=False, xanchor="left",
                bgcolor=look.surface, font={"color": look.cut_text, "size": look.size},
            )  # fmt: skip
    return figure


def score_bars(ranked: np.ndarray, removed: int, look: Look) -> go.Figure:
    """Scores of units in ascending order; the `removed` lowest are outlined only. Many units are drawn as a line."""
    figure = base(look, 180)
    places = np.arange(1, len(ranked) + 1)
    for part, color, name in ((slice(0, removed), look.muted, "goes"), (slice(removed, None), look.cut, "stays")):
        told = f"%{{y:.3g}} {name}<extra></extra>"
        bars = {"line": {"color": color, "width": 1}, "color": rgba(color, 0.0 if name == "goes" else 0.85)}
        if len(ranked) <= _BARS:
            figure.add_bar(x=places[part].tolist(), y=ranked[part].tolist(), marker=bars, hovertemplate=told)
        else:
            figure.add_scatter(
                x=places[part].tolist(), y=ranked[part].tolist(), mode="lines", line={"color": color, "width": 1.5},
                fill="tozeroy", fillcolor=rgba(color, 0.05 if name == "goes" else 0.35), hovertemplate=told,
            )  # fmt: skip
    figure.update_xaxes(title="unit, lowest score first", showgrid=False)
    figure.update_yaxes(title="score", rangemode="tozero")
    figure.update_layout(bargap=0.25)
    return figure
