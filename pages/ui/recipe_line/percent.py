"""Percentages as a slider and as a field that is typed into. Next door: `ratios` says what they are percentages of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from ..look import formats
from . import control

STEPS = (*range(0, 100, 5), 98)


def slider(label: str, key: str, value: float, on_change: Callable[..., None], args: tuple = (), **more: Any) -> None:
    """In steps of 5 %, with the value in force beside them, which may have been typed elsewhere; `value`: 0..1."""
    percent = shown(value)
    options = sorted({*map(float, STEPS), percent})
    st.select_slider(
        label, options, percent, format_func=lambda v: f"{v:g} %", **control.filled(key, percent, on_change, *args),
        **more,
    )  # fmt: skip


def field(where: Any, label: str, key: str, value: float, taken: Callable[..., None], args: tuple = ()) -> None:
    """A field to type into; `taken(*args, percent)` is called with what was typed, if it is another percentage."""
    text = f"{shown(value):g}"
    where.text_input(
        label, text, label_visibility="collapsed", **control.filled(key, text, _typed, key, text, taken, args)
    )  # fmt: skip


def shown(value: float) -> float:
    """0..1 as the percentage that is on screen."""
    return round(100 * value, 1)


def _typed(key: str, before: str, taken: Callable[..., None], args: tuple) -> None:
    text = st.session_state[key]
    if text in (None, before):
        return
    try:
        percent = formats.percentage(text)
    except ValueError as error:
        st.session_state.notice = str(error)
    else:
        st.session_state.notice = None
        taken(*args, percent)
