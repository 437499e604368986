"""What the dense model's own answers say against the images that someone chose, and the way to put it right.

Not here: how it is found (`dimap_core.pipeline.doubts`). Next door: `header` draws it on every page; classes are set by
hand in the recipe line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from dimap_core.service import Ticket

from ..look import formats
from ..session import state


def hear(ticket: Ticket) -> None:
    """Keep what an answer says against the images; the page is drawn once more, to say it at its head."""
    found = ticket.last.get("doubt") if ticket.last else None
    told = state.current().judged, found
    if found is not None and st.session_state.get("doubt") != told:
        st.session_state.doubt = told
        st.rerun()


def draw() -> None:
    """A sentence and, where another order of classes fits better, a button that puts it in force."""
    whose, found = st.session_state.get("doubt", (None, None))
    if found is None or whose != state.current().judged:
        return
    st.warning(formats.plain(found["told"]), icon=":material/category:")
    if found["classes"]:
        st.button("Use that order", key="use_order", on_click=_use, args=(found["classes"],))


def _use(classes: Mapping[str, int]) -> None:
    """Set these folders' classes as by hand."""
    setting = state.current()
    state.go(replace(setting, classes=tuple(sorted((dict(setting.classes) | classes).items()))))
