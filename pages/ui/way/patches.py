"""The image in its patches, of which one is followed: by a click, by arrow keys, or by numbers.

Drawn by a component of plain SVG and JavaScript; where that can't load, numbers do. Next door: `choosing`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from dimap_core.types import Anatomy, Way

from ..look import TERMS
from ..session import followed, state
from . import asking

_HERE = Path(__file__).parent
_HTML = """
<div class="patches saved" role="listbox" tabindex="0" aria-activedescendant="patch">
  <div role="option" id="patch" aria-selected="true"></div>
  <svg aria-hidden="true"></svg>
</div>
"""
_COMPONENT = st.components.v2.component(
    "way_patches",
    html=_HTML,
    css=(_HERE / "patches.css").read_text(encoding="utf-8"),
    js=(_HERE / "patches.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # so that what saves a chart finds the image
)
_BEFORE = {"class": "the class token", "distillation": "the distillation token"}
_PATCH = "a patch"
_KEY = "way_patches"


def draw(anatomy: Anatomy, way: Way) -> None:
    """The image, and which token of it is followed."""
    grid, before, at = followed.patches(anatomy), followed.before_patches(anatomy), asking.token(anatomy)
    row, column = at
    said = _BEFORE[before[column]] if row < 0 else f"patch in row {row + 1}, column {column + 1}"
    data = {
        "picture": way.picture, "rows": grid[0], "columns": grid[1], "token": None if row < 0 else [row, column],
        "before": said, "label": f"The image in {grid[0]} by {grid[1]} patches; arrow keys follow another one",
    }  # fmt: skip
    _COMPONENT(key=_KEY, data=data, on_token_change=lambda: _take(state.heard(_KEY, "token"), grid))
    st.caption(f"Followed: **{said}**. Click another.", help=TERMS["token"])
    _by_name(before, grid, at)
    if row >= 0:
        with st.popover("Patch by number"):
            _by_number(grid, at)


def _take(chosen: Any, grid: tuple[int, int]) -> None:
    """Follow the patch that the browser names, if there is one."""
    if not isinstance(chosen, list) or len(chosen) != 2:
        return
    if all(isinstance(at, int) and 0 <= at < most for at, most in zip(chosen, grid, strict=True)):
        followed.change(token=tuple(chosen))


def _by_name(before: tuple[str, ...], grid: tuple[int, int], at: tuple[int, int]) -> None:
    """The tokens before the patches, or a patch."""
    if before:
        names = [_BEFORE[what] for what in before]
        place = [*names, _PATCH].index(state.fill("way_whose", names[at[1]] if at[0] < 0 else _PATCH))
        st.selectbox(
            "Token", [*names, _PATCH], place, key="way_whose", on_change=_take_name, args=(names, grid),
            label_visibility="collapsed",
        )  # fmt: skip


def _take_name(names: list[str], grid: tuple[int, int]) -> None:
    chosen = st.session_state.way_whose
    followed.change(token=(-1, names.index(chosen)) if chosen in names else (grid[0] // 2, grid[1] // 2))


def _by_number(grid: tuple[int, int], at: tuple[int, int]) -> None:
    """Row and column of the patch."""
    for what, most, place in zip(("row", "column"), grid, at, strict=True):
        key = f"way_{what}_{most}"  # of another model, a number may lie outside
        shown = state.fill(key, place + 1)
        st.number_input(f"Patch, {what}", 1, most, shown, key=key, on_change=_take_numbers, args=(grid,), width=120)


def _take_numbers(grid: tuple[int, int]) -> None:
    row, column = (st.session_state[f"way_{what}_{most}"] for what, most in zip(("row", "column"), grid, strict=True))
    followed.change(token=(row - 1, column - 1))
