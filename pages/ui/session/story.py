"""The session's story: cuts that were kept, named and put in an order; its part of the link.

Next door: `state` mirrors it into the address; the core's `story` says what a story is and writes its file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from dimap_core.studies import story as core
from dimap_core.types import PruningError, StoryError

from .setting import Setting

PART, PAIR = "story", "pair"
"""The parts of a link that it is, and which two of its cuts are compared."""
NOW, DENSE = "now", "dense"
"""What else can be compared: the cut in force, and the dense model."""


@dataclass(frozen=True)
class Kept:
    """A cut of the story; `key` stays with it while it moves."""

    key: int
    cut: core.NamedCut

    @property
    def setting(self) -> Setting:
        """What it is a cut of, and how."""
        cut = self.cut
        return Setting(cut.model, cut.weights, cut.plan, cut.data, cut.count, cut.draw, cut.classes, cut.split)


def arrive(params: Mapping[str, str]) -> str:
    """Fill a new session from an address; a sentence where its story cannot be read ("" where it can)."""
    st.session_state.update(story=(), story_title="", story_keys=0)
    try:
        if PART in params:
            take(core.from_link(params[PART]))
    except StoryError as error:
        return f"{error} The rest of the link holds."
    return _arrive_pair(params.get(PAIR, ""))


def _arrive_pair(text: str) -> str:
    """Compare the two that a link names, as "A.now"; a sentence where it names no two."""
    there = {NOW: NOW, DENSE: DENSE} | {letter: f"{one.key}" for letter, one in zip(core.LETTERS, kept(), strict=False)}
    pair = text.split(".")
    if len({*pair}) == 2 == len(pair) and {*pair} <= there.keys():
        compare(there[pair[0]], there[pair[1]])
        return ""
    return f"The link compares '{text[:20]}', which are no two of its cuts; the rest of it holds." if text else ""


def compare(first: str, second: str) -> None:
    """Compare those two from now on, each the key of a kept cut as text, or `NOW` or `DENSE`."""
    st.session_state.compared = first, second


def compared() -> tuple[str, str] | None:
    """The two that were chosen, if any were; a kept one may be gone."""
    pair: tuple[str, str] | None = st.session_state.get("compared")
    return pair


def kept() -> tuple[Kept, ...]:
    """The cuts in their order."""
    found: tuple[Kept, ...] = st.session_state.get("story", ())
    return found


def whole() -> core.Story:
    """All of it, as files and links say it."""
    return core.Story(tuple(one.cut for one in kept()), st.session_state.story_title)


def take(story: core.Story) -> None:
    """Tell that one from now on, in place of what was told."""
    st.session_state.story = tuple(Kept(_key(), cut) for cut in story.cuts)
    st.session_state.story_title = story.title


def letter(setting: Setting) -> str:
    """What the cut is called in the story, A to I; "" where it is not in it."""
    return next((core.LETTERS[place] for place, one in enumerate(kept()) if one.setting == setting), "")


def has_room() -> bool:
    """Whether another cut can be kept."""
    return len(kept()) < core.CUTS


def keep(setting: Setting, name: str) -> None:
    """Add a cut at the end, once; a full story says so."""
    if letter(setting):
        return
    if not has_room():
        st.session_state.notice = f"A story has at most {core.CUTS} cuts; take one out under Compare."
        return
    st.session_state.story = (*kept(), Kept(_key(), named(setting, name)))


def standing_in(setting: Setting, name: str) -> tuple[Kept, ...]:
    """What is told: the kept cuts or, where there are none, this one alone."""
    return kept() or (Kept(0, named(setting, name)),)


def named(setting: Setting, name: str) -> core.NamedCut:
    """A setting as a cut of that name, which is cut off where it is too long."""
    return core.NamedCut(
        name[: core.NAME], setting.model, setting.plan, "", setting.weights, setting.data, setting.count, setting.draw,
        setting.classes, setting.split,
    )  # fmt: skip


def edit(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """The title, and names and sentences of the cuts in the order told, each by its key; those not told go.

    A part that is too long leaves all as it was, with a notice.
    """
    known = {one.key: one for one in kept()}
    try:
        named = [
            replace(known[row["key"]], cut=replace(known[row["key"]].cut, name=str(row["name"]), note=str(row["note"])))
            for row in rows if row.get("key") in known
        ]  # fmt: skip
        if rows and not named:
            return  # of another story
        story = core.Story(tuple(one.cut for one in named), str(title))
    except PruningError as error:
        st.session_state.notice = str(error)
        return
    st.session_state.story = tuple({one.key: one for one in named}.values())
    st.session_state.story_title = story.title


def to_link() -> dict[str, str]:
    """Its part of a link; nothing where there is no story, or one that is too long."""
    text = core.to_link(whole()) if kept() else None
    names = {NOW: NOW, DENSE: DENSE}
    names |= {f"{one.key}": letter for letter, one in zip(core.LETTERS, kept() if text else (), strict=False)}
    pair = [names[option] for option in compared() or () if option in names]
    return ({PART: text} if text else {}) | ({PAIR: ".".join(pair)} if len(pair) == 2 else {})


def presented() -> bool:
    """Whether a new session's address asks for slides; told once."""
    asked = "presented" not in st.session_state and st.query_params.get("present") == "1"
    if "slide" not in st.session_state:
        text = st.query_params.get("slide", "1")
        st.session_state.slide = max(0, int(text) - 1) if text.isdecimal() and len(text) < 4 else 0
    st.session_state.presented = True
    return asked


def slide_to_link() -> dict[str, str]:
    """What a link says while slides are shown."""
    return {"present": "1", "slide": str(st.session_state.slide + 1)}


def is_too_long() -> bool:
    """Whether only a file can hold it."""
    return bool(kept()) and core.to_link(whole()) is None


def _key() -> int:
    st.session_state.story_keys += 1
    return int(st.session_state.story_keys)
