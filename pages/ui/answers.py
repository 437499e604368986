"""The Predictions page's source: both models' answers as the worker sends them, and the sentence that sums them up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from dimap_core import predictions
from dimap_core.client import Ticket
from dimap_core.plan import to_recipe
from dimap_core.predictions import Outcomes
from dimap_core.types import LabelledImages

from . import cache, live, state


def ask(view: live.View) -> Ticket:
    """The ticket that brings the current plan's answers, batch by batch."""
    recipe = to_recipe(state.current().plan)
    return live.stream(view, "live", {"kind": "predictions", "recipe": recipe}, ("predictions", str(recipe)))


def arrived(ticket: Ticket) -> tuple[LabelledImages, Outcomes, int] | None:
    """The data set, what is known of it so far and how many images it has; None before the first batch."""
    events = list(ticket.events)
    folder = next((event["folder"] for event in events if "folder" in event), None)
    if folder is None:
        return None
    data = cache.data(folder)
    found = predictions.outcomes(events, data)
    return None if found is None else (data, found, events[-1]["total"])


def headline(found: Outcomes, total: int) -> str:
    """What happened to the answers, in one line."""
    n, counts = len(found), found.counts
    so_far = "" if n == total else "So far, "
    changed = int(found.flipped.sum())
    if not changed:
        return (
            f"{so_far}**{'none' if so_far else 'None'} of {n:,} answers changed**: the cut is not seen in any of them."
        )
    parts = {"broke": "broke", "fixed": "fixed", "moved": "wrong in another way"}
    told = ", ".join(f"{counts[key]:,} {words}" for key, words in parts.items() if counts[key])
    return f"{so_far}**{changed:,} of {n:,} answers changed**: {told}."


def memo(name: str, key: tuple, build: Callable[[], Any]) -> Any:
    """What `build` made for that key last time, or makes now: most polls bring no news."""
    kept = st.session_state.setdefault("built", {})
    if kept.get(name, (None,))[0] != key:
        kept[name] = key, build()
    return kept[name][1]
