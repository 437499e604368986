"""How the board says things: its words and numbers in the session's language."""

from __future__ import annotations

from ..session import classroom, lesson


def language() -> str:
    """ "en" or "de"."""
    return lesson.learner().language


def word(key: str, **filled: object) -> str:
    """A label or sentence of the board."""
    return classroom.word("board", key, **filled)


def number(text: str) -> str:
    """A number as the language writes it."""
    return text.translate(str.maketrans(",.", ".,")) if language() == "de" else text
