"""The map for the last row of a room: blocks, and of each stage its name and what is kept, in large words.

Next door: `drawing` has the same with all its words.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...types import Anatomy
from ..look import Look
from ..way.svg import Picture, picture, text
from .blocks import BandKey, finding, kept_of, places
from .drawing import draw_block, hatches, mergings, percent
from .layout import bare

_LETTERS = 24  # px
_LINE = 30


def large_picture(
    anatomy: Anatomy, kept: Mapping[BandKey, float], look: Look, width: int, high: int, smaller: bool = False
) -> Picture:
    """The model `width` px wide, its highest block `high`; letters are of 24 px. `kept`, `smaller`: as in
    `model_picture`."""
    layout = bare(anatomy, width, 2 * _LINE + 16, high)
    body = hatches(look) + mergings(layout, look)
    groups: dict[str, list[str]] = {}
    for column in layout.columns:
        for drawn in column.drawn:
            draw_block(anatomy, kept, drawn, places(anatomy, column.stage), look, None, groups, smaller)
    body += "".join(f"<g {style}>{''.join(rects)}</g>" for style, rects in groups.items())
    for column in layout.columns:
        name = f"{anatomy.stage_word} {column.stage.index + 1}".capitalize()
        left = f"{percent(kept_of(anatomy, kept, places(anatomy, column.stage)))} kept"
        top = column.y - 14 - _LINE
        body += text(column.x, top, name, look.ink, _LETTERS, 700)
        body += text(column.x, top + _LINE, left, look.muted, _LETTERS)
    return picture(body, layout.width, layout.height, f"The model as a map. {finding(anatomy, kept)}")
