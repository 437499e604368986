"""A lesson's picture, drawn for wide screens and for narrow ones; the browser shows the one that fits."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dimap_core.figures import Picture

from ..look import theme

_STYLE = """
<style>
.by-width img { max-width: 100%; height: auto; }
.by-width .narrow { display: none; }
@media (max-width: 640px) { .by-width .narrow { display: block; } .by-width .wide { display: none; } }
</style>
"""
WIDTHS = (700, 350)  # px


def draw(drawn: Callable[[float], Picture]) -> None:
    """`drawn`: the picture of a width in px."""
    wide, narrow = (
        theme.image(drawn(width), f'class="{name}"') for width, name in zip(WIDTHS, ("wide", "narrow"), strict=True)
    )
    st.html(f'{_STYLE}<div class="by-width">{wide}{narrow}</div>')
