"""The board's right half: scores of the game with their intervals, best first, and whether the first really leads."""

from __future__ import annotations

from html import escape

from dimap_core.service import Game
from dimap_core.types import Difference, Proportion

from .words import number, word

_ROWS = 7  # scores that have a row of their own
_ROOM = 0.02  # of the axis beside what is drawn


def drawn(game: Game) -> str:
    """That half as HTML."""
    shown, rest = game.scores[:_ROWS], game.scores[_ROWS:]
    low, high = min(one.low for one in shown) - _ROOM, min(1.0, max(one.high for one in shown) + _ROOM)
    rows = "".join(_row(place, one, low, high) for place, one in enumerate(shown, start=1))
    more = word("more", count=len(rest), least=_percent(rest[-1].value)) if rest else ""
    sub = word("game_sub", n=number(f"{shown[0].n:,}"))
    return (
        f"<h2>{escape(word('game'))}</h2><p class=sub>{escape(sub)}</p>"
        f'<ol class="board-scores">{rows}</ol>{_axis(low, high)}<p class=sub>{escape(more)}</p>{_lead(game)}'
    )


def _row(place: int, one: Proportion, low: float, high: float) -> str:
    """A score: its place, the number, and the interval on the common axis."""
    left, right, at = (100 * (value - low) / (high - low) for value in (one.low, one.high, one.value))
    between = f"{_percent(one.low)} – {_percent(one.high)}"
    return (
        f'<li class="{"first" if place == 1 else ""}"><span>{place}</span><b>{_percent(one.value)}</b>'
        f'<div title="{between}"><i style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
        f'<em style="left:{at:.1f}%"></em></div></li>'
    )


def _axis(low: float, high: float) -> str:
    """Whole percents under the rows, at most five."""
    gap = next(step for step in (1, 2, 5, 10, 20, 50) if 100 * (high - low) / step <= 5)
    marks = [mark for mark in range(0, 101, gap) if low <= mark / 100 <= high]
    told = "".join(f'<span style="left:{100 * (mark / 100 - low) / (high - low):.1f}%">{mark}</span>' for mark in marks)
    return f'<div class="board-axis" aria-hidden="true"><div>{told}</div></div>'


def _lead(game: Game) -> str:
    """What may be said of the first and the second."""
    if game.lead is None:
        return f"<p class=told>{escape(word('one_score'))}</p>" if len(game.scores) == 1 else ""
    return f"<p class=told>{escape(_verdict(game.lead))}</p><p class=sub>{escape(word('paired', tries=game.tries))}</p>"


def _verdict(lead: Difference) -> str:
    value, low, high = (number(f"{100 * share:.1f}".replace("-", "−")) for share in (lead.value, lead.low, lead.high))
    return word("beyond" if lead.low > 0 else "luck", value=value, low=low, high=high)


def _percent(share: float) -> str:
    return number(f"{100 * share:.1f}")
