"""What a cut does to images: accuracy lost by class or cue, change of the confusions, explanations side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ..types import Share, in_points
from .look import INK, Look, base, rgba

_CELLS = 14  # more classes than this leave no room for numbers
_NAMED = 10  # about so many of them have room for their names on an axis
_BRIGHTEST = 99.0  # percentile of a map's values at which colours end, so that single pixels do not fade all others


def drop_chart(shares: Sequence[Share], look: Look) -> go.Figure:
    """Change of accuracy in points with its paired interval, one row a share, the first on top."""
    figure = base(look, 70 + 26 * len(shares))
    for row, share in enumerate(shares):
        drop = share.drop
        color = look.cut if drop.high < 0 else look.done if drop.low > 0 else look.muted
        told = (
            f"{share.name}: {_percent(share.dense.value)} → {_percent(share.pruned.value)} %, "
            f"{in_points(drop.value)} points ({in_points(drop.low)} to {in_points(drop.high)}), n = {drop.n:,}"
        )
        figure.add_scatter(
            x=[100 * drop.low, 100 * drop.value, 100 * drop.high], y=[row] * 3, mode="lines+markers",
            line={"color": color, "width": 2}, marker={"color": color, "size": [0, 9, 0], "opacity": 1},
            hovertemplate=told + "<extra></extra>",
        )  # fmt: skip
        figure.add_annotation(
            x=1.01, xref="paper", y=row, xanchor="left", showarrow=False, font={"size": look.size - 1},
            text=f"{_percent(share.dense.value)} → <b>{_percent(share.pruned.value)}</b> %",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": look.ink, "width": 1})
    names = [share.name for share in shares]
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.4, -0.6], showgrid=False
    )
    figure.update_xaxes(title="change in points, 95 % interval")
    figure.update_layout(margin_r=92)
    return figure


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def confusion_chart(change: np.ndarray, names: Sequence[str], look: Look) -> go.Figure:
    """Pruned minus dense number of images, [label, answer], labels from top to bottom."""
    size = len(names)
    figure = base(look, 110 + (34 * size if size <= _CELLS else 10 * size))
    most = max(1, int(np.abs(change).max()))
    low, middle, high = (INK[name][look.dark] for name in ("high", "low", "worse"))
    text = [[f"{v:+d}".replace("-", "−") if v else "" for v in row] for row in change]
    told = [
        [f"{names[label]} → {names[answer]}: {change[label, answer]:+d}" for answer in range(size)]
        for label in range(size)
    ]
    figure.add_heatmap(
        z=change, text=text, customdata=told, texttemplate="%{text}" if size <= _CELLS else None, zmin=-most, zmax=most,
        colorscale=[[0, low], [0.5, middle], [1, high]], showscale=False, xgap=1, ygap=1,
        textfont={"color": look.ink, "size": look.size}, hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    places = list(range(0, size, 1 if size <= _CELLS else -(-size // _NAMED)))
    ticks = {"tickvals": places, "ticktext": [names[place] for place in places], "showgrid": False}
    figure.update_xaxes(**ticks, title="answer")
    figure.update_yaxes(**ticks, title="label", range=[size - 0.5, -0.5])
    return figure


def explanation_chart(
    image: np.ndarray,
    dense: np.ndarray,
    pruned: np.ndarray,
    signed: bool,
    speaks: str,
    look: Look,
    smooth: bool = False,
) -> go.Figure:
    """Two maps [H, W] over the same image uint8 [3, H, W], grey and pulled towards the background, in one scale of
    colours.

    `speaks`: what high values say, "for 7"; `signed`: those below zero say the opposite; `smooth`: of a photograph,
    which is enlarged without blocks; maps keep the places that they were made of.
    """
    against = INK["most"][look.dark]
    axis = {"visible": False, "constrain": "domain", "fixedrange": True}
    figure = base(look, 270)
    limit = float(np.percentile(np.abs([dense, pruned]), _BRIGHTEST)) or float(np.abs([dense, pruned]).max()) or 1.0
    ramp = [[0, rgba(look.cut, 0.0)], [1, rgba(look.cut, 0.95)]]
    if signed:
        ramp = [[0, rgba(against, 0.95)], [0.5, "rgba(128,128,128,0)"], [1, rgba(look.cut, 0.95)]]
    greys = [[0, "#10151B"], [1, "#8A9098"]] if look.dark else [[0, "#707070"], [1, "#FFFFFF"]]
    for side, name, values, span in (("", "dense", dense, [0, 0.48]), ("2", "pruned", pruned, [0.52, 1])):
        place = {"xaxis": f"x{side}", "yaxis": f"y{side}", "showscale": False}
        figure.add_heatmap(
            z=image.mean(0), zmin=0, zmax=255, colorscale=greys, hoverinfo="skip", zsmooth="best" if smooth else False,
            **place,
        )  # fmt: skip
        figure.add_heatmap(
            z=values, zmin=-limit if signed else 0, zmax=limit, colorscale=ramp, **place,
            hovertemplate="%{z:.3g}<extra>" + name + "</extra>",
        )  # fmt: skip
        figure.add_annotation(
            x=sum(span) / 2, xref="paper", xanchor="center", y=1, yref="paper", yanchor="bottom", showarrow=False,
            text=f"<b>{name}</b>",
        )  # fmt: skip
        across = {**axis, "anchor": f"y{side}", "domain": span, "range": [-0.5, image.shape[2] - 0.5]}
        down = {**axis, "anchor": f"x{side}", "scaleanchor": f"x{side}", "range": [image.shape[1] - 0.5, -0.5]}
        figure.update_layout({f"xaxis{side}": across, f"yaxis{side}": down})
    key = f'<span style="color:{look.cut}">■</span> {speaks}'
    key += f'   <span style="color:{against}">■</span> against it' if signed else ""
    below = {"x": 0.5, "xref": "paper", "y": 0, "yref": "paper", "yanchor": "top", "yshift": -4}
    figure.add_annotation(text=key, showarrow=False, **below)
    figure.update_layout(margin={"l": 0, "r": 0, "t": 26, "b": 28})
    return figure
