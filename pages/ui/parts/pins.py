"""Pins: cuts kept as A or B, which Prune compares. On Prune the cut in force is kept, on Find the one found."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ..session import Setting, Tried

NAMES = "AB"


def button(pin: str, key: str, keep: Callable[..., None], *of: object, disabled: bool = False) -> None:
    """The button that calls `keep(pin, *of)`."""
    st.button(f"Pin this cut as {pin}", key=key, on_click=keep, args=(pin, *of), disabled=disabled)


def keep(pin: str, tried: Tried) -> None:
    """Keep a tried cut as A or B."""
    st.session_state.pins = {**st.session_state.pins, pin: tried}


def is_kept(pin: str, setting: Setting) -> bool:
    """Whether that setting is the one kept."""
    kept = st.session_state.pins.get(pin)
    return kept is not None and kept.setting == setting


def clear() -> None:
    """Forget tried points and pins."""
    st.session_state.pins, st.session_state.history = {}, []
