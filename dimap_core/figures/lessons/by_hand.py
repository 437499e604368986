"""Eq. 10 line by line: each weight's square as a part of the sum of squares from the largest weight down to it.

Next door: `studies.exercises` works the numbers out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..look import Look
from ..way import Picture, box, picture, text

_SMALL = 560  # px: below, a weight's numbers stand over its bar
_BAR = 18
_SIGNS = ("w", "w²", "Σ w²", "w² / Σ w²")
_UNKNOWN = "?"
Line = tuple[float, float, float, float]
"""A weight, its square, the sum so far, the score."""


def shown(value: float) -> str:
    """A number as it stands in the picture, to four digits: what a learner reckons with."""
    return f"{value:#.4g}".removesuffix(".").replace("-", "−")


def by_hand(
    lines: Sequence[Line], asked: Mapping[int, bool], unsummed: Sequence[int], module: str, width: float, look: Look
) -> Picture:
    """One row a weight, largest first. `asked`: the rows whose score is to be worked out, and whether it is; until then
    it does not stand there, nor the sum of rows that are `unsummed`. `module`: the layer's, by its colour."""
    wide = width > _SMALL
    high = 44 if wide else 58
    body, top = _heads(width, wide, look), 30.0
    for row, line in enumerate(lines):
        known = asked.get(row, True)
        sum_told = known or row not in unsummed
        if row in asked:
            body += _asked(top, width, high, known, look)
        body += _numbers(row, line, top, wide, sum_told, look)
        body += _bar(line, lines[-1][2], top, width, wide, module, look)
        color = look.ink if row not in asked else look.done if known else look.action
        score = shown(line[3]) if known else _UNKNOWN
        body += text(width - 8, top + (26 if wide else 44), score, color, 18, 700, "end")
        top += high
    return picture(body, width, top + 4, _told(lines, asked, unsummed))


def _heads(width: float, wide: bool, look: Look) -> str:
    """What the columns are."""
    if not wide:
        return text(24, 16, ", ".join(_SIGNS[:3]), look.muted) + text(
            width - 8, 16, _SIGNS[3], look.muted, 13, 400, "end"
        )
    places = zip((96, 172, 250, width - 8), _SIGNS, strict=True)
    return "".join(text(x, 16, sign, look.muted, 13, 400, "end") for x, sign in places)


def _asked(top: float, width: float, high: float, known: bool, look: Look) -> str:
    """A row that is to be worked out stands out, dashed until it is."""
    line, dashes = (look.done, "none") if known else (look.action, "5 3")
    return (
        f'<rect x="0" y="{top + 1:.1f}" width="{width:.1f}" height="{high - 4}" rx="6" fill="none" stroke="{line}" '
        f'stroke-width="1.5" stroke-dasharray="{dashes}"/>'
    )


def _numbers(row: int, line: Line, top: float, wide: bool, sum_told: bool, look: Look) -> str:
    """The row's number, the weight, its square and the sum."""
    weight, square, total = (shown(value) for value in line[:3])
    total = total if sum_told else _UNKNOWN
    color, base = look.ink if sum_told else look.action, top + (26 if wide else 20)
    body = text(8, base, f"{row + 1}", look.muted)
    if wide:
        body += text(96, base, weight, look.ink, 15, 600, "end") + text(172, base, square, look.ink, 15, 400, "end")
        return body + text(250, base, total, color, 15, 400, "end")
    return body + (
        text(24, base, weight, look.ink, 15, 600)
        + text(98, base, square, look.ink, 15)
        + text(174, base, total, color, 15)
    )


def _bar(line: Line, most: float, top: float, width: float, wide: bool, module: str, look: Look) -> str:
    """The sum so far, the weight's own square at its end in the module's colour."""
    left, right = (270.0, 120.0) if wide else (8.0, 84.0)
    y, long = top + (12 if wide else 30), (width - left - right) / most if most else 0.0
    before, own = (line[2] - line[1]) * long, line[1] * long
    body = box(left, y, before, _BAR, look.line)
    return body + (
        f'<rect x="{left + before:.2f}" y="{y:.2f}" width="{own:.2f}" height="{_BAR}" fill="{look.fill(module)}" '
        f'stroke="{look.edge(module)}"/>'
    )


def _told(lines: Sequence[Line], asked: Mapping[int, bool], unsummed: Sequence[int]) -> str:
    """The picture in words, which give no answer away."""
    rows = []
    for row, (weight, square, total, score) in enumerate(lines):
        known = asked.get(row, True)
        sum_told = shown(total) if known or row not in unsummed else "to be worked out"
        told = shown(score) if known else "to be worked out"
        rows.append(f"{row + 1}: weight {shown(weight)}, square {shown(square)}, sum {sum_told}, score {told}")
    return "Weights, largest first, with their squares, the sum of squares so far and the score. " + "; ".join(rows)
