"""The board's left half: the question, its answers as bars of guesses, the right one marked once it is shown."""

from __future__ import annotations

from html import escape

from dimap_core.service import Place, Tally
from dimap_core.studies import Guess, Step, asking, right_answer

from .words import language, word

_WIDEST = 72  # percent of the row that the longest bar fills


def drawn(place: Place | None, tally: Tally | None) -> str:
    """That half as HTML."""
    step = asking(*place) if place is not None else None
    if place is None or tally is None or step is None or step.guess is None:
        return f"<h2>{escape(word('waiting'))}</h2><p class=sub>{escape(word('waiting_sub'))}</p>"
    right = right_answer(step) if tally.shown else ""
    sub = f"{word('place', lesson=place[0], step=place[1])}, {word('guesses_both' if tally.after else 'guesses')}"
    bars = "".join(_bar(step.guess, number, tally, right) for number in range(len(step.guess.options)))
    return (
        f"<h2>{escape(step.guess.question[language()])}</h2><p class=sub>{escape(sub)}</p>"
        f'<ul class="board-bars">{bars}</ul><p class=told>{escape(_told(step, tally, right))}</p>'
    )


def _bar(guess: Guess, number: int, tally: Tally, right: str) -> str:
    """An answer: how many said so before it was drawn, and after."""
    option = guess.options[number]
    label = escape(option.label[language()])
    is_right = option.key == right
    tick = f'<span class="tick">✓ {escape(word("right"))}</span>' if is_right else ""
    most = max([1, *tally.before.values(), *tally.after.values()])
    phases = [("before", tally.before)] + ([("after", tally.after)] if tally.after else [])
    bars = "".join(
        f'<div class="{phase}"><i style="width:{_WIDEST * counts[option.key] / most:.1f}%"></i>'
        f"<span><b>{counts[option.key]}</b> {escape(word(phase)) if tally.after else ''}</span></div>"
        for phase, counts in phases
    )
    return f'<li class="{"right" if is_right else ""}"><p>{label} {tick}</p><div>{bars}</div></li>'


def _told(step: Step, tally: Tally, right: str) -> str:
    """The counts in a sentence."""
    count, later = tally.before.total(), tally.after.total()
    numbers = {"count": count, "later": later, "right": tally.before[right], "now": tally.after[right]}
    said = word(f"told{'_both' if later else ''}{'_right' if right else ''}", **numbers)
    return f"{said}. {word('no_answer')}" if tally.shown and not right_answer(step) else said
