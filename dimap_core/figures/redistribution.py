"""Redistribution: what a search kept of each kind through depth, beside the shape of ReViT's rule.

Yang et al., CVPR 2023 (arXiv 2110.04869), section 5.1. Plain data in, a plotly figure out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ..types import KINDS
from .look import COLUMN_LABELS, Look, base, rgba

_ROW, _GAP = 84, 0.055  # height of a kind's row in px, gap between rows as a share of the figure


def redistribution(
    kept: Sequence[Mapping[str, int]],
    dense: Sequence[Mapping[str, int]],
    look: Look,
    rule: Mapping[str, Sequence[float]] | None = None,
) -> go.Figure:
    """Bars of kept units in % of the dense block's, a row a kind that was searched. `kept` and `dense`: units by kind
    of every block; `rule`: by kind a multiple of the mean for every block, drawn dashed about the found mean."""
    kinds = [kind for kind in KINDS if kind in dense[0]]
    figure = base(look, _ROW * len(kinds) + 60, bargap=0.25)
    blocks = list(range(1, len(kept) + 1))
    height = (1 - _GAP * (len(kinds) - 1)) / len(kinds)
    for row, kind in enumerate(kinds):
        axis = "" if row == 0 else str(row + 1)
        shares = [100 * left[kind] / full[kind] for left, full in zip(kept, dense, strict=True)]
        top = 1 - row * (height + _GAP)
        color = look.fill(kind)
        counts = [[left[kind], full[kind]] for left, full in zip(kept, dense, strict=True)]
        figure.add_bar(
            x=blocks, y=shares, yaxis=f"y{axis}", marker={"color": rgba(color, 0.75)}, customdata=counts,
            hovertemplate=f"block %{{x}}: %{{customdata[0]:,}} of %{{customdata[1]:,}} {COLUMN_LABELS[kind]}"
            "<extra></extra>",
        )  # fmt: skip
        if rule is not None:
            mean = sum(shares) / len(shares)
            figure.add_scatter(
                x=blocks, y=[mean * factor for factor in rule[kind]], yaxis=f"y{axis}", mode="lines", hoverinfo="skip",
                line={"color": look.ink, "width": 1.5, "dash": "dot", "shape": "hvh"},
            )  # fmt: skip
        figure.add_annotation(
            x=0, y=top, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False,
            text=f'<span style="color:{color}">■</span> {COLUMN_LABELS[kind]} kept, %',
        )  # fmt: skip
        figure.update_layout({f"yaxis{axis}": {
            "domain": [top - height + 0.05, top], "range": [0, 108 if rule is None else 140],
            "tickvals": [0, 50, 100], "gridcolor": look.grid, "zeroline": False, "fixedrange": True, "automargin": True,
        }})  # fmt: skip
    figure.update_xaxes(title="block", tickvals=blocks, showgrid=False, anchor=f"y{len(kinds)}")
    figure.update_layout(margin_t=26)
    return figure
