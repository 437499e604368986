"""The board's words in the language of its address."""

from __future__ import annotations

from dimap_core.lessons import class_words

from ..session import lesson


def language() -> str:
    """ "en" or "de"."""
    return lesson.learner().language


def word(key: str, **filled: object) -> str:
    """A label or sentence of the board."""
    return class_words("board")[key][language()].format(**filled)


def number(text: str) -> str:
    """A number as the language writes it."""
    return text.translate(str.maketrans(",.", ".,")) if language() == "de" else text
