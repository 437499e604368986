"""The story as a list: its title, and of each kept cut the name, the sentence, the place, and what is found of it.

Next door: `session.story` takes what is edited here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from dimap_core.studies import story as core

from ..look import formats
from ..session import state, story
from .telling import Found

_KEY = "story_rows"
_BODY = """
<div class="story"><input class="title" aria-label="Title of the story" placeholder="What does this story show?">
<ol aria-label="Kept cuts"></ol><div class="spoken" aria-live="polite"></div></div>
"""


def draw(found: Sequence[Found]) -> None:
    """The list; nothing while nothing is kept."""
    if not found:
        return
    here = Path(__file__)
    css, js = (here.with_suffix(kind).read_text(encoding="utf-8") for kind in (".css", ".js"))
    most = {"name": core.NAME, "note": core.NOTE}
    st.components.v2.component("dimap_story", html=_BODY, css=css, js=js)(
        key=_KEY, data={"title": st.session_state.story_title, "rows": [_row(one) for one in found], "most": most},
        on_edit_change=_edited, on_force_change=_forced,
    )  # fmt: skip
    if story.is_too_long():
        st.caption("The story is too long for a link: save it as a file under Export.")


def _row(one: Found) -> dict[str, Any]:
    cut = one.kept.cut
    return {"key": one.kept.key, "name": cut.name, "note": cut.note, "found": _found(one), "bad": bool(one.error)}


def _found(one: Found) -> str:
    """What is found of a cut, in a line."""
    if one.error or one.told is None:
        return one.error or one.doing
    total, estimate = one.told.total, one.told.estimate
    said = [
        f"{formats.less(total.macs, total.macs_after)} MACs",
        f"{formats.less(total.params, total.params_after)} params",
    ]
    right = formats.right(one.ground.images if one.ground else None)
    said.append(
        "not judged" if estimate is None else f"{formats.share(estimate.top1.value)} {right}, n = {estimate.n:,}"
    )
    return ", ".join(said) + "".join(f"; {what}" for what in one.differs)


def _edited() -> None:
    told = state.heard(_KEY, "edit") or {}
    rows = told.get("rows")
    if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
        story.edit(told.get("title", ""), rows)


def _forced() -> None:
    key = state.heard(_KEY, "force")
    chosen = next((one for one in story.kept() if one.key == key), None)
    if chosen is not None:
        state.go(chosen.setting)
