"""Way: where in the network did the image get lost? One image through the dense and the pruned model, side by side."""

from __future__ import annotations

import streamlit as st
from pydantic import TypeAdapter

from dimap_core.service import Ticket
from dimap_core.types import Way
from pages.ui.look import formats, frame
from pages.ui.parts import header
from pages.ui.session import View, cache, polling
from pages.ui.way import choosing, pictures, words

_WAY = TypeAdapter(Way)


def main() -> None:
    """Everything is drawn by a fragment, which asks again as the reader chooses."""
    view = header.begin()
    if view is None:
        return
    if view.info.data is None or view.info.weights == "random":
        st.info(
            "Following an image needs a trained model with images; choose a bundled one, or images of your own in the "
            "line above, to see where this cut loses one."
        )
        return
    running = choosing.ask(view).running
    polling.polled(body, running)(view, running)


def body(view: View, polling: bool) -> None:
    """What was found, what is followed, and the pictures; those of the last cut stay until new ones have come."""
    ticket = choosing.ask(view)
    if polling != ticket.running:
        st.rerun()
    found = arrived(ticket)
    if found is not None:
        choosing.remember(view, found)
        st.session_state.way_last = (view.info.fingerprint, view.info.data, found)
    *of, last = st.session_state.get("way_last", (None, None, None))
    shown = last if of == [view.info.fingerprint, view.info.data] else None
    doing = (ticket.last or {}).get("doing") or "Following the image"
    headline = words.headline(shown) if shown and not ticket.error else "Where does the cut lose an image?"
    st.subheader(headline if found else f":gray[{headline}]", anchor=False)
    with st.container(key="way_words"):
        st.markdown(words.details(found) if found else "" if ticket.error else f"{doing} …")
    choosing.controls(view, shown)
    if ticket.error:
        st.error(formats.plain(ticket.error))
    elif shown is not None:
        pictures.draw(view, shown, choosing.block(view.anatomy), found is None)


def arrived(ticket: Ticket) -> Way | None:
    """The way that a ticket brought, if it is there."""
    if ticket.running or not ticket.last or "steps" not in ticket.last:
        return None
    event = ticket.last
    return cache.memo("way", (event,), lambda: _WAY.validate_python(event))


frame.enter()
main()
