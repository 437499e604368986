"""Controls that show the setting: under which key one is drawn, and whether what it sends still counts.

A closed chip's controls are not in the browser's page, but it goes on sending what they showed last: an undo would undo
itself. So a control whose value was changed by anything but itself is drawn anew, under the next number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st


def filled(name: str, value: Any, on_change: Callable[..., None], *args: Any) -> dict[str, Any]:
    """Key and callback of a control that is drawn with `value`; in the session's state `name` is what it shows."""
    numbers = st.session_state.setdefault("numbers", {})
    if st.session_state.get(_key(name), value) != value:
        numbers[name] = numbers.get(name, 0) + 1
    st.session_state[name] = value
    return {"key": _key(name), "on_change": _moved, "args": (name, _key(name), on_change, args)}


def _key(name: str) -> str:
    return f"{name}-{st.session_state.numbers.get(name, 0)}"


def _moved(name: str, key: str, on_change: Callable[..., None], args: tuple) -> None:
    if key == _key(name):
        st.session_state[name] = st.session_state[key]
        on_change(*args)
