"""The list of pages, which app.py draws and every page can call for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st


@dataclass(frozen=True)
class Page:
    """A row of the list: pages/`key`.py, at the address /`key`, called `title` in the bar."""

    key: str
    title: str


PAGES = (
    Page("prune", "Prune"),
    Page("weights", "Weights"),
    Page("importance", "Importance"),
    Page("predictions", "Predictions"),
    Page("way", "Way"),
    Page("find", "Find"),
    Page("recover", "Recover"),
    Page("compare", "Compare"),
    Page("export", "Export"),
)
"""In the bar's order; the first is the one that the bare address opens. To add one: a file in pages/ and a row."""


def navigation() -> Any:
    """The pages as the bar at the top; returns the one that was asked for.

    They have no icons: the browser would fetch a page's icon from a font server, and nothing is asked outside.
    """
    first, *others = PAGES
    shown = [st.Page(f"pages/{row.key}.py", title=row.title, url_path=row.key) for row in others]
    return st.navigation([st.Page(f"pages/{first.key}.py", title=first.title, default=True), *shown], position="top")


def enter() -> None:
    """Until st.navigation was called once on a server, Streamlit runs a file in pages/ without app.py: start over."""
    if "setting" not in st.session_state:
        navigation()
        st.rerun()
