"""What was refused last, and ways on from there."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dimap_core.models import architectures

from ..look import formats
from ..session import Setting, own_models


def show() -> None:
    """What was refused last, if anything, in one sentence."""
    if st.session_state.notice:
        st.warning(formats.plain(st.session_state.notice), icon=":material/info:")
        _ways_on()


def _ways_on() -> None:
    """Under a notice about a model that could not be opened: what can be done instead, one click away."""
    setting, way = st.session_state.get("ways", (None, ""))
    if way == "random":
        with st.container(horizontal=True):
            st.button(
                "Count with random weights", key="way_random", on_click=own_models.switch, icon=":material/casino:",
                args=(replace(setting, weights="random"),),
                help="Params, FLOPs and what a cut removes are right with any weights; accuracy is not measured.",
            )  # fmt: skip
            st.button("Open a checkpoint file", key="way_file", on_click=_open_files, icon=":material/upload_file:")
    elif way == "architecture":
        st.selectbox(
            "Open it as", architectures(), None, key="way_architecture", on_change=_as_architecture, args=(setting,),
            placeholder="choose or type an architecture", accept_new_options=True,
        )  # fmt: skip


def _as_architecture(setting: Setting) -> None:
    if st.session_state.way_architecture:
        own_models.read_as(setting, st.session_state.way_architecture)


def _open_files() -> None:
    st.session_state.files_open = st.session_state.chip_model = True
