"""Requests about the opened model: asked of a worker, never waited for; `polling` looks again at what has come.

Finished ones are shared by content with all sessions.
"""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from dimap_core.service import Ticket
from dimap_core.types import ModelInfo

from . import cache, opening, state
from .opened import View


def stream(view: View, channel: str, request: dict[str, Any], slow: bool = False) -> Ticket:
    """The ticket of a request; finished ones are shared by content, a newer one replaces this session's older one.

    `request`: its kind, and all that the answer depends on beside model and images. `slow`: for the second worker,
    whose steps may take long.
    """
    ticket = known(view, channel, request, slow)
    if ticket is None:
        setting = state.current()
        base = {**opening.model_request(setting), "data": view.info.data}
        worker = cache.shared().slow if slow else cache.shared().worker
        if older := st.session_state.streams.get((channel, slow)):
            _keep(*older)  # it may have ended since it was last looked at
        ticket = worker.submit(cache.session(), channel, {**base, **request})
        st.session_state.streams[channel, slow] = (content(view.info, request), ticket)
    return ticket


def known(view: View, channel: str, request: dict[str, Any], slow: bool = False) -> Ticket | None:
    """The ticket of a request that was answered to anyone, or that this session has asked; nothing is asked anew."""
    key, shared = content(view.info, request), cache.shared()
    if (found := shared.results.get(key)) is not None:  # asked once: another session's result may push it out
        return Ticket(found, done=True)
    mine: dict[tuple[str, bool], tuple[tuple, Ticket]] = st.session_state.setdefault("streams", {})
    asked, ticket = mine.get((channel, slow), (None, None))
    if asked != key or ticket is None or ticket.replaced:
        return None
    _keep(key, ticket)
    return ticket


def _keep(key: tuple, ticket: Ticket) -> None:
    """Remember a whole answer for all sessions."""
    lasting = bool(ticket.events) and "file" not in ticket.events[-1]  # files are cleared away in time
    if ticket.done and lasting and not ticket.replaced:
        # The last of some answers says all that the ones before it said.
        alone = key[2] in ("evaluate", "versus", "explain", "way", "glance")
        cache.shared().remember(key, ticket.events[-1:] if alone else ticket.events)


def forget(view: View, request: dict[str, Any]) -> None:
    """Let go of an answer whose files were cleared away."""
    cache.shared().drop(content(view.info, request))
    st.session_state.pop("streams", None)


def stop(channel: str) -> None:
    """Cancel what this session has on a channel."""
    cache.shared().worker.cancel(cache.session(), channel)
    st.session_state.get("streams", {}).pop((channel, False), None)


def content(info: ModelInfo, request: dict[str, Any]) -> tuple[str, str | None, str, str]:
    """What an answer is shared by: the model's weights, the images, the request's kind and all of it; a file that goes
    with it stands for itself by its `file_id`."""
    asked = {key: value for key, value in request.items() if key != "file"}
    return info.fingerprint, info.data, request["kind"], json.dumps(asked, sort_keys=True)
