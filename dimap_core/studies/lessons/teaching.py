"""What a class needs: its plan, what is asked where and the right answers, words of the teachers' page and the board.

Next door: `reading` has the lessons, and the words around them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from pydantic import TypeAdapter

from ...types import ASSETS
from .lesson import Step, Text
from .reading import all_lessons

_FOLDER = ASSETS / "lessons" / "class"


@dataclass(frozen=True)
class PlanRow:
    """A part of the class: how many `minutes`, what the teacher is `doing`, and the number of the `lesson` that the
    learners do meanwhile, 0 for none; its `title` is the lesson's, where that is written."""

    minutes: int
    doing: Text
    lesson: int = 0
    title: Text = field(default_factory=dict)


@cache
def class_plan() -> tuple[PlanRow, ...]:
    """The class, part after part."""
    found = tomllib.loads((_FOLDER / "plan.toml").read_text(encoding="utf-8"))
    titles = {one.number: one.title for one in all_lessons()}
    rows = TypeAdapter(list[PlanRow]).validate_python(found["plan"])
    return tuple(replace(row, title=titles.get(row.lesson, row.title)) for row in rows)


@cache
def class_words(page: Literal["board", "teachers"]) -> dict[str, Text]:
    """Labels and sentences of a page of the class's, by key."""
    found = tomllib.loads((_FOLDER / f"{page}.toml").read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, Text]).validate_python(found)


def asking(lesson: int, step: int) -> Step | None:
    """The step at that place, both from 1, if there is one and it asks for a guess."""
    steps = next((one.steps for one in all_lessons() if one.number == lesson), [])
    found = steps[step - 1] if 0 < step <= len(steps) else None
    return found if found is not None and found.guess is not None else None


def right_answer(step: Step) -> str:
    """The key of the right option of a step's guess as its claims foretell what will be measured; "" where none is, or
    it depends on what the learner did."""
    answer = step.guess.answer if step.guess else ""
    return str(step.claims.get(answer[1:], "")) if answer.startswith("@") else answer
