"""The trade-off for a slide: from the dense model through a story's cuts, each by its letter, over the known curves.

Letters are of 24 px in a picture made for 1280 x 720. A star that a live cut moves stands in it, unseen until it has a
place (`Frame` says where a share lies).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..look import Look
from ..tradeoff import Curve, Point, Tradeoff
from ..way.svg import Picture, picture, text

_LETTERS, _LINE = 24, 31  # px
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 46, 76  # around the axes
_RADIUS = 17
_APART = 2 * _RADIUS + 2  # of two letters at least
_MOST = 1.05  # of the dense model's cost that the axis shows
_STAR = "".join(
    f"{'ML'[k > 0]}{r * math.sin(k * math.pi / 5):.2f} {-r * math.cos(k * math.pi / 5):.2f}"
    for k in range(10) for r in [(22, 9)[k % 2]]
)  # fmt: skip


class Frame(NamedTuple):
    """Where the axes lie in px, and the lowest and highest accuracy that they show."""

    left: float
    right: float
    top: float
    bottom: float
    low: float
    high: float

    def x(self, kept: float) -> float:
        """Px of a kept share."""
        return self.left + (self.right - self.left) * kept / _MOST

    def y(self, share: float) -> float:
        """Px of an accuracy."""
        return self.bottom - (self.bottom - self.top) * (share - self.low) / (self.high - self.low)


def path_picture(
    data: Tradeoff, names: Mapping[str, str], look: Look, width: int, height: int, here: str = ""
) -> tuple[Picture, Frame]:
    """`data`: its pins are the story's cuts by letter, in order, `names` what they are called; the one `here` has the
    colour of the cut in force."""
    frame = _frame(data, width, height)
    body = _axes(frame, data, look)
    for curve in data.curves:
        body += _curve(frame, curve, look)
    body += _path(frame, data, look) + _letters(frame, data, look, here) + _list(frame, data, names, look, here)
    body += (
        f'<g class="live" display="none"><line class="between" stroke="{look.cut}" stroke-width="4" '
        f'stroke-linecap="round"/><path class="star" d="{_STAR}z" fill="{look.cut}" stroke="{look.surface}" '
        f'stroke-width="2"/></g>'
    )
    return picture(body, width, height, _told(data, names)), frame


def _frame(data: Tradeoff, width: int, height: int) -> Frame:
    """The axis begins at nothing, or at a round share below all there is to see where that is high."""
    seen = [*data.pins.values(), *([data.dense] if data.dense else [])]
    lowest = min((point.low for point in seen), default=0.0)
    low = 0.0 if lowest < 0.5 else math.floor(10 * lowest - 2) / 10
    return Frame(_LEFT, width - _RIGHT, _TOP, height - _BOTTOM, low, 1.02)


def _axes(frame: Frame, data: Tradeoff, look: Look) -> str:
    body = text(0, 22, "images right, %" if "top-1" in data.judged_by else f"{data.judged_by}, %", look.muted, _LETTERS)
    step = 20 if frame.low < 0.3 else 10
    for percent in range(round(100 * frame.low), 101, step):
        y = frame.y(percent / 100)
        body += _line(frame.left, y, frame.right, y, look.grid, 2)
        body += text(frame.left - 12, y + 8, f"{percent}", look.muted, _LETTERS, 400, "end")
    for percent in range(0, 101, 20):
        body += text(frame.x(percent / 100), frame.bottom + 34, f"{percent}", look.muted, _LETTERS, 400, "middle")
    end = f"{data.unit} kept, % of dense"
    body += text(frame.right, frame.bottom + 68, end, look.muted, _LETTERS, 400, "end")
    if data.chance > frame.low:
        y = frame.y(data.chance)
        body += _line(frame.left, y, frame.right, y, look.muted, 2, "4 6")
        body += text(frame.right, y - 8, f"guessing {100 * data.chance:.1f}", look.muted, _LETTERS, 400, "end")
    return body


def _line(x: float, y: float, right: float, bottom: float, color: str, wide: float, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{bottom:.1f}" stroke="{color}" stroke-width="{wide}"'
        f"{dashed}/>"
    )


def _curve(frame: Frame, curve: Curve, look: Look) -> str:
    places = [(frame.x(p.x), frame.y(p.y)) for p in sorted(curve.points, key=lambda p: p.x) if p.y >= frame.low]
    return _polyline(places, *_style(curve, look))


def _style(curve: Curve, look: Look) -> tuple[str, float, str]:
    """Colour, width and dashes of a curve."""
    return (look.reference, 4, "12 8") if curve.reference else (look.muted, 4, "") if curve.faint else (look.ink, 4, "")


def _polyline(places: Sequence[tuple[float, float]], color: str, wide: float, dashes: str = "") -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="{wide}"{dashed}/>' if places else ""


def _path(frame: Frame, data: Tradeoff, look: Look) -> str:
    """From dense through the cuts in their order, with each one's interval."""
    points = [*([data.dense] if data.dense else []), *data.pins.values()]
    body = _polyline([(frame.x(p.x), frame.y(p.y)) for p in points], look.cut, 3, "2 7")
    for point in data.pins.values():
        body += _line(
            frame.x(point.x), frame.y(point.low), frame.x(point.x), frame.y(min(point.high, frame.high)), look.ink, 4
        )
    if data.dense:
        x, y = frame.x(data.dense.x), frame.y(data.dense.y)
        body += f'<rect x="{x - 13:.1f}" y="{y - 13:.1f}" width="26" height="26" fill="{look.surface}" '
        body += f'stroke="{look.ink}" stroke-width="4"/>'
        body += text(frame.right, y + 48, f"dense {100 * data.dense.y:.1f}", look.ink, _LETTERS, 600, "end")
    return body


def _letters(frame: Frame, data: Tradeoff, look: Look, here: str) -> str:
    """The cuts' letters; one that would hide another stands aside, tied to its place."""
    body, taken = "", [] if data.dense is None else [(frame.x(data.dense.x), frame.y(data.dense.y))]
    for letter, point in data.pins.items():
        at = frame.x(point.x), frame.y(max(point.y, frame.low))
        x, y = _free(at, taken, frame)
        taken.append((x, y))
        color = look.cut if letter == here else look.ink
        if (x, y) != at:
            body += _line(*at, x, y, color, 2) + f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="5" fill="{color}"/>'
        body += (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}" fill="{color}" stroke="{look.surface}" stroke-width="2"/>'
        )
        body += text(x, y + 8, letter, look.surface, _LETTERS, 700, "middle")
    return body


def _free(at: tuple[float, float], taken: Sequence[tuple[float, float]], frame: Frame) -> tuple[float, float]:
    """The nearest place that no letter has yet, below first."""
    for far in range(12):
        for dx, dy in ((0, 1), (0, -1), (-1, 0.6), (1, 0.6), (-1, -0.6), (1, -0.6)):
            x, y = at[0] + dx * far * _APART / 2, at[1] + dy * far * _APART / 2
            inside = frame.left < x < frame.right and _RADIUS < y < frame.bottom
            if inside and all(math.hypot(x - a, y - b) >= _APART for a, b in taken):
                return x, y
    return at


def _list(frame: Frame, data: Tradeoff, names: Mapping[str, str], look: Look, here: str) -> str:
    """What letters and curves are called, at the lower right, where a trade-off has nothing."""
    rows = [(letter, f"{names[letter]}: {100 * point.y:.1f}") for letter, point in data.pins.items()]
    curves = [curve for curve in data.curves if curve.points]
    lines = len(rows) + len(curves)
    longest = max((len(words) for _, words in rows), default=0)
    longest = max([longest, *(len(curve.label) for curve in curves)])
    most = int((frame.right - frame.left) * 0.62)
    wide = min(most, 12 * longest + 60)
    x, top = frame.right - wide, frame.bottom - 16 - _LINE * lines
    body = f'<rect x="{x - 14:.1f}" y="{top - 4:.1f}" width="{wide + 14}" height="{_LINE * lines + 12}" rx="8" '
    body += f'fill="{look.surface}" fill-opacity="0.9"/>'
    fits = int((wide - 48) / 11.6)
    for place, (letter, words) in enumerate(rows):
        y, color = top + _LINE * place + 24, look.cut if letter == here else look.ink
        body += text(x + 12, y, letter, color, _LETTERS, 700, "middle")
        body += text(x + 40, y, words if len(words) <= fits else _cut(words, fits), color, _LETTERS)
    for place, curve in enumerate(curves, start=len(rows)):
        y = top + _LINE * place + 24
        color, thick, dashes = _style(curve, look)
        body += _line(x - 6, y - 8, x + 30, y - 8, color, thick, dashes)
        words = curve.label if len(curve.label) <= fits else f"{curve.label[: fits - 1]}…"
        body += text(x + 40, y, words, look.reference if curve.reference else look.muted, _LETTERS)
    return body


def _cut(words: str, fits: int) -> str:
    """A name made shorter, its number whole."""
    name, _, number = words.rpartition(": ")
    return f"{name[: max(1, fits - len(number) - 3)]}…: {number}"


def _told(data: Tradeoff, names: Mapping[str, str]) -> str:
    """All points in words."""
    dense = f"Dense: {100 * data.dense.y:.1f} % right. " if data.dense else ""
    return dense + "; ".join(
        f"{letter}, {names[letter]}: {_spoken(point, data.unit)}" for letter, point in data.pins.items()
    )


def _spoken(point: Point, unit: str) -> str:
    return f"{100 * point.y:.1f} % right, {100 * point.x:.0f} % of the {unit} kept"
