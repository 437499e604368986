"""The session's class: its name, and the guesses and scores that it sends there, under a token of the browser's.

The class store bounds what it takes; what it refuses becomes a notice. Next door: `state` keeps the name in the link.
"""

from __future__ import annotations

import secrets
from itertools import cycle
from typing import Literal

import streamlit as st

from dimap_core.measure import predictions
from dimap_core.plan import to_recipe
from dimap_core.studies import asking, class_words
from dimap_core.types import AccuracyEstimate, PruningError

from . import cache, lesson as lessons, opened, requests, state
from .setting import Setting

BUDGET = 0.5
"""Of the dense model's MACs: what a cut in the game may keep."""
_COOKIE = "_streamlit_xsrf"


def name() -> str | None:
    """The class that the session is in."""
    return st.session_state.in_class


def word(page: Literal["board", "teachers"], key: str, **filled: object) -> str:
    """A label or sentence of a page of the class's, in the session's language."""
    return class_words(page)[key][lessons.learner().language].format(**filled)


def guessed(lesson: int, step: int, option: str, after: bool) -> bool:
    """Send a guess, once for each time that one is given; `after`: the learner has seen the answer. Whether it was
    taken."""
    joined, asked = name(), asking(lesson, step)
    if joined is None or asked is None or asked.guess is None:
        return False
    if option not in [one.key for one in asked.guess.options]:  # a browser may send what was never shown
        return False
    try:
        cache.kept_classes().guess(joined, token(), (lesson, step), option, after)
    except PruningError as error:
        st.session_state.notice = str(error)
        return False
    return True


def scored(lesson: int, step: int, setting: Setting, estimate: AccuracyEstimate) -> bool:
    """Send what a cut got right in the game, once for each cut; whether it was taken.

    It counts only as this server's worker judged it, on all images, and within the budget by the counts of the view;
    the browser has no say in any of these.
    """
    joined, key = name(), (name(), lesson, step, setting)
    sent = st.session_state.setdefault("class_sent", set())
    if joined is None or key in sent or setting != state.current() or setting.judged != Setting().judged:
        return False
    view = opened.view()
    if view is None or view.cost.total.macs_after > BUDGET * view.cost.total.macs:
        return False
    ticket = requests.known(view, "live", {"kind": "evaluate", "recipe": to_recipe(setting.plan)})
    last = ticket.last if ticket is not None and ticket.done else None
    if not last or "right" not in last or (last["n"], last["cues"]["joint"]["correct"]) != _counted(estimate):
        return False
    try:
        answers = predictions.unpacked(last["right"], last["n"])
        cache.kept_classes().score(joined, token(), (lesson, step), answers)
    except PruningError as error:
        st.session_state.notice = str(error)
        return False
    sent.add(key)
    return True


def _counted(estimate: AccuracyEstimate) -> tuple[int, int]:
    return estimate.n, estimate.top1.correct


def token() -> str:
    """The browser's own, which a reload keeps: what Streamlit's cookie against forged requests holds behind its mask
    ("2|mask|masked|time"); where there is no such cookie, one of the session."""
    try:
        _, mask, masked, since = st.context.cookies.get(_COOKIE, "").split("|")
        key = cycle(bytes.fromhex(mask))
        return bytes(byte ^ next(key) for byte in bytes.fromhex(masked)).hex() + since
    except (ValueError, StopIteration):
        mine: str = st.session_state.setdefault("class_token", secrets.token_hex(16))
        return mine
