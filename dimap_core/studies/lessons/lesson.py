"""What a lesson is made of. Texts are tables by language; places within a lesson count from 1, as on screen.

Next door: `reading` fills these from files, `facts` says when a step is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

Text = Mapping[str, str]
"""The same words by language, "en" and "de"; may hold names of facts in braces."""
Wanted = list[float] | bool | str
"""What a fact has to be: within [low, high], true or false, a text, "@other" (equal to another fact), "< @other" or
"> @other"."""


class _Strict:
    """A key that is not known is a mistake of the file."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


@dataclass(frozen=True)
class Option(_Strict):
    """An answer that can be chosen; `key` is what facts call it."""

    key: str
    label: Text


@dataclass(frozen=True)
class Guess(_Strict):
    """What the learner commits to before the answer is drawn; `answer`: the right option's key, "@fact" for one that is
    measured, "" where none is right."""

    question: Text
    options: list[Option]
    answer: str = ""


@dataclass(frozen=True)
class Step(_Strict):
    """One idea: at most 60 words, the state that it starts from, and what ends it.

    `start`: the state as a link's query string. `figure`: what is drawn beside the words, `controls`: chips of the
    recipe line that are in sight, `other`: a second state, which the figure compares the first one with. `done`: what
    facts must be; empty: the guess, or reading, is enough. `keep`: under which name later steps know this one's facts.
    `terms`: words of the glossary. `solution`: what a test does to solve it, `claims`: what it then finds true of the
    numbers.
    """

    key: str
    title: Text
    text: Text
    start: str
    figure: str = "map"
    controls: list[str] = field(default_factory=list)
    other: str = ""
    guess: Guess | None = None
    done: dict[str, Wanted] = field(default_factory=dict)
    hint: Text = field(default_factory=dict)
    after: Text = field(default_factory=dict)
    keep: str = ""
    terms: list[str] = field(default_factory=list)
    solution: list[dict[str, Any]] = field(default_factory=list)
    claims: dict[str, Wanted] = field(default_factory=dict)


@dataclass(frozen=True)
class Lesson(_Strict):
    """Steps under a title; for teachers how long it takes (`minutes`), what it is for (`aim`), what learners get wrong
    (`mistakes`) and what to ask them then (`ask`)."""

    number: int
    key: str
    minutes: int
    title: Text
    aim: Text
    mistakes: Text
    ask: Text
    steps: list[Step]
