"""The lessons' files: what every lesson has to have, in both languages."""

import re
from string import Formatter

import pytest
from pydantic import TypeAdapter, ValidationError

from dimap_core.studies import LANGUAGES, Lesson, all_lessons, lesson_words
from dimap_core.studies.lessons.facts import holds

STEPS = [pytest.param(step, id=f"{lesson.number}.{place}") for lesson in all_lessons()
         for place, step in enumerate(lesson.steps, start=1)]  # fmt: skip
MOST_WORDS = 60


def texts(step):
    """All of a step's texts that are not empty."""
    found = [step.title, step.text, step.hint, step.after]
    found += [step.guess.question, *(option.label for option in step.guess.options)] if step.guess else []
    return [text for text in found if text]


def test_lessons_count_from_one_and_have_three_to_seven_steps():
    assert [lesson.number for lesson in all_lessons()] == list(range(1, len(all_lessons()) + 1))
    assert len({lesson.key for lesson in all_lessons()}) == len(all_lessons())
    assert all(3 <= len(lesson.steps) <= 7 for lesson in all_lessons())


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_short_and_says_the_same_in_every_language(step):
    for text in texts(step):
        assert set(text) == set(LANGUAGES) and all(text.values())
        names = [{name for _, name, _, _ in Formatter().parse(told) if name} for told in text.values()]
        assert all(one == names[0] for one in names)
    assert all(len(re.findall(r"[^\W\d_]+|\d+", told)) <= MOST_WORDS + 12 for told in step.text.values())
    assert all(len(told.split()) <= MOST_WORDS for told in step.text.values())


@pytest.mark.parametrize("step", STEPS)
def test_a_step_asks_for_something_and_says_how_it_is_solved(step):
    assert bool(step.solution) == bool(step.guess or step.done)
    if step.guess is not None:
        keys = [option.key for option in step.guess.options]
        assert len(keys) == len(set(keys)) >= 2
        assert not step.guess.answer or step.guess.answer.startswith("@") or step.guess.answer in keys
        assert any("guess" in action for action in step.solution)


@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.key)
def test_what_a_step_refers_to_was_kept_before(lesson):
    kept = set()
    for step in lesson.steps:
        told = [*texts(step), {"": str([*step.done.values(), *step.claims.values()])}]
        for name in re.findall(r"[{@]([a-z0-9_]+)\.", " ".join(str(one) for text in told for one in text.values())):
            assert name in kept, f"{step.key} refers to {name}"
        kept |= {step.keep} - {""}


def test_a_key_that_is_not_known_is_a_mistake_of_the_file():
    with pytest.raises(ValidationError, match="aims"):
        TypeAdapter(Lesson).validate_python({"aims": {}})


def test_words_around_lessons_exist_in_every_language():
    assert all(set(text) == set(LANGUAGES) and all(text.values()) for text in lesson_words().values())
    for text in lesson_words().values():
        names = [{name for _, name, _, _ in Formatter().parse(told) if name} for told in text.values()]
        assert all(one == names[0] for one in names)


def test_a_written_answer_is_no_fact():
    for lesson in all_lessons():
        for step in lesson.steps:
            for name, wanted in step.claims.items():
                assert not holds(wanted, name, {}), "a claim holds without a measurement"
