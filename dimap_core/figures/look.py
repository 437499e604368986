"""What all figures share: colours in light and dark, names of modules, layout. Next door: one file for each figure.

Hues are Okabe and Ito's, safe for colour-blind readers; a module has its colour in every figure, nothing else has it.
Words reach a contrast of 4.5:1 on each ground; fills may lie below, so they carry an edge where they stand alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from ..types import AUX, MLP, PRJ, QKV

MODULE_LABELS = {QKV: "QKV", PRJ: "projection", MLP: "MLP", AUX: "never pruned"}
COLUMN_LABELS = MODULE_LABELS | {"mlp_neuron": "hidden", "head": "heads", "qk_dim": "Q/K dims", "v_dim": "V dims"}
FONT = '"Source Sans", "Source Sans Pro", sans-serif'

INK = {  # name: (light, dark)
    "ink": ("#1B2530", "#E8EAED"),
    "muted": ("#55606B", "#A9B1BB"),
    "line": ("#CBD2D9", "#3A4653"),
    "grid": ("#E6EAEE", "#232D38"),
    "ground": ("#FFFFFF", "#0F1419"),
    "panel": ("#F4F6F9", "#18202A"),
    "soft": ("#E3EFF7", "#173247"),
    "cut": ("#D55E00", "#FF8A3D"),
    "cut_text": ("#A33F00", "#FF9E66"),
    "reference": ("#A24E7E", "#DE9BC1"),
    "action": ("#0067A3", "#6DBBEA"),
    "done": ("#006B4E", "#5FD6B0"),
    "low": ("#F4F7FA", "#172230"),
    "high": ("#7FB8DC", "#186596"),
    "worse": ("#F2A36B", "#964300"),
    "most": ("#00345C", "#56B4E9"),
}
"""`low` to `high`, or to `worse`: ramps under numbers, which stay readable; `most`: the end of one without them."""
FILLS = {QKV: ("#0072B2", "#3D9BD9"), PRJ: ("#E69F00", "#F0B429"), MLP: ("#009E73", "#1FB98B"),
         AUX: ("#C3CAD1", "#3A4653"), "head": ("#56B4E9", "#56B4E9")}  # fmt: skip
EDGES = {QKV: ("#00507D", "#9CD0F2"), PRJ: ("#8F6200", "#F7D680"), MLP: ("#006B4E", "#7FE0C3"),
         AUX: ("#6B7580", "#A9B1BB"), "head": ("#00507D", "#9CD0F2")}  # fmt: skip
_CUT_FROM = {"mlp_neuron": MLP, "qk_dim": QKV, "v_dim": PRJ}
"""Kinds of groups look like the module that they are cut from, heads unlike all."""


@dataclass(frozen=True)
class Look:
    """How a figure is drawn: `dark` background or light, and the `size` of its text in px."""

    dark: bool = False
    size: int = 13

    def fill(self, column: str) -> str:
        """Of a module or kind."""
        return FILLS[_CUT_FROM.get(column, column)][self.dark]

    def edge(self, column: str) -> str:
        """Of a module's or kind's fill; as words, its colour."""
        return EDGES[_CUT_FROM.get(column, column)][self.dark]

    @property
    def ink(self) -> str:
        """Text and outlines."""
        return INK["ink"][self.dark]

    @property
    def muted(self) -> str:
        """Secondary text, guides and history."""
        return INK["muted"][self.dark]

    @property
    def line(self) -> str:
        """Borders."""
        return INK["line"][self.dark]

    @property
    def grid(self) -> str:
        """Grid lines."""
        return INK["grid"][self.dark]

    @property
    def cut(self) -> str:
        """This cut: star, trail, interval."""
        return INK["cut"][self.dark]

    @property
    def cut_text(self) -> str:
        """Words on this cut, and on what went wrong."""
        return INK["cut_text"][self.dark]

    @property
    def reference(self) -> str:
        """Fixed rules and other references, words too."""
        return INK["reference"][self.dark]

    @property
    def done(self) -> str:
        """What was gained, or is done."""
        return INK["done"][self.dark]

    @property
    def action(self) -> str:
        """What can be operated, and what is selected."""
        return INK["action"][self.dark]

    @property
    def surface(self) -> str:
        """What lies under the figure; fills hollow markers."""
        return INK["ground"][self.dark]

    @property
    def shade(self) -> str:
        """Faint fill of regions."""
        return rgba(self.ink, 0.06 if self.dark else 0.05)

    def ramp(self, end: str = "high") -> list[list[Any]]:
        """A colour scale from nothing to `end`, "high" under numbers or "most" without."""
        return [[0, INK["low"][self.dark]], [1, INK[end][self.dark]]]


class Themed(Look):
    """Colours as CSS variables, for SVG inside a page that says by `css_variables` what they are, light or dark."""

    def fill(self, column: str) -> str:
        """Of a module or kind."""
        return f"var(--fill-{_CUT_FROM.get(column, column)})"

    def edge(self, column: str) -> str:
        """Of a module's or kind's fill."""
        return f"var(--edge-{_CUT_FROM.get(column, column)})"

    def __getattribute__(self, name: str) -> Any:
        """Inks by their names; what lies under a figure is the ground."""
        ink = "ground" if name == "surface" else name
        return f"var(--{ink})" if ink in INK else super().__getattribute__(name)


def css_variables(dark: bool) -> dict[str, str]:
    """What `Themed` names, light or dark."""
    inks = {name: pair[dark] for name, pair in INK.items()}
    fills = {f"fill-{module}": pair[dark] for module, pair in FILLS.items()}
    return inks | fills | {f"edge-{module}": pair[dark] for module, pair in EDGES.items()}


def base(look: Look, height: int, **layout: Any) -> go.Figure:
    """An empty figure with our fonts, margins and grid; `layout` goes to plotly as it is."""
    figure = go.Figure()
    named = {"title": {"font": {"size": look.size}, "standoff": 8}}
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        font={"size": look.size, "color": look.ink, "family": FONT},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode=False,
        hoverlabel={"font": {"size": look.size}},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": look.muted, "activecolor": look.action},
        template={"layout": {"xaxis": named, "yaxis": named}},
        **layout,
    )
    axis = {"gridcolor": look.grid, "zeroline": False, "automargin": True, "fixedrange": True, "ticks": ""}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def rgba(color: str, alpha: float) -> str:
    """A #RRGGBB colour with an opacity."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
