"""How a long job stands, and the buttons that act on it. Next door: `recover` and `find` draw what their jobs made."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dimap_core.service import Jobs
from dimap_core.types import PruningError

from ..session import cache

BADGES = {
    "waiting": ":gray-badge[waiting for its turn]",
    "running": ":blue-badge[running]",
    "done": ":green-badge[done]",
    "failed": ":red-badge[failed]",
    "cancelled": ":gray-badge[stopped]",
    "interrupted": ":orange-badge[interrupted]",
}
"""A job's state on screen."""


def button(label: str, icon: str, act: Callable[[Jobs, str], object], token: str) -> None:
    """A button that does something to a job; what is refused becomes the notice."""
    key = f"{act.__name__}_{token}"
    st.button(label, key=key, icon=f":material/{icon}:", on_click=_do, args=(act, token))


def _do(act: Callable[[Jobs, str], object], token: str) -> None:
    try:
        act(cache.kept_jobs(), token)
    except PruningError as error:
        st.session_state.notice = str(error)
