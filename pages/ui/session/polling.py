"""Polling: the only way to look again at what a worker has sent, without waiting for it.

Next door: `opening` and `requests` ask the worker, `jobs` looks after long jobs.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import streamlit as st

from dimap_core.service import Ticket

from . import cache, state

_CLOSE = 0.5  # of an interval: polls so soon after the page's run may have met its end
SHARE = 0.06  # seconds of polling interval for each request under way: all polls together take half a core at most
POLL = 0.1  # seconds between two looks at what the worker has sent, as long as few sessions wait


def page_began() -> None:
    """Called before a page is drawn."""
    st.session_state.pop("page_ended", None)


def page_ended() -> None:
    """Called when all of a page is drawn."""
    st.session_state.page_ended = time.monotonic(), threading.current_thread()


def polled(part: Callable[..., None], running: bool = True, every: float = POLL) -> Callable[..., None]:
    """`part` as a fragment: drawn once by the page and, while `running`, again at every poll.

    `every` seconds, or longer while many sessions wait, whose polls share one process.
    A poll that comes while the page's run ends makes Streamlit drop what that run still had to send, further polls
    included. So the page is drawn once more where this may have happened, as after a run that did not come to its end.
    A poll may also be the first to tell of a moved control: what the page gave to `part` is then another setting's,
    and the page is drawn first.
    """
    every = max(every, SHARE * cache.shared().worker.waiting)
    by_page, setting, due = True, state.current(), time.monotonic() + every

    @wraps(part)
    def drawn(*arguments: Any) -> None:
        nonlocal by_page
        if not by_page and (state.current() != setting or _met_the_pages_end(every, due)):
            st.rerun()
        by_page = False
        part(*arguments)

    return st.fragment(drawn, run_every=every if running else None)


def ended(ticket: Ticket, was_running: bool = True) -> None:
    """Draw the page anew, once, when what a part polls for has come to its end."""
    if was_running and not ticket.running:
        st.rerun()


def _met_the_pages_end(every: float, due: float) -> bool:
    """Whether the page's run may have lost something to this poll: it has not ended, or ended just now, or the poll was
    sent before it (the page's own are `due` later). One that waited for the page in its own thread lost it nothing."""
    ended, thread = st.session_state.get("page_ended", (math.inf, None))
    now = time.monotonic()
    return thread is not threading.current_thread() and now < max(due, ended + _CLOSE * every)
