"""What is drawn beside a step's words, by the name that the step gives: the real model, with the controls it needs.

A figure tells what the learner did on it beside the setting, as facts. Next door: `progress` hears them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from dimap_core.lessons import Step

from ..live import answer, model_map, streaming
from ..recipe_line import line
from ..session import View
from . import by_hand, card, facts, fit, progress, thresholds, truth

Figure = Callable[[View, Step, bool], dict[str, Any]]


def draw(view: View, step: Step, below: Any) -> None:
    """The step's figure; while a guess is owed nothing can be moved and no answer is drawn.

    `below`: the container under the step's words, where what a cut answers stands.
    """
    locked = progress.locked(step)
    if not locked and (chips := [name for name in step.controls if not name.startswith("hand_")]):
        line.controls(chips)
    st.session_state.lesson_judged = {}  # what was heard of another cut holds no more
    progress.hear(facts.cut(view))
    progress.hear(FIGURES[step.figure](view, step, locked))
    if step.figure in ANSWERED and not locked:
        with below, st.container(key="live_answer_room"):
            answer.draw()
            streaming.draw(progress.heard, plot=False)


def _map(view: View, step: Step, locked: bool) -> dict[str, Any]:
    """The model with its sliders."""
    with st.container(key="live_map_room"):
        model_map.draw(view, locked)
    return {}


def _distribution(view: View, step: Step, locked: bool) -> dict[str, Any]:
    """How large the weights of each stage are, and the threshold that takes the smallest."""
    thresholds.draw(view, locked)
    return {}


FIGURES: dict[str, Figure] = {
    "map": _map,
    "distribution": _distribution,
    "by_hand": lambda view, step, locked: by_hand.draw(view, card.word, step.controls, locked),
    "truth": lambda view, step, locked: truth.draw(view, card.word, locked),
    "fit": lambda view, step, locked: fit.draw(card.word, locked),
}
"""To add one: a function here, in a file of its own where it is more than a few lines."""
ANSWERED = ("map", "distribution")
"""Those that move a cut: what it answers stands under the words."""
