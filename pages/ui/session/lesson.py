"""Where a session is in the lessons, what it did there, and its own work, put aside meanwhile and given back.

A lesson moves the session's real setting: while one runs, `state` holds the lesson's, and the address says the step
instead. Next door: `state`; pages/ui/learn draws.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dimap_core.studies import LANGUAGES, Facts, Lesson, Step, all_lessons, lesson_words
from dimap_core.types import AccuracyEstimate

from . import links, state
from .setting import Setting
from .sight import Sight

Place = tuple[int, int]
"""A lesson's number and a step of it, both from 1."""
_OWN = (
    "setting",
    "undo",
    "redo",
    "history",
    "story",
    "story_title",
    "mode",
    "selected",
    "cue",
    "axis",
    "zoom",
    "notice",
)
_FIGURES = ("hand_", "fit_", "lesson_ratio", "guess_")
"""How keys begin under which figures keep what was typed and moved there."""
_NUMBER = re.compile(r"[1-9]\d?")
_DONE = re.compile(r"(\d)\.(\d+)")


@dataclass
class Learner:
    """`at`: where it is, None: in no lesson; `last`: where it was when it left. Results are the facts of a step when it
    was done, `kept` the same by the names that steps give them, `aside` the session's own work; `tries` those of the
    game that met its budget.

    `sandbox`: that is shown instead of the list.
    """

    at: Place | None = None
    last: Place | None = None
    language: str = "en"
    done: set[Place] = field(default_factory=set)
    guesses: dict[Place, str] = field(default_factory=dict)
    results: dict[Place, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    wrong: set[Place] = field(default_factory=set)
    aside: dict[str, Any] | None = None
    sandbox: bool = False
    tries: dict[Setting, AccuracyEstimate] = field(default_factory=dict)


def learner() -> Learner:
    """This session's; made from the address when first asked."""
    if "learner" not in st.session_state:
        st.session_state.learner = Learner()
        _arrive(st.session_state.learner)
    found: Learner = st.session_state.learner
    return found


def _arrive(me: Learner) -> None:
    params = st.query_params
    me.language = params.get("lang", "en") if params.get("lang", "en") in LANGUAGES else "en"
    every = {(lesson.number, place) for lesson in all_lessons() for place in range(1, len(lesson.steps) + 1)}
    for number, steps in _DONE.findall(params.get("done", "")):
        me.done |= {(int(number), int(step)) for step in steps} & every
    me.sandbox = params.get("sandbox") == "1"
    if "lesson" in params:
        place = _asked(params)
        if place is None:
            st.session_state.notice = "There is no such lesson or step; choose one here."
        else:
            enter(place)


def _asked(params: Mapping[str, str]) -> Place | None:
    """The place that an address names, its first step where it names none; None where there is no such place."""
    number, step = params.get("lesson", ""), params.get("step", "1")
    if not (_NUMBER.fullmatch(number) and _NUMBER.fullmatch(step)):
        return None
    place = int(number), int(step)
    return place if any(place[0] == one.number and place[1] <= len(one.steps) for one in all_lessons()) else None


def follow(on_page: bool) -> bool:
    """At the start of a run: leave a lesson with its page, follow the browser's Back and Forward within one. Whether
    the lessons' page has to be opened, since an address led to a lesson from another one."""
    fresh = "learner" not in st.session_state
    me = learner()
    if not on_page:
        if me.at is not None and fresh:
            return True
        leave()
        return False
    run = get_script_run_ctx()
    if run is not None and run.is_history_navigation:
        place = _asked(dict(st.query_params.items())) if "lesson" in st.query_params else None
        leave() if place is None else enter(place)
    return False


def enter(place: Place) -> None:
    """Put in force exactly what a step starts from; the session's own work is put aside once."""
    me = learner()
    if me.aside is None:
        me.aside = {key: st.session_state.get(key) for key in _OWN}
    me.at = me.last = place
    setting, sight = start_of(_step(place))
    st.session_state.update(history=[], story=(), story_title="", undo=[], redo=[], notice=None, passing=None)
    st.session_state.update(lesson_facts={}, lesson_judged={})
    for key in [key for key in st.session_state if str(key).startswith(_FIGURES)]:
        del st.session_state[key]
    state.arrive(setting)
    state.look(sight)


def afresh(number: int) -> None:
    """A lesson from its first step, as if it had never been tried."""
    me = learner()
    for places in (me.done, me.wrong):
        places -= {place for place in places if place[0] == number}
    for answers in (me.guesses, me.results):
        for place in [place for place in answers if place[0] == number]:
            del answers[place]
    enter((number, 1))


def start_of(step: Step) -> tuple[Setting, Sight]:
    """The state that a step starts from."""
    return links.from_url(dict(parse_qsl(step.start)))


def other_of(step: Step) -> Setting:
    """The state that a step compares its own with."""
    return links.from_url(dict(parse_qsl(step.other)))[0]


def leave() -> None:
    """Give the session its own work back."""
    me = learner()
    me.at = None
    if me.aside is not None:
        st.session_state.update(me.aside)
        me.aside = None


def current() -> tuple[Lesson, Step] | None:
    """The lesson and the step that the session is in."""
    place = learner().at
    return None if place is None else (_lesson(place), _step(place))


def following() -> Lesson | None:
    """The lesson after the one that the session is in."""
    me = learner()
    return next((one for one in all_lessons() if me.at is not None and one.number > me.at[0]), None)


def _lesson(place: Place) -> Lesson:
    return next(one for one in all_lessons() if one.number == place[0])


def _step(place: Place) -> Step:
    return _lesson(place).steps[place[1] - 1]


def tick(facts: Facts) -> None:
    """The step is done, and these were the facts."""
    me = learner()
    if me.at is None:
        return
    me.done.add(me.at)
    me.results[me.at] = dict(facts)
    if name := _step(me.at).keep:
        me.kept |= {f"{name}.{key}": value for key, value in facts.items() if "." not in key}


def to_link() -> dict[str, str]:
    """What the address says of the lessons: place, progress, language."""
    me = learner()
    told = {} if me.at is None else {"lesson": str(me.at[0]), "step": str(me.at[1])}
    if me.sandbox and me.at is None:
        told["sandbox"] = "1"
    numbers = sorted({number for number, _ in me.done})
    done = (f"{one}." + "".join(str(step) for of, step in sorted(me.done) if of == one) for one in numbers)
    if me.done:
        told["done"] = "~".join(done)
    return told if me.language == "en" else told | {"lang": me.language}


def drawn_words() -> dict[str, str]:
    """What the drawing and its answer write instead of their English phrases: nothing outside of lessons."""
    language = learner().language
    if learner().at is None or language == "en":
        return {}
    return {text["en"]: text[language] for key, text in lesson_words().items() if key.startswith("drawn_")}


def title() -> str:
    """What stands above the page while a lesson runs; "" in none."""
    now = current()
    return "" if now is None else now[0].title[learner().language]
