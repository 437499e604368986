"""The line as it is drawn: the sentence with its chips, the steps back, and a place for what the page tells of the cut.

Controls are filled from the setting before they are drawn; their callbacks replace the setting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from ..look import TERMS, formats
from ..session import state
from ..story import keep
from . import checkpoint, images, model, plan, ratios, recipe, sentence

_CSS = """
<style>
.st-key-line_controls [role=radiogroup] { flex-direction: row; flex-wrap: wrap; gap: 0.25rem 1.25rem; }
.st-key-recipe_line { row-gap: 0.3rem; column-gap: 0.3rem; font-variant-numeric: tabular-nums; }
.st-key-recipe_line p { font-size: 0.9375rem; }
.st-key-recipe_line [data-testid=stButton] kbd { display: none; }
.st-key-recipe_line [data-testid=stPopover] button, .st-key-recipe_line [data-testid=stButton] button {
  min-height: 2rem; padding: 0 0.4rem; border-radius: 6px; text-align: left; overflow-wrap: anywhere;
}
.st-key-recipe_line [data-testid=stPopover] button {
  border-color: transparent; background: var(--soft); color: var(--action); font-weight: 600;
}
/* As wide with any shares: a moved slider does not move the words after it. */
.st-key-recipe_line .st-key-chip_amount [data-testid=stPopover] button { min-width: 8.6rem; white-space: nowrap; }
.st-key-recipe_line .st-key-chip_amount button > div { width: 100%; justify-content: space-between; }
.st-key-recipe_line .st-key-chip_amount button > div > div:first-child { justify-content: start; }
.st-key-recipe_line .st-key-chip_more [data-testid=stPopover] button { background: none; }
[data-testid=stPopoverBody]:has([class*=st-key-chip_body]) { width: min(32rem, calc(100vw - 1.5rem)); max-width: none; }
[data-testid=stPopoverBody]:has(.st-key-chip_body_model) { width: min(40rem, calc(100vw - 1.5rem)); }
@media (max-width: 640px) {
  .st-key-recipe_line [data-testid=stPopover] button, .st-key-recipe_line [data-testid=stButton] button {
    min-height: 44px;
  }
}
</style>
"""


def draw() -> None:
    """The sentence and what stands behind it; the page fills `line_end`."""
    _style()
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="recipe_line"):
        setting = state.current()
        said = sentence.chips(setting)
        for words, key in sentence.words(setting.plan):
            if words:
                st.markdown(words, width="content")
            _chip(key, formats.plain(said[key]))
        _chip("more", "More")
        _steps_back()
        st.session_state.line_end = st.container(
            horizontal=True, vertical_alignment="center", gap="xsmall", width="content", key="line_end"
        )


def _style() -> None:
    st.html(_CSS)


def controls(keys: Sequence[str]) -> None:
    """Some of the chips' controls, and the refit's ("repair"), laid open, without the sentence."""
    _style()
    with st.container(border=True, key="line_controls"):
        for key in keys:
            plan.repair() if key == "repair" else _BODIES[key][0]()


def _chip(key: str, label: str) -> None:
    body, told = _BODIES[key]
    # Only one that is to be opened by the page tells whether it is: that costs a run of the page at each opening.
    stateful = key in _OPENED and st.session_state.get(_OPENED[key], False)
    chip = st.popover(label, help=told, key=f"chip_{key}", on_change="rerun" if stateful else "ignore", wrap=True)
    with chip, st.container(key=f"chip_body_{key}"):
        body()


def _model() -> None:
    model.draw()
    checkpoint.draw()


def _more() -> None:
    plan.more()
    recipe.draw()


_BODIES: dict[str, tuple[Callable[[], None], str | None]] = {
    "units": (plan.units, TERMS["granularity"]),
    "amount": (ratios.draw, None),
    "model": (_model, None),
    "criterion": (plan.ranking, TERMS["criterion"]),
    "scope": (plan.scope, TERMS["scope"]),
    "images": (images.draw, None),
    "more": (_more, None),
}
"""What a chip holds, and the terms it speaks of."""
_OPENED = {"model": "files_open", "images": "folder_open"}  # chips that a page can open -> where it says so


def _steps_back() -> None:
    undo, redo = st.session_state.undo, st.session_state.redo
    with st.container(horizontal=True, gap="xxsmall", width="content", key="steps_back"):
        st.button("Undo", shortcut="Ctrl+Z", on_click=state.back, type="tertiary", disabled=not undo)
        st.button(
            "Redo", shortcut="Ctrl+Y", on_click=state.back, args=("redo", "undo"), type="tertiary", disabled=not redo
        )
        keep.present()
