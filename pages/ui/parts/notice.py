"""What was refused last, and ways on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from dimap_core.models import architectures, proposed

from ..look import formats
from ..session import Setting, own_models

_ASKED = {"num_heads": "Attention heads", "img_size": "Input size, px", "window_size": "Window, tokens"}


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
        _form(setting, proposed(st.session_state.notice))


def _form(setting: Setting, likely: Mapping[str, int]) -> None:
    """What weights do not tell, asked for with the likely values filled in, and the architecture by its name."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="way_form"):
        for key, value in likely.items():
            st.number_input(_ASKED[key], 1, 1024, value, key=f"way_{key}", width=160)
        if likely:
            st.button("Open with these", key="way_open", type="primary", on_click=_as_said, args=(setting, [*likely]))
        st.selectbox(
            "Or open it as" if likely else "Open it as", architectures(), None, key="way_architecture",
            on_change=_as_architecture, args=(setting,), placeholder="choose or type an architecture",
            accept_new_options=True, width=360,
        )  # fmt: skip


def _as_said(setting: Setting, keys: Sequence[str]) -> None:
    given = {key: st.session_state[f"way_{key}"] for key in keys}
    own_models.say(setting, **{key: str(value) for key, value in given.items() if value is not None})


def _as_architecture(setting: Setting) -> None:
    if st.session_state.way_architecture:
        own_models.read_as(setting, st.session_state.way_architecture)


def _open_files() -> None:
    st.session_state.files_open = st.session_state.chip_model = True
