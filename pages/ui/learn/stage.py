"""What is drawn beside a step's words, by the name that the step gives: the real model, with the controls it needs.

A figure tells what the learner did on it beside the setting, as facts. Next door: `progress` hears them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from dimap_core.studies import Step
from dimap_core.types import PruningPlan

from ..exercises import (
    by_hand,
    cues,
    cuts,
    facts,
    fit,
    game,
    progress,
    samples,
    thresholds,
    timing,
    truth,
    versus,
    words,
)
from ..live import answer, model_map, streaming
from ..recipe_line import line
from ..session import Tried, View, lesson, state

Figure = Callable[[View, Step, bool], dict[str, Any]]
# On a phone the map's own strip says what the answer does; readers still hear it.
_STRIP = """
<style>
@media (max-width: 640px) {
  .st-key-live_drawn { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
}
</style>
"""


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
        with below:
            _answer(step)


def _map(view: View, step: Step, locked: bool) -> dict[str, Any]:
    """The model with its sliders."""
    st.html(_STRIP)
    with st.container(key="live_map_room"):
        model_map.draw(view, locked)
    return {}


def _distribution(view: View, step: Step, locked: bool) -> dict[str, Any]:
    """How large the weights of each stage are, and the threshold that takes the smallest."""
    thresholds.draw(view, locked)
    return {}


def _game(view: View, step: Step, locked: bool) -> dict[str, Any]:
    """The model with its sliders, and what was played so far."""
    return _map(view, step, locked) | game.facts()


def _told_by_cue(view: View, point: Tried, settled: bool, step: Step) -> None:
    """How often each cue is right."""
    if point.estimate is not None:
        cues.draw(point.estimate)


def _played(view: View, point: Tried, settled: bool, step: Step) -> None:
    """The budget and the tries."""
    game.draw(view, point, settled, lesson.start_of(step)[0])
    progress.hear(game.facts())


def _versus(view: View, step: Step, locked: bool) -> dict[str, Any]:
    """The step's cut against its other one."""
    return _compared(view, lesson.other_of(step).plan, locked)


def _against_best(view: View, step: Step, locked: bool) -> dict[str, Any]:
    """The step's cut against the learner's best, or, where there is none, against the step's other one."""
    mine = game.best()
    names = ("game_app", "game_mine" if mine else "game_uniform")
    return game.facts() | _compared(view, (mine or lesson.other_of(step)).plan, locked, names)


def _compared(view: View, other: PruningPlan, locked: bool, names: tuple[str, str] = versus.NAMES) -> dict[str, Any]:
    """Two cuts: what is measured of both, and what they leave."""
    versus.draw(view, other, locked, names)
    cuts.draw(view, dict(zip(map(words.word, names), (state.current().plan, other), strict=True)))
    return {}


def _timed(view: View, step: Step, locked: bool) -> dict[str, Any]:
    """How long the cut takes here."""
    timing.draw(view, locked)
    cuts.draw(view, {"": state.current().plan})
    return {}


def _sampled(sizes: bool) -> Figure:
    """Draws of images: many of one size, or one of each size."""

    def drawn(view: View, step: Step, locked: bool) -> dict[str, Any]:
        samples.draw(view, locked, sizes)
        cuts.draw(view, {"": state.current().plan})
        return {}

    return drawn


def _answer(step: Step) -> None:
    """What the cut answers, and what the figure adds to it."""
    more = ANSWERED[step.figure]

    def news(view: View, point: Tried, settled: bool) -> None:
        if more is not None:
            more(view, point, settled, step)
        progress.heard(view, point, settled)

    with st.container(key="live_answer_room"):
        above = st.container()
        answer.draw()
        below = st.container()
        with above if step.figure == "cues" else below:  # cues are its answer, tries are what came before
            streaming.draw(news, plot=False)


FIGURES: dict[str, Figure] = {
    "map": _map,
    "distribution": _distribution,
    "by_hand": lambda view, step, locked: by_hand.draw(view, words.word, step.controls, locked),
    "truth": lambda view, step, locked: truth.draw(view, words.word, locked),
    "fit": lambda view, step, locked: fit.draw(words.word, locked),
    "cues": _map,
    "game": _game,
    "versus": _versus,
    "against_best": _against_best,
    "latency": _timed,
    "samples": _sampled(sizes=False),
    "sizes": _sampled(sizes=True),
}
"""To add one: a function here, in a file of its own where it is more than a few lines."""
ANSWERED: dict[str, Callable[[View, Tried, bool, Step], None] | None] = {
    "map": None,
    "distribution": None,
    "cues": _told_by_cue,
    "game": _played,
}
"""Those that move a cut: what it answers stands under the words, and what is drawn anew with it."""
