"""The game of lesson 9: half of the MACs have to go, stage by stage, and the best accuracy wins.

A cut counts once it was judged on all images, keeps to the budget and was made stage by stage by the learner; what is
kept of it is the session's alone, and goes to its class where it is in one.
Next door: `session.lesson` keeps the tries.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from dimap_core.figures import Interval
from dimap_core.types import AccuracyEstimate

from ..look import formats
from ..session import Setting, Tried, View, classroom, lesson
from . import pictures, words

_SHOWN = 5  # of the best tries


def draw(view: View, point: Tried, settled: bool, start: Setting) -> None:
    """How far the cut is from its budget, the best tries so far; a cut that counts is taken down.
    `start`: the step's own cut, which is nobody's try."""
    saved = formats.removed(view.cost.total, "macs")
    meets = view.cost.total.macs_after <= classroom.BUDGET * view.cost.total.macs
    own = point.setting != start and bool(point.setting.plan.overrides) and not point.passing
    if settled and meets and own and point.estimate is not None:
        _taken(point.setting, point.estimate)
    key = "game_meets" if meets else "game_more"
    st.markdown(words.word(key, saved=f"{100 * saved:.1f} %", budget=f"{100 * (1 - classroom.BUDGET):.0f} %"))
    tries = list(lesson.learner().tries.items())
    if not tries:
        return
    order = sorted(range(len(tries)), key=lambda place: -tries[place][1].top1.value)[:_SHOWN]
    rows = [_row(place, tries[place][1], first=place == order[0]) for place in order]
    pictures.rows(rows, formats.share, within=(0, 1), beside=True)


def _taken(setting: Setting, estimate: AccuracyEstimate) -> None:
    me = lesson.learner()
    me.tries[setting] = estimate
    if me.at is not None:
        classroom.scored(*me.at, setting, estimate)


def _row(place: int, estimate: AccuracyEstimate, first: bool) -> Interval:
    share = estimate.top1
    note = words.word("game_best") if first else ""
    return Interval(words.word("game_try", number=place + 1), share.value, share.low, share.high, note)


def best() -> Setting | None:
    """The try with the highest accuracy."""
    tries = lesson.learner().tries
    return max(tries, key=lambda setting: tries[setting].top1.value, default=None)


def facts() -> dict[str, Any]:
    """How many tries count, and the best one's accuracy."""
    tries, first = lesson.learner().tries, best()
    if first is None:
        return {"tries": 0}
    share = tries[first].top1
    return {"tries": len(tries), "best": share.value, "best_low": share.low, "best_high": share.high}
