"""A lesson's picture, drawn for wide screens and for narrow ones; the browser shows the one that fits."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from html import escape

import streamlit as st

from dimap_core.figures import Interval, Picture, intervals

from ..look import theme
from . import words

_STYLE = """
<style>
.by-width img { max-width: 100%; height: auto; }
.by-width .narrow { display: none; }
@media (max-width: 640px) { .by-width .narrow { display: block; } .by-width .wide { display: none; } }
</style>
"""
WIDTHS = (700, 350)  # px


def draw(drawn: Callable[[float], Picture], beside: bool = False) -> None:
    """`drawn`: the picture of a width in px; `beside`: under the step's words, where it is narrow on any screen."""
    wide, narrow = WIDTHS
    images = (("", narrow),) if beside else (("wide", wide), ("narrow", narrow))
    st.html(f'{_STYLE}<div class="by-width">{"".join(_image(drawn(width), name) for name, width in images)}</div>')


def rows(
    measured: Sequence[Interval],
    show: Callable[[float], str],
    line: tuple[float, str] | None = None,
    within: tuple[float, float] = (-math.inf, math.inf),
    beside: bool = False,
) -> None:
    """Measured values with their intervals, as `figures.intervals` draws them."""
    to = words.word("to")
    draw(lambda width: intervals(measured, show, width, theme.look(), line, within, to), beside)


def _image(picture: Picture, name: str) -> str:
    """As an image with its words: as part of a page Streamlit would take SVG out."""
    content = base64.b64encode(picture.svg.encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{content}" alt="{escape(picture.told)}" class="{name}">'
