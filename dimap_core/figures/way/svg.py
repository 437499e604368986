"""Pieces of SVG that pictures are put together from: text, frames, bars, squares filled by value. No scripts.

Next door: `stages`, `answers` and `model_map` draw with them, `look` has the inks.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import NamedTuple

from ..look import Look

WIDTH = 212  # of a picture; pages let it grow with their columns
_FAMILY = "Source Sans, Helvetica, Arial, sans-serif"  # where a picture stands alone, a page's fonts do not reach it
LEVELS = 16  # steps of a ramp
_TRACK = (64, 100)  # where a bar begins behind its name, and how long it is at most


class Picture(NamedTuple):
    """An SVG, and what it shows in words."""

    svg: str
    told: str


def cells(values: Sequence[float], columns: int, place: tuple[float, float, float], most: float, look: Look) -> str:
    """Squares filled by value, `columns` in a row: one path a level of the ramp, neighbours in one stroke.

    `place`: x, y and the side of one square. Zero has the ground's colour, `most` the ramp's end.
    """
    x, y, unit = place
    paths: dict[int, list[str]] = {}
    for start in range(0, len(values), columns):
        levels = [round(LEVELS * value / most) if most else 0 for value in values[start : start + columns]]
        left, down = x, y + start // columns * unit
        for level, alike in groupby(levels):
            long = len(list(alike)) * unit
            if level:
                paths.setdefault(level, []).append(f"M{left:.2f} {down:.2f}h{long:.2f}v{unit:.2f}h{-long:.2f}z")
            left += long
    drawn = [f'<path d="{"".join(lines)}" fill="{ramp(level, look)}"/>' for level, lines in sorted(paths.items())]
    return f'<g shape-rendering="crispEdges">{"".join(drawn)}</g>'  # smoothed edges would let the ground shine through


def ramp(level: int, look: Look) -> str:
    """The ramp's colour at a level from 0, the ground, to `LEVELS`."""
    ends = ((15, 20, 25), (86, 180, 233)) if look.dark else ((255, 255, 255), (0, 52, 92))
    return "#" + "".join(f"{round(a + (b - a) * level / LEVELS):02X}" for a, b in zip(*ends, strict=True))


def bar(top: float, name: str, share: float, color: str, look: Look) -> str:
    """A name (none: all of the width is the bar's), a bar of a share on its track, and the share."""
    left, most = _TRACK if name else (0, sum(_TRACK))
    body = text(0, top + 11, name if len(name) < 11 else f"{name[:9]}…", look.muted)
    body += f'<rect x="{left}" y="{top}" width="{most}" height="13" rx="2" fill="{look.shade}"/>'
    body += f'<rect x="{left}" y="{top}" width="{most * share:.1f}" height="13" rx="2" fill="{color}"/>'
    return body + text(WIDTH - 4, top + 11, f"{100 * share:.0f} %", look.ink, 13, 700, "end")


def text(x: float, y: float, words: str, color: str, size: int = 13, weight: int = 400, anchor: str = "start") -> str:
    """Words on a base line at y; none are no text."""
    if not words:
        return ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def box(x: float, y: float, wide: float, high: float, color: str) -> str:
    """A filled rectangle."""
    return f'<rect x="{x:.2f}" y="{y:.2f}" width="{wide:.2f}" height="{high:.2f}" fill="{color}"/>'


def frame(x: float, y: float, wide: float, high: float, color: str, line: float) -> str:
    """A rectangle's outline."""
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{wide:.2f}" height="{high:.2f}" fill="none" stroke="{color}" '
        f'stroke-width="{line}"/>'
    )


def picture(body: str, width: float, height: float, told: str) -> Picture:
    """`body` in a frame of its own size, with a name for those who do not see it."""
    return Picture(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {width + 4:.0f} {height + 4:.0f}" '
        f'width="{width + 4:.0f}" height="{height + 4:.0f}" role="img" aria-label="{escape(told)}" '
        f'font-family="{_FAMILY}">{body}</svg>',
        told,
    )
