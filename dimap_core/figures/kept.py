"""Where the cut falls: kept weights by stage and module class, as bars. Plain data in, a plotly figure out."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from ..types import PRUNABLE_MODULES, Part
from .look import MODULE_LABELS, Look, base, rgba


def kept_bars(
    cells: Mapping[tuple[int | None, str], Part], stage_word: str, look: Look, height: int = 320
) -> go.Figure:
    """Kept share of the prunable weights in each stage x module; `cells` as in CostReport; ghosts reach to 100 %."""
    figure = base(look, height, barmode="overlay", bargap=0.2)
    stages = sorted({stage for stage, _ in cells if stage is not None})
    width = 0.27
    for place, module in enumerate(PRUNABLE_MODULES):
        there = [(at, cells[stage, module]) for at, stage in enumerate(stages) if (stage, module) in cells]
        parts = [part for _, part in there]
        x = [at + (place - 1) * (width + 0.02) for at, _ in there]
        color = look.fill(module)
        figure.add_bar(
            x=x, y=[100] * len(x), width=width, hoverinfo="skip",
            marker={"color": rgba(color, 0.13), "line": {"color": rgba(color, 0.5), "width": 1}},
        )  # fmt: skip
        kept = [100 * (1 - part.ratio) for part in parts]
        figure.add_bar(
            x=x, y=kept, width=width, marker={"color": color},
            customdata=[[part.prunable - part.removed, part.prunable] for part in parts],
            hovertemplate=f"{MODULE_LABELS[module]}: %{{customdata[0]:,}} of %{{customdata[1]:,}} weights kept"
            "<extra></extra>",
        )  # fmt: skip
        for left, value in zip(x, kept, strict=True):
            figure.add_annotation(
                x=left, y=value, text=f"{value:.0f}", showarrow=False, yanchor="bottom",
                font={"size": look.size - 2, "color": look.ink},
            )  # fmt: skip
    key = "   ".join(f'<span style="color:{look.fill(m)}">■</span> {MODULE_LABELS[m]}' for m in PRUNABLE_MODULES)
    figure.add_annotation(
        x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", yshift=12, showarrow=False, text=key,
    )  # fmt: skip
    names = [f"{stage_word} {stage + 1}" for stage in stages]
    figure.update_xaxes(tickvals=list(range(len(stages))), ticktext=names, showgrid=False)
    figure.update_yaxes(range=[0, 108], title="weights kept, %", tickvals=[0, 25, 50, 75, 100])
    figure.update_layout(margin_t=40)
    return figure
