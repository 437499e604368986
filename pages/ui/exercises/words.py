"""Labels and sentences that all lessons share, in the learner's language. They stand in assets/lessons/words.toml."""

from __future__ import annotations

from dimap_core.lessons import words

from ..session import lesson


def word(key: str, **filled: object) -> str:
    """A label or sentence that all lessons share, in the learner's language."""
    return words()[key][lesson.learner().language].format(**filled)
