"""One unit's output after a cut against what it was: a point a token, on the diagonal where nothing was lost.

Next door: `studies.exercises` has the points and the error.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..look import Look
from ..way import Picture, box, picture, text

_SIDE = 380.0  # px of the square at most
_LEFT = 26.0  # for the name of the axis that points up
_TRACK = 14


def fitted(
    dense: Sequence[float],
    made: Sequence[float],
    lost: tuple[float, float, float | None],
    words: tuple[str, str, str],
    width: float,
    look: Look,
) -> Picture:
    """`dense`, `made`: the unit's outputs, centred. `lost`: shares of the variance lost before, now, and at the least,
    which is drawn where it is told. `words`: names of both axes and of what is lost."""
    side = min(_SIDE, width - _LEFT)
    reach = 1.15 * max(map(abs, dense))
    body = box(_LEFT, 0, side, side, look.shade)
    body += (
        f'<path d="M{_LEFT} {side:.1f}L{_LEFT + side:.1f} 0" stroke="{look.muted}" stroke-dasharray="6 4" fill="none"/>'
    )

    def place(value: float) -> float:
        """0..side; what lies beyond is drawn at the edge."""
        return side * (max(-1.0, min(1.0, value / reach)) + 1) / 2

    dots = "".join(
        f'<circle cx="{_LEFT + place(x):.1f}" cy="{side - place(y):.1f}" r="3"/>'
        for x, y in zip(dense, made, strict=True)
    )
    body += f'<g fill="{look.cut}" fill-opacity="0.6">{dots}</g>'
    body += text(_LEFT + side, side + 18, f"{words[0]} →", look.muted, 13, 400, "end")
    up = text(0, 0, f"{words[1]} →", look.muted, 13, 400, "end")
    body += f'<g transform="translate(16 0) rotate(-90)">{up}</g>'
    body += _lost(lost, words[2], side + 34, _LEFT + side, look)
    outside = sum(abs(value) > reach for value in made)
    told = f"{words[1]} against {words[0]}, {len(dense)} points; {words[2]}: {_percent(lost[1])}"
    told += f", at first {_percent(lost[0])}" + (f", at least {_percent(lost[2])}" if lost[2] is not None else "")
    return picture(body, _LEFT + side, side + 96, told + (f"; {outside} points lie beyond the edge" if outside else ""))


def _lost(lost: tuple[float, float, float | None], name: str, top: float, width: float, look: Look) -> str:
    """A bar of what is lost now, with a mark where it was at first and, once known, at the least."""
    before, now, least = lost
    body = text(0, top + 12, name, look.ink) + text(width, top + 12, _percent(now), look.cut_text, 18, 700, "end")
    y = top + 22
    body += box(0, y, width, _TRACK, look.shade) + box(0, y, width * min(now, 1.0), _TRACK, look.cut)
    for share, color in ((before, look.ink), (least, look.done)):
        if share is not None:
            x = min(max(width * share, 1.0), width - 1)
            body += f'<path d="M{x:.1f} {y - 3}v{_TRACK + 6}" stroke="{color}" stroke-width="2.5"/>'
            body += text(
                x, y + _TRACK + 18, _percent(share), color, 13, 600, "middle" if 20 < x < width - 20 else "start"
            )
    return body


def _percent(share: float) -> str:
    """Whole percents, tenths below ten."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"
