"""One image with both models' answers, which the map shows at its ends: asked for once a cut has come to rest.

Next door: `streaming` sends it with the answer, map_image.js draws it.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from dimap_core.plan import to_recipe
from dimap_core.service import Ticket

from ..session import View, requests, state


def found(view: View, rests: bool) -> tuple[dict[str, Any] | None, Ticket | None]:
    """The newest answer to the image, `old` where it is another cut's, and the ticket that brings the current one's.

    The image is the one picked in this session, else the first. `rests`: the cut is judged and no hand moves, so that
    nothing waits for this; before that only what is known already is told.
    """
    picked = st.session_state.get("picked") if st.session_state.get("picked_of") == view.info.data else None
    request = {"kind": "glance", "recipe": to_recipe(state.current().plan), "image": int(picked or 1) - 1}
    ticket = requests.known(view, "glance", request) or (requests.stream(view, "glance", request) if rests else None)
    if ticket is not None and ticket.last and "picture" in ticket.last:
        st.session_state.glanced = (*_of(request), view.info.fingerprint, view.info.data), ticket.last
    key, told = st.session_state.get("glanced", (None, None))
    if told is None or key[1:] != (request["image"], view.info.fingerprint, view.info.data):
        return None, ticket
    return {**told, "number": request["image"] + 1, "old": key[0] != _of(request)[0]}, ticket


def _of(request: dict[str, Any]) -> tuple[str, int]:
    return str(request["recipe"]), request["image"]
