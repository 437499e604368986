"""Two criteria side by side: rank correlation by stage, ranks of single units, ranks against measured effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from ..types import PRUNABLE_MODULES, Compared, Effect, percentiles
from .heat import stage_heatmap
from .look import Look, base, rgba

RINGED = 5
"""The costliest pieces, which the picture rings."""
_AXIS = {"range": [-3, 103], "tickvals": [0, 25, 50, 75, 100]}
KIND_NAMES = {"head": "heads", "mlp_neuron": "tenths of hidden units"}


def agreement_heatmap(
    rows: Mapping[str, np.ndarray], look: Look, columns: Sequence[str] = PRUNABLE_MODULES
) -> go.Figure:
    """Rank correlation (-1..1), one row a stage, one column a module or kind."""

    def text(value: float) -> str:
        return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")

    return stage_heatmap(rows, look, columns, "rank correlation", text, (0, 1))


def rank_scatter(found: Compared, names: tuple[str, str], module: str, look: Look) -> go.Figure:
    """A point a unit, its percentile rank under both criteria; those furthest apart are ringed."""
    figure = base(look, 400)
    _diagonal(figure, look)
    count = len(found.ranks)
    alpha, size = (0.9, 8) if count <= 200 else (0.5, 6) if count <= 1500 else (0.3, 4)
    figure.add_scatter(
        x=found.ranks[:, 0], y=found.ranks[:, 1], mode="markers", hoverinfo="skip",
        marker={"size": size, "color": rgba(look.fill(module), alpha)},
    )  # fmt: skip
    far = found.furthest
    figure.add_scatter(
        x=[unit.first for unit in far], y=[unit.second for unit in far], mode="markers",
        marker={"size": 12, "color": rgba(look.cut, 0.0), "line": {"color": look.cut, "width": 2}},
        customdata=[unit.unit for unit in far],
        hovertemplate="%{customdata}<br>%{x:.0f} and %{y:.0f} %<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title=f"rank by {names[0]}, %", **_AXIS)
    figure.update_yaxes(title=f"rank by {names[1]}, %", **_AXIS)
    return figure


def truth_scatter(
    predicted: np.ndarray, effects: Sequence[Effect], names: Sequence[str], criterion: str, look: Look
) -> go.Figure:
    """A point a piece (head or tenth): the rank that `criterion` foretells, from `predicted` [pieces], against the rank
    of the measured rise in loss; the costliest are ringed."""
    figure = base(look, 360)
    _diagonal(figure, look)
    rises = np.array([effect.rise.value for effect in effects])
    x, y = percentiles(predicted), percentiles(rises)
    for kind, name in KIND_NAMES.items():
        own = [place for place, effect in enumerate(effects) if effect.piece.kind == kind]
        told = [_told(names[place], effects[place]) for place in own]
        figure.add_scatter(
            x=x[own], y=y[own], mode="markers", customdata=told, hovertemplate="%{customdata}<extra></extra>",
            name=name,
            marker={"size": 9, "symbol": "circle" if kind == "head" else "diamond", "color": look.fill(kind),
                    "line": {"color": look.surface, "width": 1}},
        )  # fmt: skip
    costliest = np.argsort(-rises)[:RINGED]
    figure.add_scatter(
        x=x[costliest], y=y[costliest], mode="markers", hoverinfo="skip",
        marker={"size": 15, "color": rgba(look.cut, 0.0), "line": {"color": look.cut, "width": 2}},
    )  # fmt: skip
    signs = {"head": "●", "mlp_neuron": "◆"}
    key = "   ".join(
        f'<span style="color:{look.fill(kind)}">{signs[kind]}</span> {name}' for kind, name in KIND_NAMES.items()
    )
    figure.add_annotation(
        x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False, text=key
    )
    figure.update_layout(margin_t=32)
    figure.update_xaxes(title=f"rank by {criterion}, %", **_AXIS)
    figure.update_yaxes(title="rank by measured rise in loss, %", **_AXIS)
    return figure


def _told(name: str, effect: Effect) -> str:
    rise, drop = effect.rise, effect.drop
    return (
        f"{name}<br>loss {rise.value:+.4f} ({rise.low:+.4f} to {rise.high:+.4f})"
        f"<br>accuracy {100 * drop.value:+.1f} points, n = {drop.n:,}"
    ).replace("-", "−")


def _diagonal(figure: go.Figure, look: Look) -> None:
    line = {"color": look.muted, "dash": "dot", "width": 1}
    figure.add_scatter(x=[0, 100], y=[0, 100], mode="lines", line=line, hoverinfo="skip")
