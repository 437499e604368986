"""A unit refitted by hand: two sliders for the two weights that stay, and how near its output comes to what it was.

Next door: `dimap_core.studies.exercises` has the unit and its best values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import streamlit as st

from dimap_core.figures import fitted
from dimap_core.studies import exercises

from ..look import theme
from . import pictures

NEAR = 0.95  # of what can be won back: from there on the least possible is drawn
_STEP = 0.005


def draw(say: Callable[..., str], locked: bool = False) -> dict[str, Any]:
    """The picture and the sliders.

    `say`: a text by its key in the learner's language; `locked`: nothing can be moved yet. Returns as facts `fit_1`,
    `fit_2` (the values), `fit_lost`, `fit_start`, `fit_least` (shares of the output's variance that are lost now, at
    first, at the least) and `fit_gained` (of what can be won back, 0..1; below 0 worse than at first).
    """
    unit = exercises.read()
    start = [_STEP * round(value / _STEP) for value in unit.kept]
    first, second = (st.session_state.get(f"fit_{place}", value) for place, value in enumerate(start, 1))
    before, now, least = map(unit.error, (unit.kept, (first, second), unit.best))
    gained = unit.gained((first, second))
    st.caption(
        say("fit_about", unit=unit.unit + 1, layer=unit.layer, model=unit.model, gone=unit.of - 2, of=unit.of,
            n=len(unit.y), before=_percent(unit.middle[0]), after=_percent(unit.middle[1]))
    )  # fmt: skip
    words = say("fit_dense"), say("fit_pruned"), say("fit_lost")
    made = unit.made((first, second)).tolist()
    lost = before, now, least if gained >= NEAR else None
    pictures.draw(lambda width: fitted(unit.centred[1].tolist(), made, lost, words, width, theme.look()))
    reach = math.ceil(15 * max(map(abs, (*unit.kept, *unit.best)))) / 10
    for place, value in enumerate(start, 1):
        label = say("fit_weight", place=place, was=f"{unit.kept[place - 1]:.3f}".replace("-", "−"))
        st.slider(label, -reach, reach, value, _STEP, "%.3f", key=f"fit_{place}", disabled=locked)
    return {
        "fit_1": first, "fit_2": second, "fit_lost": now, "fit_start": before, "fit_least": least, "fit_gained": gained,
    }  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
