"""The story as a file: saved with what was found, opened again, and what comes out otherwise here than it says.

Next door: `report` tells it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dimap_core.studies import story as core
from dimap_core.types import StoryError

from ..look import formats
from ..session import polling, story
from ..story import telling

_OPENED = "story_file"


def draw() -> None:
    """Save and open."""
    st.subheader("Story", anchor=False)
    st.markdown("The kept cuts with their names and what was found, to open on another machine.")
    kept = story.kept()
    if kept:
        polling.polled(_save, telling.running(telling.ask(kept)))()
    with st.popover("Open a story", icon=":material/folder_open:"):
        st.file_uploader("The file story.json", "json", key=_OPENED, on_change=_open, max_upload_size=32)


def _save() -> None:
    """The download, once all is found; what differs from the file that cuts came from."""
    found = telling.ask(story.kept())
    for one in found:
        for line in one.differs:
            st.warning(formats.plain(f"{one.letter} ({one.kept.cut.name}): {line}."), icon=":material/difference:")
    if telling.running(found):
        doing = next((one.doing for one in found if one.doing and one.told is None), "")
        st.caption(f"{formats.plain(doing)} … then the file says what was found.")
        return
    st.download_button("Save story.json", _text(found), "story.json", "application/json", on_click="ignore",
                       key="save_story", icon=":material/save:")  # fmt: skip


def _text(found: Sequence[telling.Found]) -> str:
    """The story's file; of a cut that cannot be told here it says what it said before."""
    known = {one.kept.key: core.Known(one.ground.fingerprint, one.ground.images, one.told)
             for one in found if one.ground and one.told}  # fmt: skip
    cuts = tuple(replace(one.cut, known=known.get(one.key, one.cut.known)) for one in story.kept())
    return core.to_file(core.Story(cuts, st.session_state.story_title))


def _open() -> None:
    """Tell the story that somebody brought."""
    brought = st.session_state.get(_OPENED)
    if brought is None:
        return
    try:
        found = core.from_file(brought.getvalue())
    except StoryError as error:
        st.session_state.notice = str(error)
        return
    if found.cuts:
        story.take(found)
        many = f"{len(found.cuts)} cuts" if len(found.cuts) > 1 else "one cut"
        st.session_state.notice = f"Opened a story of {many}; they stand under Compare."
    else:
        st.session_state.notice = "The story holds no cut."
