"""Measured values with their 95 % intervals, a row each on one scale: the eye compares widths and what they leave out.

Next door: `thresholds`, `fit` and `by_hand` draw what single lessons are about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..look import Look
from ..way import Picture, box, picture, text

_ROW, _LOW = 52, 15  # px from row to row, and where there are many
_MANY = 6  # rows, from which they stand closer and have no words of their own
_TICKS, _FEW_TICKS = 5, 3  # on the scale, about; where it is small
_STEPS = (1, 2, 5, 10)
_INSET = 22  # px that the words of the outermost ticks need
_LETTER = 7  # px, about
_SMALL = 560  # px: below, names stand above their rows


@dataclass(frozen=True)
class Interval:
    """A value with its interval. `name`: left of it, `note` below that; `mark`: another value on the same row, drawn as
    a stroke; `missed`: drawn as what went wrong."""

    name: str
    value: float
    low: float
    high: float
    note: str = ""
    mark: float | None = None
    missed: bool = False


def intervals(
    rows: Sequence[Interval],
    show: Callable[[float], str],
    width: float,
    look: Look,
    line: tuple[float, str] | None = None,
    within: tuple[float, float] = (-math.inf, math.inf),
    to: str = "to",
) -> Picture:
    """`show`: a value in words. `line`: a value drawn through all rows, and its name. `within`: beyond which the scale
    never reaches. `to`: the word between an interval's ends. `width` in px."""
    many, small = len(rows) > _MANY, width <= _SMALL
    left, right = (0 if small or many else 150, 0 if many else 96)
    high = _LOW if many else _ROW + (14 if small else 0)
    top = 34 if line else 8
    start, end, step = _scale(rows, line, within, _FEW_TICKS if small else _TICKS)
    bottom = top + high * len(rows) + 6

    def across(value: float) -> float:
        return left + _INSET + (width - left - right - 2 * _INSET) * (value - start) / (end - start)

    body = ""
    for count in range(round((end - start) / step) + 1):
        x = across(start + count * step)
        body += f'<path d="M{x:.1f} {top}V{bottom}" stroke="{look.grid}"/>'
        body += text(x, bottom + 18, show(start + count * step), look.muted, 13, 400, "middle")
    if line is not None:
        x, anchor = across(line[0]), _anchor(across(line[0]), left, width)
        body += f'<path d="M{x:.1f} {top - 8}V{bottom}" stroke="{look.ink}" stroke-width="2" stroke-dasharray="5 3"/>'
        body += text(x, top - 16, line[1], look.ink, 13, 600, anchor)
    for place, row in enumerate(rows):
        floor = top + high * (place + 0.5) + (14 if small and not many else 0)
        body += _bar(row, across, floor, 5 if many else 9, look)
        if not many:
            body += _words(row, show, to, floor, width, small, look)
    told = "; ".join(f"{row.name}: {show(row.value)} ({show(row.low)} {to} {show(row.high)})" for row in rows)
    return picture(body, width, bottom + 24, told)


def _scale(
    rows: Sequence[Interval], line: tuple[float, str] | None, within: tuple[float, float], ticks: int
) -> tuple[float, float, float]:
    """Where the scale begins and ends, and from tick to tick: round numbers around all that is drawn."""
    seen = [bound for row in rows for bound in (row.low, row.high, row.mark) if bound is not None]
    seen += [line[0]] if line else []
    span = max(max(seen) - min(seen), 1e-9)
    power = 10.0 ** math.floor(math.log10(span / ticks))
    step = next(power * one for one in _STEPS if power * one >= span / ticks)
    start = max(step * math.floor(min(seen) / step), within[0])
    end = min(step * math.ceil(max(seen) / step), within[1])
    return start, max(end, start + step), step


def _bar(row: Interval, across: Callable[[float], float], y: float, high: float, look: Look) -> str:
    """The interval as a thick stroke, the value as a dot on it."""
    color = look.cut if row.missed else look.action
    body = (
        f'<path d="M{across(row.low):.1f} {y:.1f}H{across(row.high):.1f}" stroke="{color}" stroke-width="{high}" '
        f'stroke-opacity="0.45"/>'
    )
    body += f'<circle cx="{across(row.value):.1f}" cy="{y:.1f}" r="{high * 0.55 + 1:.1f}" fill="{color}"/>'
    if row.mark is not None:
        body += f'<path d="M{across(row.mark):.1f} {y - 14:.1f}v28" stroke="{look.reference}" stroke-width="3"/>'
    return body


def _words(
    row: Interval, show: Callable[[float], str], to: str, y: float, width: float, small: bool, look: Look
) -> str:
    """Name and note beside the bar, or above it; value and interval at the right."""
    value, bounds = show(row.value), f"{show(row.low)} {to} {show(row.high)}"
    body = text(width, y, value, look.ink, 17, 700, "end") + text(width, y + 17, bounds, look.muted, 12, 400, "end")
    if small:
        name = f"{row.name} · {row.note}" if row.note else row.name
        return body + box(0, y - 36, _LETTER * len(name), 16, look.surface) + text(0, y - 24, name, look.ink, 13, 600)
    return body + text(0, y, row.name, look.ink, 15, 600) + text(0, y + 17, row.note, look.muted)


def _anchor(x: float, left: float, width: float) -> str:
    """So that words at x stay within the picture."""
    return "start" if x < left + 60 else "end" if x > width - 60 else "middle"
