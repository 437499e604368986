"""The plan's recipe, to copy, download or paste."""

from __future__ import annotations

import json

import streamlit as st

from ..session import state


def draw() -> None:
    """The recipe in force, and a place to paste another."""
    with st.expander("Recipe", icon=":material/receipt_long:"):
        text = json.dumps(state.current().recipe(), indent=1)
        st.code(text, language=None)
        st.download_button("Download", text, "recipe.json", "application/json", on_click="ignore", width="stretch")
        st.text_area("Paste a recipe", key="w_recipe", height=90, placeholder='{"version": 1, ...}')
        st.button("Load it", on_click=_load_recipe, width="stretch")


def _load_recipe() -> None:
    state.load_recipe(st.session_state.w_recipe)
