"""Importance: where does it lie, do the criteria agree, and what does each part of the model bear?"""

from __future__ import annotations

import streamlit as st

from pages.ui import frame, importance_blocks, importance_criteria, importance_sensitivity, widgets

PARTS = {
    "blocks": ("Where it lies", importance_blocks.draw),
    "criteria": ("Criteria compared", importance_criteria.draw),
    "sensitivity": ("Sensitivity", importance_sensitivity.draw),
}


def main() -> None:
    """The part that was chosen."""
    view = widgets.opened()
    if view is None:
        return
    chosen = st.segmented_control(
        "Part of the page", list(PARTS), default="blocks", key="importance_part", required=True,
        format_func=lambda part: PARTS[part][0], persist_state="session", label_visibility="collapsed",
    )  # fmt: skip
    PARTS[chosen or "blocks"][1](view)


frame.enter()
main()
