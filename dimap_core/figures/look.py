"""What all figures share: palette, light and dark ink, base layout. Next door: one file for each figure.

Colours are Okabe and Ito's, safe for colour-blind readers; a module class has the same colour in every figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from ..types import AUX, MLP, PRJ, QKV

MODULE_COLORS = {QKV: "#0072B2", PRJ: "#E69F00", MLP: "#009E73", AUX: "#8A8A8A"}
MODULE_LABELS = {QKV: "QKV", PRJ: "projection", MLP: "MLP", AUX: "never pruned"}
COLUMN_COLORS = MODULE_COLORS | {"mlp_neuron": "#009E73", "head": "#56B4E9", "qk_dim": "#0072B2", "v_dim": "#E69F00"}
"""Modules and kinds of groups: kinds look like the module that they are cut from, heads unlike all."""
COLUMN_LABELS = MODULE_LABELS | {"mlp_neuron": "hidden", "head": "heads", "qk_dim": "Q/K dims", "v_dim": "V dims"}
FONT = '"Source Sans", "Source Sans Pro", sans-serif'
ACCENT, REFERENCE, LOSS, RECOVERED = "#D55E00", "#CC79A7", "#D55E00", "#009E73"


@dataclass(frozen=True)
class Look:
    """How a figure is drawn: `dark` background or light, and the `size` of its text in px."""

    dark: bool = False
    size: int = 13

    @property
    def ink(self) -> str:
        """Text and outlines."""
        return "#E8EAED" if self.dark else "#1F2933"

    @property
    def muted(self) -> str:
        """Secondary text, guides and history."""
        return "#A9B1BB" if self.dark else "#5B6670"

    @property
    def grid(self) -> str:
        """Grid lines."""
        return "rgba(255,255,255,0.10)" if self.dark else "rgba(31,41,51,0.10)"

    @property
    def action(self) -> str:
        """What can be operated, and what is selected."""
        return "#6DBBEA" if self.dark else "#0067A3"

    @property
    def surface(self) -> str:
        """What lies under the figure; fills hollow markers."""
        return "#0F1419" if self.dark else "#FFFFFF"

    @property
    def shade(self) -> str:
        """Faint fill of regions."""
        return "rgba(255,255,255,0.06)" if self.dark else "rgba(31,41,51,0.05)"


def base(look: Look, height: int, **layout: Any) -> go.Figure:
    """An empty figure with our fonts, margins and grid; `layout` goes to plotly as it is."""
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        font={"size": look.size, "color": look.ink, "family": FONT},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        hoverlabel={"font": {"size": look.size}},
        **layout,
    )
    axis = {"gridcolor": look.grid, "zeroline": False, "automargin": True, "fixedrange": True, "ticks": ""}
    axis["title"] = {"font": {"size": look.size}, "standoff": 8}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def rgba(color: str, alpha: float) -> str:
    """A #RRGGBB colour with an opacity."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
