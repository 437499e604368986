"""The image that was picked, in Predictions or in Way: both look at the same one."""

from __future__ import annotations

import streamlit as st


def only_of(data: str, total: int | None = None) -> None:
    """Forget an image that was picked from other data, or that does not exist among `total` images. One that a link
    picked is the first data's."""
    st.session_state.setdefault("picked_of", data)
    number = st.session_state.get("picked") or 0
    if st.session_state.get("picked_of") != data or (total is not None and number > total):
        st.session_state.picked_of, st.session_state.picked = data, None
