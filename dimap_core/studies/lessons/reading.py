"""Lessons and the words around them from their files, checked once. Next door: `lesson` says what they are made of."""

from __future__ import annotations

import tomllib
from functools import cache

from pydantic import TypeAdapter

from ...types import ASSETS
from .lesson import Lesson, Text

LANGUAGES = {"en": "English", "de": "Deutsch"}
_FOLDER = ASSETS / "lessons"
_WORDS = "words.toml"


@cache
def all_lessons() -> tuple[Lesson, ...]:
    """All lessons in order of their numbers."""
    files = [file for file in _FOLDER.glob("*.toml") if file.name != _WORDS]
    read = [TypeAdapter(Lesson).validate_python(tomllib.loads(file.read_text(encoding="utf-8"))) for file in files]
    return tuple(sorted(read, key=lambda lesson: lesson.number))


@cache
def lesson_words() -> dict[str, Text]:
    """Labels and sentences that every lesson shares, by key."""
    text = (_FOLDER / _WORDS).read_text(encoding="utf-8")
    return TypeAdapter(dict[str, Text]).validate_python(tomllib.loads(text))
