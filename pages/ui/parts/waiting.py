"""Waiting for a model: what the worker does until it is open, and how far a download is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dimap_core.service import Ticket

from ..session import Setting, cache, opening, polling, state


def wait_for(criterion: str | None = None, quietly: bool = False, other: Setting | None = None) -> None:
    """Poll until the current (or another) setting's model is open, scored by the plan's (or another) criterion, then
    draw the page anew."""
    polling.polled(_wait)(criterion, quietly, other)


def _wait(criterion: str | None, quietly: bool, other: Setting | None) -> None:
    setting = other or state.current()
    if opening.folder(setting, criterion) is not None:
        st.rerun()
    if quietly:
        return
    ticket = cache.shared().opening.get(opening.key_of(setting, criterion))
    told = ticket.last.get("doing") if ticket is not None and ticket.last else None
    text = told or "Loading the model; the first start takes about ten seconds"
    if st.session_state.get("reopening") == opening.key_of(setting, criterion):
        text = f"Made room for newer models; opening this one again ({text[0].lower()}{text[1:]})"
    _say(text)
    if ticket is not None and ticket.last and ticket.last.get("total"):
        download(ticket.last)
        if st.button("Don't wait", key="leave_download", icon=":material/undo:"):
            opening.leave(setting)
            st.rerun()


def doing(ticket: Ticket, otherwise: str) -> None:
    """What is done for a request now, as far as the worker says."""
    _say((ticket.last or {}).get("doing") or otherwise)


def _say(text: str) -> None:
    st.info(f"{text}.", icon=":material/hourglass_top:")


def download(event: Mapping[str, Any]) -> None:
    """How far a download is, and how long the rest of it takes; before its size is known and when all is here, what is
    done in words."""
    done, total, left = (event.get(key) or 0 for key in ("done", "total", "left"))
    if done >= total:
        st.progress(1.0 if total else 0.0, f"{event.get('doing', 'Starting')} …")
        return
    time_left = f", about {left:.0f} s left" if left < 90 else f", about {left / 60:.0f} min left"
    time_left = time_left if left else ""
    st.progress(min(1.0, done / total), f"{done / 1e6:.1f} of {total / 1e6:.1f} MB{time_left}")
