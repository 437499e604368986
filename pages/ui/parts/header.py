"""The head of a page: what was refused, what the recipe line tells of the cut, by which images it is judged."""

from __future__ import annotations

import streamlit as st

from dimap_core.types import Part

from ..look import formats
from ..session import View, opened, state
from . import absent, doubt, notice, waiting

_KINDS_OF_CUT = {
    "weight": ":orange-badge[zeros: smaller on paper, not faster]",
    "structure": ":green-badge[really smaller]",
    "nm": ":orange-badge[zeros in a pattern: faster on some GPUs only, not faster here]",
}


def draw(badge: str = "") -> None:
    """At the end of the recipe line: what kind of cut it is, and what a file was read as."""
    setting = state.current()
    badge = f":orange-badge[{badge}]" if badge else _KINDS_OF_CUT[setting.plan.granularity]
    recognised = f"({formats.plain(st.session_state.get('recognised', ''))}) " if setting.name.brought else ""
    st.session_state.line_end.markdown(f"{recognised}{badge}", width="content")


def readout(total: Part) -> None:
    """At the end of the recipe line: the cut in numbers, on every page."""
    saved = (
        f"{formats.less(total.params, total.params_after)} params, {formats.less(total.macs, total.macs_after)} MACs"
    )
    st.session_state.line_end.markdown(f"**{saved}**", width="content")


def begin() -> View | None:
    """Notice and read-out of a page, with the view that it draws; None while the model is loading."""
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
        st.info(
            formats.plain(f"{first} Open the images in the line above: Folders and classes there says which is which.")
        )
    else:
        st.caption(formats.plain(f"{view.facts['title']}: {first[0].lower()}{first[1:]}"))
        doubt.draw()


def not_judged(view: View, needs: str) -> None:
    """Why nothing can be judged here, and the way on; `needs` begins the sentence, "Training needs"."""
    if state.current().absent:
        absent.draw(needs)
        return
    if view.info.weights == "random":
        way = "and these weights are random: choose a bundled model, or turn Random weights off in the model’s chip."
    else:
        way = "and it has none: bring images of your own in the line above, or choose a bundled model."
    st.info(f"{needs} a trained model with images, {way}")
