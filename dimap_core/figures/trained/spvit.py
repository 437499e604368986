"""SPViT in pictures: what mixes tokens in every block and which gates are open; attention beside the kernel that took
its place. Plain data in, plotly figures out.

Next door: `training.methods.spvit.gates` and `training.methods.spvit.pictures` make the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from ...types import AUX, MLP, PRJ, QKV
from ..look import Look, base, rgba

MIXER_LABELS = {"softmax": "attention", "conv3": "3×3 conv.", "conv1": "1×1 conv.", "skip": "nothing"}
_LIKE = {"softmax": QKV, "conv3": PRJ, "conv1": "head", "skip": AUX}  # whose colours they have
_SYMBOLS = {"softmax": "diamond", "conv3": "square", "conv1": "circle"}
_MARKS = {"softmax": "◆", "conv3": "■", "conv1": "●", "skip": "○"}
_ROW, _SQUARE, _HEAD = 24, 190, 34  # px


def path(blocks: Sequence[Mapping[str, Any]], look: Look) -> go.Figure:
    """A row a block: its mixer in words, each gate's chance to be open (left), hidden units kept in % (right).
    `blocks`: as `Gated.shown` tells them."""
    figure = base(look, _ROW * len(blocks) + 2 * _HEAD + 24, bargap=0.3)
    rows = list(range(len(blocks)))
    for mixer, symbol in _SYMBOLS.items():
        chances = [block["chances"].get(mixer) for block in blocks]
        if any(chance is not None for chance in chances):
            figure.add_scatter(
                x=[None if chance is None else 100 * chance for chance in chances], y=rows, mode="markers",
                marker={"color": look.fill(_LIKE[mixer]), "symbol": symbol, "size": 9,
                        "line": {"color": look.ink, "width": 1}},
                hovertemplate=f"block %{{y}}, gate to {MIXER_LABELS[mixer]}: %{{x:.0f}} %<extra></extra>",
            )  # fmt: skip
    kept = [100 * block["hidden"] / block["of"] for block in blocks]
    figure.add_bar(
        x=kept, y=rows, orientation="h", xaxis="x2", marker={"color": rgba(look.fill(MLP), 0.55)},
        text=[f"{block['hidden']:,} of {block['of']:,}" for block in blocks], textposition="inside",
        insidetextanchor="start", textangle=0, textfont={"color": look.ink}, constraintext="none", cliponaxis=False,
        hoverinfo="skip",
    )  # fmt: skip
    names = [_name(place, block["mixer"], look) for place, block in enumerate(blocks, 1)]
    scale = {"tickvals": [0, 50, 100], "range": [-4, 104], "gridcolor": look.grid, "fixedrange": True}
    figure.update_layout(
        yaxis={"tickvals": rows, "ticktext": names, "range": [len(blocks) - 0.4, -0.6], "showgrid": False},
        xaxis={**scale, "domain": [0, 0.53], "title": "gate open, %"},
        xaxis2={**scale, "domain": [0.63, 1], "range": [0, 104], "zeroline": False, "title": "hidden, %"},
        margin_t=_HEAD,
    )
    figure.add_vline(x=50, line={"color": look.muted, "dash": "dot", "width": 1}, xref="x")
    legend = "  ".join(
        f'<span style="color:{look.fill(_LIKE[mixer])}">{_MARKS[mixer]}</span> {MIXER_LABELS[mixer]}'
        for mixer in _MARKS
    )
    figure.add_annotation(x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False,
                          text=legend, xshift=-60)  # fmt: skip
    return figure


def _name(place: int, mixer: str, look: Look) -> str:
    return f'{place} {MIXER_LABELS[mixer]} <span style="color:{look.fill(_LIKE[mixer])}">{_MARKS[mixer]}</span>'


def kernels(pictures: Mapping[str, Mapping[str, Any]], names: Mapping[str, str], look: Look) -> go.Figure:
    """For each block that became a convolution the dense block's mean attention by offset (left) beside its kernel
    (right), on the same grid of offsets; each from zero to its own largest value. `names`: of blocks on screen."""
    count = len(pictures)
    figure = base(look, _SQUARE * count)
    title = 24 / _SQUARE  # of a row's height
    for row, (block, found) in enumerate(pictures.items()):
        reach, top = len(found["attention"]) // 2, 1 - row / count
        for column, kind in enumerate(("attention", "kernel")):
            place = 2 * row + column + 1
            _square(figure, place, found[kind], reach, names[block], look)
            middle = 0.25 + 0.5 * column
            figure.update_layout({
                f"xaxis{place}": {"domain": [middle - 0.22, middle + 0.22], "anchor": f"y{place}"},
                f"yaxis{place}": {"domain": [top - 0.85 / count, top - title / count], "anchor": f"x{place}",
                                  "scaleanchor": f"x{place}"},
            })  # fmt: skip
            figure.add_annotation(
                xref="paper", yref="paper", x=middle, y=top, xanchor="center", yanchor="top", showarrow=False,
                text=f"{names[block]}, {kind}",
            )  # fmt: skip
    return figure


def _square(figure: go.Figure, place: int, values: Sequence[Sequence[float]], reach: int, name: str,
            look: Look) -> None:  # fmt: skip
    """One map of offsets, the middle of the grid being a patch itself; blue for attention, orange for a kernel."""
    half, kernel = len(values) // 2, place % 2 == 0
    offsets = list(range(-half, half + 1))
    color = look.fill(_LIKE["conv3" if kernel else "softmax"])
    figure.add_heatmap(
        z=values, x=offsets, y=offsets, zmin=0, zmax=max(map(max, values)),
        colorscale=[(0, rgba(color, 0)), (1, color)], showscale=False,
        xaxis=f"x{place}", yaxis=f"y{place}", xgap=1, ygap=1,
        hovertemplate=f"{name}, %{{y}} down, %{{x}} right: {'norm of the tap' if kernel else 'mean attention'} "
        "%{z:.3g}<extra></extra>",
    )  # fmt: skip
    span = [-reach - 0.5, reach + 0.5]
    axis = {"showgrid": False, "zeroline": False, "fixedrange": True, "tickvals": [-reach, 0, reach],
            "constrain": "domain"}  # fmt: skip
    figure.update_layout({f"xaxis{place}": {**axis, "range": span}, f"yaxis{place}": {**axis, "range": span[::-1]}})
