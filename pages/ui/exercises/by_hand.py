"""DIMAP by hand: the eight largest weights of a real layer, of which the learner scores two.

Next door: `dimap_core.studies.exercises` works out what is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from dimap_core.figures import by_hand
from dimap_core.studies import exercises
from dimap_core.types import PRJ

from ..look import theme
from ..session import View
from . import pictures

ASKED = (2, 5)  # rows whose scores are asked for; of the last one the sum, too
_SCALES = (1, 2, 10)


def draw(view: View, say: Callable[..., str], fields: Sequence[str], locked: bool = False) -> dict[str, Any]:
    """The picture, and those of its `fields` that are wanted: "hand_1", "hand_2", a score each, and "hand_scale", a
    factor for the whole layer.

    `say`: a text by its key in the learner's language; `locked`: nothing can be typed yet. Returns as facts `hand_1`,
    `hand_2` (as typed), `typed_1`, `typed_2` ("right", "wrong", "short" of digits, "unread", "" for nothing) and
    `scale`.
    """
    layer = next(layer for layer in view.anatomy.prunable if layer.module == PRJ)
    scale = float(st.session_state.get("hand_scale") or 1)
    lines = exercises.largest(np.float64(scale) * view.weights[layer.name])
    typed = [st.session_state.get(f"hand_{place}") or "" for place in (1, 2)]
    verdicts = [exercises.verdict(text, lines[row].score) for text, row in zip(typed, ASKED, strict=True)]
    asked = {row: verdict == "right" for row, verdict in zip(ASKED, verdicts, strict=True)}
    st.caption(say("hand_about", count=len(lines), all=f"{layer.size:,}", layer=layer.name))
    pictures.draw(lambda width: by_hand(lines, asked, ASKED[1:], layer.module, width, theme.look()))
    with st.container(horizontal=True, vertical_alignment="top"):
        for place, (row, verdict) in enumerate(zip(ASKED, verdicts, strict=True), 1):
            if f"hand_{place}" not in fields:
                continue
            with st.container(width=220):
                st.text_input(say("hand_score", row=row + 1), key=f"hand_{place}", disabled=locked)
                st.markdown(say(f"hand_{verdict}") if verdict else "")
        if "hand_scale" in fields:
            st.segmented_control(
                say("hand_scale"), _SCALES, default=1, key="hand_scale", format_func=lambda factor: f"× {factor}",
                required=True, disabled=locked,
            )  # fmt: skip
    named = enumerate(zip(typed, verdicts, strict=True), 1)
    facts = {f"{name}_{place}": one for place, pair in named for name, one in zip(("hand", "typed"), pair, strict=True)}
    return {**facts, "scale": scale}
