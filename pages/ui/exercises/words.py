"""Labels and sentences that all lessons share, in the learner's language. They stand in assets/lessons/words.toml."""

from __future__ import annotations

from dimap_core.studies import lesson_words

from ..session import lesson


def word(key: str, **filled: object) -> str:
    """A label or sentence that all lessons share, in the learner's language."""
    return lesson_words()[key][lesson.learner().language].format(**filled)
