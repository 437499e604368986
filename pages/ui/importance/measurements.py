"""Long measurements: a button that starts one and says how long it takes, one that stops it, and how far it is.

They load the machine for everyone, so none starts by merely opening a page; what anyone has measured shows at once.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from dimap_core.service import Ticket
from dimap_core.studies import IMAGES
from dimap_core.types import duration

from ..look import formats
from ..session import View, cache, polling, requests, state

POLL = 0.5  # seconds; their figures change a few times a second at most
_START = 2.0  # seconds that any of them takes


def offer(view: View, channel: str, request: dict[str, Any], label: str, passes: float) -> Ticket | None:
    """The request's ticket, once asked for, with the button that starts or stops it; `passes`: of one image."""
    ticket = requests.known(view, channel, request)
    if ticket is not None and ticket.running:
        st.button("Stop", key=f"stop_{channel}", on_click=requests.stop, args=(channel,), icon=":material/stop_circle:")
    elif ticket is None or ticket.error:
        if ticket is not None and ticket.error:
            st.error(formats.plain(ticket.error))
        each = seconds_an_image(view)
        time = f"about {duration(_START + passes * each)}" if each else "how long is not known yet"
        st.button(
            f"{label} ({time})", key=f"start_{channel}", icon=":material/play_circle:",
            on_click=_start, args=(view, channel, request),
        )  # fmt: skip
    return None if ticket is None or ticket.error else ticket


def training_images(view: View) -> int:
    """How many training images sensitivity reads."""
    return IMAGES if view.facts is None else min(IMAGES, view.facts["training"])


def seconds_an_image(view: View) -> float:
    """About how long the model takes for an image: as measured beforehand, or by this session's tries; 0: not known."""
    tried = (p.estimate for p in reversed(st.session_state.history) if p.setting.model == state.current().model)
    estimate = next((found for found in tried if found and found.n), None)
    measured = estimate.seconds / estimate.n if estimate else 0.0
    return cache.seconds_an_image(view.info.name) or measured


def _start(view: View, channel: str, request: dict[str, Any]) -> None:
    requests.stop(channel)
    requests.stream(view, channel, request)


def rows(ticket: Ticket) -> list[dict[str, Any]]:
    """What was measured so far."""
    return [event for event in ticket.events if "left" in event]


def progress(ticket: Ticket, total: int, was_running: bool) -> None:
    """How far a measurement is; once it has ended the page is drawn anew."""
    polling.ended(ticket, was_running)
    if not ticket.running:
        return
    found = rows(ticket)
    text = (ticket.last or {}).get(
        "doing"
    ) or "Waiting for its turn, then judging the dense model; moved sliders go first"
    if found:
        text = f"Measuring {len(found) + 1} of {total}, about {found[-1]['left']:.0f} s left"
    st.progress(min(len(found) / total, 1.0), text)
