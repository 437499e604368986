"""What the dense model's own answers say against the images that someone chose, and the way to put it right.

Next door: `streaming` has it from the worker, `recipe_line.images` lets classes be set by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from ..look import formats
from ..session import state


def draw(doubt: Mapping[str, Any]) -> None:
    """A sentence and, where another order of classes fits better, a button that puts it in force."""
    st.warning(formats.plain(doubt["told"]), icon=":material/category:")
    if doubt["classes"]:
        st.button("Use that order", key="use_order", on_click=_use, args=(doubt["classes"],))


def _use(classes: Mapping[str, int]) -> None:
    """Set these folders' classes as by hand."""
    setting = state.current()
    state.go(replace(setting, classes=tuple(sorted((dict(setting.classes) | classes).items()))))
