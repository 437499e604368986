"""Asking the worker for the story: what was found stays for all sessions, whatever model is open on the pages.

Next door: `telling` asks; `session.requests` asks about the opened model.
"""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from dimap_core.service import Ticket

from ..session import Setting, cache, opening, own_models

_LASTING = {"ground", "told", "pictures", "batch_size"}
"""What marks an event that is an answer, not a step on the way."""


def about(setting: Setting) -> dict[str, Any]:
    """Which model and images a request is about; raises PruningError where this session may not read them."""
    return {"model": own_models.place(setting.model), "weights": setting.weights, "images": opening.images(setting)}


def ticket(channel: str, request: dict[str, Any], may_ask: bool = True, slow: bool = False) -> Ticket | None:
    """The answer known to anyone, or this session's request, or a new one where it `may_ask`; `slow`: of the second
    worker. A new one ends what this session asked on that channel before."""
    name, shared = key(request), cache.shared()
    if (found := shared.results.get(name)) is not None:
        return Ticket(found, done=True)
    failed: dict[tuple, Ticket] = st.session_state.setdefault("story_failed", {})
    if name in failed:  # asked once more it would fail again, and hold up those after it
        return failed[name]
    asked = st.session_state.setdefault("story_asked", {})
    last, mine = asked.get((channel, slow), (None, None))
    if last == name and mine is not None and mine.error:
        failed[name] = mine
    if last == name and mine is not None and not mine.replaced:
        if mine.done:
            shared.remember(name, [event for event in mine.events if event.keys() & _LASTING])
        return mine
    if not may_ask:
        return None
    worker = shared.slow if slow else shared.worker
    mine = worker.submit(cache.session(), channel, request)
    asked[channel, slow] = name, mine
    return mine


def known(request: dict[str, Any]) -> list[dict[str, Any]]:
    """What was answered to anyone; nothing is asked."""
    return cache.shared().results.get(key(request), [])


def key(request: dict[str, Any]) -> tuple[str, str]:
    """What an answer is kept by."""
    return request["kind"], json.dumps(request, sort_keys=True)
