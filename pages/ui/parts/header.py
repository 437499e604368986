"""The head of a page: what was refused, what is on screen, by which images it is judged."""

from __future__ import annotations

import streamlit as st

from dimap_core.types import Part

from ..look import formats, plan_names
from ..session import View, opened, own_models, state
from . import notice, waiting

_KINDS_OF_CUT = {
    "weight": ":orange-badge[zeros: smaller on paper, not faster]",
    "structure": ":green-badge[really smaller]",
    "nm": ":orange-badge[zeros in a pattern: faster on some GPUs only, not faster here]",
}


def draw(badge: str = "") -> None:
    """What is on screen, in one line that keeps its height."""
    setting = state.current()
    badge = f":orange-badge[{badge}]" if badge else _KINDS_OF_CUT[setting.plan.granularity]
    weights = " (random weights)" if setting.weights == "random" else ""
    if setting.name.brought:
        weights = f" ({formats.plain(st.session_state.get('recognised', ''))})"
    name = formats.plain(own_models.shown(setting.model))
    st.markdown(f"**{name}**{weights} · {plan_names.label(setting.plan)} &nbsp; {badge}")


def readout(total: Part) -> None:
    """The cut in one line under the controls, on every page."""
    saved = (
        f"{formats.less(total.params, total.params_after)} params, {formats.less(total.macs, total.macs_after)} MACs"
    )
    st.sidebar.markdown(f"**{saved}**")


def begin() -> View | None:
    """Notice, header and readout of a page, with the view that it draws; None while the model is loading."""
    notice.show()
    view = opened.view()
    if view is None:
        waiting.wait_for()
        return None
    draw()
    judged_by(view)
    readout(view.cost.total)
    return view


def judged_by(view: View) -> None:
    """Where images were chosen: on which, and among which classes."""
    if view.facts is None or view.info.weights == "random":
        return
    first = view.facts["notes"][0]
    if view.info.data is None:
        st.info(formats.plain(f"{first} Say in the sidebar, under Folders and classes, which is which."))
    else:
        st.caption(formats.plain(f"{view.facts['title']}: {first[0].lower()}{first[1:]}"))
