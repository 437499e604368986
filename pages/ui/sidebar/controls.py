"""The sidebar as a whole: the order of its controls, and the steps back.

Every control is filled from the setting before it is drawn; its callback replaces the setting.
"""

from __future__ import annotations

import streamlit as st

from ..session import state
from . import checkpoint, images, model, plan, ratios, recipe


def draw() -> None:
    """All controls, top to bottom."""
    with st.sidebar:
        model.draw()
        checkpoint.draw()
        images.draw()
        plan.units()
        plan.ranking()
        ratios.draw()
        plan.images()
        _steps_back()
        recipe.draw()


def _steps_back() -> None:
    left, right = st.columns(2, gap="xsmall")
    undo, redo = st.session_state.undo, st.session_state.redo
    left.button("Undo", shortcut="Ctrl+Z", on_click=state.back, width="stretch", disabled=not undo)
    right.button(
        "Redo", shortcut="Ctrl+Y", on_click=state.back, args=("redo", "undo"), width="stretch", disabled=not redo
    )
