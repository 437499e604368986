"""The list of pages, which app.py draws and every page can call for."""

from __future__ import annotations

from typing import Any

import streamlit as st


def navigation() -> Any:
    """The pages as the bar at the top; returns the one that was asked for.

    They have no icons: the browser would fetch a page's icon from a font server, and nothing is asked outside.
    """
    return st.navigation(
        [
            st.Page("pages/prune.py", title="Prune", default=True),
            st.Page("pages/weights.py", title="Weights", url_path="weights"),
            st.Page("pages/importance.py", title="Importance", url_path="importance"),
            st.Page("pages/predictions.py", title="Predictions", url_path="predictions"),
            st.Page("pages/way.py", title="Way", url_path="way"),
            st.Page("pages/recover.py", title="Recover", url_path="recover"),
            st.Page("pages/compare.py", title="Compare", url_path="compare"),
            st.Page("pages/export.py", title="Export", url_path="export"),
        ],
        position="top",
    )


def enter() -> None:
    """Until st.navigation was called once on a server, Streamlit runs a file in pages/ without app.py: start over."""
    if "setting" not in st.session_state:
        navigation()
        st.rerun()
