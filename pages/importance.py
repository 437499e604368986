"""Importance: where does it lie, do the criteria agree, and what does each part of the model bear?"""

from __future__ import annotations

import streamlit as st

from pages.ui.importance import blocks, criteria, sensitivity
from pages.ui.look import frame
from pages.ui.parts import header

PARTS = {
    "blocks": ("Where it lies", blocks.draw),
    "criteria": ("Criteria compared", criteria.draw),
    "sensitivity": ("Sensitivity", sensitivity.draw),
}


def main() -> None:
    """The part that was chosen."""
    view = header.begin()
    if view is None:
        return
    chosen = st.segmented_control(
        "Part of the page", list(PARTS), default="blocks", key="importance_part", required=True,
        format_func=lambda part: PARTS[part][0], persist_state="session", label_visibility="collapsed",
    )  # fmt: skip
    PARTS[chosen or "blocks"][1](view)


frame.enter()
main()
