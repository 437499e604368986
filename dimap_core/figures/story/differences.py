"""Paired differences with their intervals, one below the other, and whether chance alone could have made them.

Next door: `findings.pairs` has the words, `mirrored` the cuts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ...types import Difference, in_points
from ..findings import chance
from ..look import Look
from ..way.svg import Picture, picture, text

_WIDE = 460  # px from which words stand beside their interval
_LETTER, _VALUE, _WORD = 7.4, 54.0, 104.0  # px of a bold letter, and of the columns behind the labels
_ROW, _TALL = 28.0, 48.0  # px of a row beside its words, and of one below them
_HEAD, _FOOT = 6.0, 20.0
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)  # points between two ticks
_TICKS = 7
_FURTHER = 6.0  # times the first row's reach that others may go before they leave the scale
_NEAR = 8.0  # points that always fit


class PairedRow(NamedTuple):
    """What is compared ("B − A, top-1"), and by how much it differs over the same images."""

    label: str
    difference: Difference


class _Scale(NamedTuple):
    """Points at both ends, between two ticks, and where on the picture they lie."""

    low: float
    high: float
    step: float
    left: float
    right: float

    def at(self, points: float) -> float:
        """Px, within the ends."""
        share = (min(max(points, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + share * (self.right - self.left)


def difference_picture(rows: Sequence[PairedRow], look: Look, width: float = 560) -> Picture:
    """The rows in points with 95 % intervals; hollow and grey what could be luck. What lies far off, against the first
    row, is an arrow at the edge beside its number."""
    wide = width >= _WIDE
    high = _ROW if wide else _TALL
    values = _LETTER * max(len(row.label) for row in rows) + _VALUE  # where they end
    scale = _scale(rows, *((values + 14, width - _WORD) if wide else (6.0, width - 6)))
    bottom = _HEAD + high * len(rows)
    body = _axis(scale, bottom, look)
    for place, row in enumerate(rows):
        top = _HEAD + high * place
        body += _row(row, scale, top + (_ROW / 2 if wide else _TALL - 19), look)
        body += _words(row, top + (_ROW / 2 + 5 if wide else 15), values if wide else None, width, look)
    return picture(body, width, bottom + _FOOT, "; ".join(map(_told, rows)))


def _scale(rows: Sequence[PairedRow], left: float, right: float) -> _Scale:
    reaches = [100 * max(abs(row.difference.low), abs(row.difference.high)) for row in rows]
    limit = max(_NEAR, _FURTHER * reaches[0])
    low = max(-limit, min(0.0, *(100 * row.difference.low for row in rows)))
    high = min(limit, max(0.0, *(100 * row.difference.high for row in rows)))
    step = next((step for step in _STEPS if high - low <= (_TICKS - 2) * step), _STEPS[-1])
    return _Scale(step * math.floor(low / step), step * math.ceil(high / step), step, left, right)


def _axis(scale: _Scale, bottom: float, look: Look) -> str:
    """Ticks with their points, and the line of no difference."""
    body = ""
    for number in range(round((scale.high - scale.low) / scale.step) + 1):
        points = scale.low + number * scale.step
        x, zero = scale.at(points), abs(points) < 1e-9
        body += f'<path d="M{x:.1f} {_HEAD}V{bottom:.1f}" stroke="{look.ink if zero else look.grid}"/>'
        named = "0" if zero else f"{points:+.3g}".replace("-", "−")
        anchor = "end" if x > scale.right - 8 and scale.right > 300 and scale.left < 50 else "middle"
        body += text(x, bottom + 15, named, look.muted, 13, 400, anchor)
    return body


def _row(row: PairedRow, scale: _Scale, y: float, look: Look) -> str:
    """The interval with its value; arrows where it goes on beyond the scale."""
    low, value, high = (100 * part for part in (row.difference.low, row.difference.value, row.difference.high))
    luck = chance(row.difference) == "could be luck"
    color = look.muted if luck else look.ink
    body = ""
    if high >= scale.low and low <= scale.high:
        body += f'<path class="interval" d="M{scale.at(low):.2f} {y}H{scale.at(high):.2f}" stroke="{color}" '
        body += 'stroke-width="3" stroke-linecap="round"/>'
    for beyond, x, way in ((low < scale.low, scale.left, -1), (high > scale.high, scale.right, 1)):
        if beyond:
            body += f'<path class="beyond" d="M{x + 6 * way:.1f} {y}l{-9 * way} -5v10z" fill="{color}"/>'
    if scale.low <= value <= scale.high:
        inside = look.surface if luck else color
        body += (
            f'<circle cx="{scale.at(value):.2f}" cy="{y}" r="5.5" fill="{inside}" stroke="{color}" stroke-width="2"/>'
        )
    return body


def _words(row: PairedRow, y: float, values: float | None, width: float, look: Look) -> str:
    """Label, points and what chance has to do with it; `values`: where points end, None: with the words."""
    said = chance(row.difference)
    luck = said == "could be luck"
    value = in_points(row.difference.value)
    body = text(0, y, row.label, look.ink, 13, 700)
    body += text(values, y, value, look.ink, 13, 400, "end") if values else ""
    last = said if values else f"{value}, {said}"
    body += text(width, y, last, look.muted if luck else look.ink, 13, 400 if luck else 700, "end")
    # Words above their interval cross the lines of the axis, which end around them.
    return body if values else f'<g stroke="{look.surface}" stroke-width="4" paint-order="stroke">{body}</g>'


def _told(row: PairedRow) -> str:
    low, high = in_points(row.difference.low), in_points(row.difference.high)
    return f"{row.label}: {in_points(row.difference.value)} points ({low} to {high}), {chance(row.difference)}"
