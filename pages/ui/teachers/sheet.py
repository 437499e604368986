"""The sheet to print, two pages: one to hand out, with the questions of the plan's lessons, and one for the desk."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

import streamlit as st

from dimap_core.studies import Lesson, Step, all_lessons, class_plan

from .lessons import answer
from .opening import current
from .plan import table
from .words import address, language, word

_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
_PRINT = """
<script>
for (const button of document.querySelectorAll("#print-sheet")) button.onclick = () => window.print();
</script>
"""


def draw() -> None:
    """The button and both pages, as they come out of the printer."""
    st.header(word("sheet"), anchor=False)
    button = f'<button id="print-sheet" type="button">{escape(word("print"))}</button>{_PRINT}'
    st.html(button, unsafe_allow_javascript=True)
    st.html(f'<style>{_STYLE}</style><div class="sheet">{_handout()}{_desk()}</div>')


def _handout() -> str:
    """For learners: questions to be guessed, and room for what they saw."""
    joined, _ = address("learn", **{"class": current()})
    blocks = "".join(_questions(one) for one in _taught())
    return (
        f"<section><h2>{escape(word('handout'))}</h2><p>{escape(word('handout_told', address=joined))}</p>{blocks}"
        f"<p class=line>{escape(word('learned'))}</p></section>"
    )


def _questions(one: Lesson) -> str:
    spoken = language()
    asked = "".join(_question(step) for step in _guessed(one))
    return f"<h3>{one.number} · {escape(one.title[spoken])}</h3>{asked}" if asked else ""


def _question(step: Step) -> str:
    spoken, guess = language(), step.guess
    if guess is None:
        return ""
    options = "".join(f"<li>☐ {escape(option.label[spoken])}</li>" for option in guess.options)
    question, saw = escape(guess.question[spoken]), escape(word("saw"))
    return f"<p><b>{question}</b></p><ul>{options}<li class=line>{saw}</li></ul>"


def _desk() -> str:
    """For the teacher: the plan, and what to ask with the answers."""
    spoken = language()
    rows = "".join(
        f"<h3>{one.number} · {escape(one.title[spoken])}</h3>"
        f"<p><b>{escape(word('mistakes'))}:</b> {escape(one.mistakes[spoken])} "
        f"<b>{escape(word('ask'))}:</b> {escape(one.ask[spoken])}</p><p><b>{escape(word('answers'))}:</b> "
        + "; ".join(f"{escape(step.title[spoken])}: {escape(answer(step))}" for step in _guessed(one))
        + "</p>"
        for one in _taught()
    )
    return f"<section><h2>{escape(word('desk'))}</h2>{table()}{rows}</section>"


def _taught() -> Iterator[Lesson]:
    """The lessons of the plan, in its order."""
    known = {one.number: one for one in all_lessons()}
    return (known[row.lesson] for row in class_plan() if row.lesson in known)


def _guessed(one: Lesson) -> list[Step]:
    return [step for step in one.steps if step.guess is not None]
