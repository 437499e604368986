"""Way: where in the network did the image get lost? One image through the dense and the pruned model, side by side."""

from __future__ import annotations

import streamlit as st
from pydantic import TypeAdapter

from dimap_core.service import Ticket
from dimap_core.types import Way
from pages.ui.look import formats, frame
from pages.ui.parts import header
from pages.ui.session import View, cache, followed, polling, state
from pages.ui.way import asking, choosing, pictures, words

_WAY = TypeAdapter(Way)


def main() -> None:
    """Everything is drawn by a fragment, which asks again as the reader chooses."""
    view = header.begin()
    if view is None:
        return
    if not view.judged:
        header.not_judged(view, "Following an image needs")
        return
    followed.fit(view.anatomy)
    running = _running(asking.ask(view, choosing.sort(view)))
    polling.polled(body, running)(view, running)


def _running(ticket: Ticket | None) -> bool:
    return ticket is not None and ticket.running


def body(view: View, polling: bool) -> None:
    """What was found, what is followed, and the pictures; those of the last cut stay until new ones have come."""
    ticket = asking.ask(view, choosing.sort(view))
    found = arrived(ticket)
    if found is not None:
        asking.remember(view, found)
        st.session_state.way_last = (view.info.fingerprint, view.info.data, found)
    if polling != _running(ticket):
        st.rerun()
    state.mirror()  # a fragment's own runs end here
    *of, last = st.session_state.get("way_last", (None, None, None))
    shown = last if of == [view.info.fingerprint, view.info.data] else None
    error = ticket.error if ticket else None
    if shown and not error:
        headline = words.headline(shown)
        st.subheader(headline if found else f":gray[{headline}]", anchor=False)
    with st.container(key="way_words"):
        told(view, ticket, found)
    choosing.controls(view, shown)
    if shown is not None and not error:
        pictures.draw(view, shown, choosing.block(view.anatomy), found is None)


def told(view: View, ticket: Ticket | None, found: Way | None) -> None:
    """The finding in words, or how far the search for it is."""
    if ticket is None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("Stopped before the image was through.", width="content")
            st.button("Follow it after all", key="way_go_on", on_click=asking.go_on)
    elif ticket.error:
        st.error(formats.plain(ticket.error))
    elif found is not None:
        event = ticket.last or {}
        none = words.none_fits(choosing.sorts(view)[choosing.sort(view)], event)
        st.markdown(" ".join([*none, words.details(found)]).replace(" %", "\u00a0%"))
    else:
        event = ticket.last or {}
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(event.get("share", 0.0), f"{event.get('doing') or 'Following the image'} …")
            st.button("Stop", key="way_stop", on_click=asking.stop)


def arrived(ticket: Ticket | None) -> Way | None:
    """The way that a ticket brought, if it is there."""
    if ticket is None or ticket.running or not ticket.last or "steps" not in ticket.last:
        return None
    event = ticket.last
    return cache.memo("way", (event,), lambda: _WAY.validate_python(event))


frame.enter()
main()
