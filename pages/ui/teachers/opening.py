"""A class is opened: the board's link with its key, and the address for the learners."""

from __future__ import annotations

import streamlit as st

from dimap_core.types import PruningError

from ..look import formats
from ..session import cache
from .words import address, link, word

_OPENED = "teachers_class"


def draw() -> None:
    """A field and a button, then what came of it."""
    st.subheader(word("class"), anchor=False)
    st.markdown(word("class_told"))
    with st.form("teachers_open", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(word("name"), max_chars=40, help=word("name_help"), key="teachers_name", width=240)
        if st.form_submit_button(word("open"), type="primary") and name:
            _open(name)
    if _OPENED in st.session_state:
        _links(*st.session_state[_OPENED])


def current() -> str:
    """The class that was opened here; "" if none was."""
    name: str = st.session_state.get(_OPENED, ("", ""))[0]
    return name


def _open(name: str) -> None:
    old, key = st.session_state.get(_OPENED, ("", ""))
    try:
        given = cache.kept_classes().open(name, key if name == old else "")
    except PruningError as error:
        st.error(formats.plain(str(error)))
        return
    if given is None:
        st.warning(formats.plain(word("taken", name=name)))
        return
    st.session_state[_OPENED] = name, given


def _links(name: str, key: str) -> None:
    joined, local = address("learn", **{"class": name})
    st.markdown(f"**{word('address')}**")
    st.code(joined, language=None)
    if local:
        st.caption(word("loopback"))
    st.link_button(word("board"), link("board", **{"class": name, "key": key}), help=word("board_told"))
