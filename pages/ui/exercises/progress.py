"""What ends a step: facts are heard, the step ticks itself off. Next door: `facts` measures, `card` tells."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dimap_core.studies import Step, holds, met

from ..session import Tried, View, lesson
from . import facts

_ANSWERS = ("selected", "typed_")  # facts that a learner gives as an answer, right or wrong


def known() -> dict[str, Any]:
    """Facts of this step as far as they are known, and what earlier steps kept."""
    return lesson.learner().kept | st.session_state.lesson_facts | st.session_state.lesson_judged


def locked(step: Step) -> bool:
    """Whether a guess is still owed: the answer is not drawn, nothing can be moved."""
    me = lesson.learner()
    return step.guess is not None and me.at not in me.guesses


def reading(step: Step) -> bool:
    """Whether going on is all there is to do."""
    return step.guess is None and not step.done


def heard(view: View, point: Tried, settled: bool) -> None:
    """The live answer has news."""
    st.session_state.lesson_judged = facts.judged(point, settled)
    hear(facts.cut(view))


def hear(found: dict[str, Any]) -> None:
    """Facts have changed: tick the step off where they end it, and note a wrong try."""
    now, me = lesson.current(), lesson.learner()
    if now is None or me.at is None:
        return
    st.session_state.lesson_facts = {**st.session_state.lesson_facts, **found}
    _, step = now
    if me.at in me.results or locked(step) or reading(step) or st.session_state.get("passing") is not None:
        return
    every = known() | {"guess": me.guesses.get(me.at, "")}
    if met(step, every):
        lesson.tick(every)
        st.rerun()
    if me.at not in me.wrong and any(_wrong(step, name, every) for name in step.done):
        me.wrong.add(me.at)
        st.rerun()


def _wrong(step: Step, name: str, facts: dict[str, Any]) -> bool:
    """Whether an answer was given that is not the right one."""
    return name.startswith(_ANSWERS) and bool(facts.get(name)) and not holds(step.done[name], name, facts)
