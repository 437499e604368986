"""A class is opened: the board's link with its key, and the address for the learners."""

from __future__ import annotations

import streamlit as st

from dimap_core.types import PruningError

from ..look import formats
from ..session import cache, classroom
from .words import address, link, word

_OPENED = "teachers_class"
_COMMAND = """mkdir -p nothing
export DIMAP_ROOTS=$PWD/nothing HF_HUB_OFFLINE=1
.venv/bin/python -m streamlit run app.py \\
  --server.address 192.168.1.20 \\
  --server.allowedHosts 192.168.1.20 \\
  --server.maxUploadSize 1"""


def draw() -> None:
    """A field and a button, then what came of it."""
    st.header(word("class"), anchor=False)
    st.markdown(word("class_told"))
    with st.form("teachers_open", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(word("name"), max_chars=40, help=word("name_help"), key="teachers_name", width=240)
        if st.form_submit_button(word("open"), type="primary") and name:
            _open(name)
    if _OPENED in st.session_state:
        _links(*st.session_state[_OPENED])


def to_the_room() -> None:
    """How the app is opened to the room's network."""
    st.header(word("room"), anchor=False)
    st.markdown(word("room_told"))
    st.code(_COMMAND, language=None, wrap_lines=True)
    st.markdown(word("room_then"))


def current() -> str:
    """The class that was opened here; "" if none was."""
    name: str = st.session_state.get(_OPENED, ("", ""))[0]
    return name


def _open(name: str) -> None:
    try:
        key = cache.kept_classes().open(name, classroom.token())
    except PruningError as error:
        st.error(formats.plain(str(error)))
        return
    if key is None:
        st.warning(formats.plain(word("taken", name=name)))
        return
    st.session_state[_OPENED] = name, key


def _links(name: str, key: str) -> None:
    joined, local = address("learn", **{"class": name})
    st.markdown(f"**{word('address')}**")
    st.code(joined, language=None, wrap_lines=True)
    if local:
        st.caption(word("loopback"))
    st.link_button(word("board"), link("board", **{"class": name, "key": key}), help=word("board_told"))
