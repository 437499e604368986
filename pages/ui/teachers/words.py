"""How the page says things, and the addresses that it gives away."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import streamlit as st

from ..session import classroom, lesson

LOCAL = ("localhost", "127.0.0.1", "::1")
"""Hosts that mean this computer."""


def language() -> str:
    """ "en" or "de"."""
    return lesson.learner().language


def word(key: str, **filled: object) -> str:
    """A label or sentence of the page."""
    return classroom.word("teachers", key, **filled)


def link(page: str, **asked: object) -> str:
    """The address of a page beside this one, in the page's language."""
    spoken = {} if language() == "en" else {"lang": language()}
    params = urlencode({key: value for key, value in (asked | spoken).items() if value})
    return f"{page}?{params}" if params else page


def address(page: str, **asked: object) -> tuple[str, bool]:
    """The whole address of a page as this browser reaches it, and whether it is good on this computer only."""
    at = urlsplit(st.context.url or "")
    return f"{at.scheme}://{at.netloc}/{link(page, **asked)}", at.hostname in LOCAL
