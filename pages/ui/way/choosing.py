"""Which image is followed and how it is looked at: the controls above the pictures.

An image that the reader brought comes first, then the one that was picked here or in Predictions; with neither the
worker looks for one that fared as was asked, and that one stays when the cut changes.
Next door: `asking` asks the worker for its way, `patches` is clicked to follow another token.
"""

from __future__ import annotations

import streamlit as st

from dimap_core.data import LISTED, SUFFIXES, image_set
from dimap_core.types import Anatomy, Way

from ..look import TERMS
from ..session import View, followed, state
from . import asking

_SORTS = {"broke": "right, now wrong", "fixed": "wrong, now right", "moved": "wrong, now wrong in another way"}
_HEADS = {"heads": "every head", "mean": "mean of all heads", "rollout": "rollout: all blocks so far"}


def sorts(view: View) -> dict[str, str]:
    """What the cut may have done to images: what the worker calls it, and in words."""
    known = image_set(view.info.data)
    return _SORTS | lost(tuple(known.load("val").cues) if known and known.load else ())


def lost(cues: tuple[str, ...]) -> dict[str, str]:
    """In words, what it is when one of these cues is lost."""
    rest = {cue: " and ".join(other for other in cues if other != cue) for cue in cues}
    return {cue: f"{cue} lost, {rest[cue]} kept" for cue in cues if rest[cue]}


def controls(view: View, way: Way | None) -> None:
    """Which image, which blocks, and how attention is shown."""
    told, current = sorts(view), None if way is None else way.image
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom", key="way_controls"):
        st.selectbox(
            "Follow an image", list(told), key=_key(view), format_func=told.get, persist_state="session", width=230,
            on_change=asking.look_again, args=(view,), help="Sorted by what the cut does to the answer.",
        )  # fmt: skip
        with st.container(horizontal=True, gap="xsmall", width="content"):
            for back, label, icon in ((True, "Previous", "chevron_left"), (False, "Next", "chevron_right")):
                st.button(
                    label, key=f"way_{label.lower()}", icon=f":material/{icon}:", on_click=asking.look_on,
                    args=(view, current, back), help=f"The {label.lower()} image of this sort",
                )  # fmt: skip
        st.number_input(
            "Image number", 1, None, None, key="picked", placeholder="" if current is None else str(current + 1),
            persist_state="session", width=130, on_change=asking.let_go, help="Any image of the set, by its number",
        )  # fmt: skip
        _bring()
        _which_block(view.anatomy)
        _how(view.anatomy)


def _key(view: View) -> str:
    return f"way_sort_{view.info.data}"  # other data have other cues


def sort(view: View) -> str:
    """The sort of images that is looked through."""
    return st.session_state.get(_key(view)) or "broke"


def _bring() -> None:
    """An image of the reader's own."""
    with st.popover("Your own image"):
        st.caption(f"{LISTED}, up to 16 MiB; it is scaled to what the model takes and stays on this machine.")
        st.file_uploader("Image file", list(SUFFIXES), key=asking.uploader(), max_upload_size=asking.MOST)
        st.button("Back to the images of the set", key="way_let_go", on_click=asking.let_go, disabled=not asking.file())


def _which_block(anatomy: Anatomy) -> None:
    """Which block of each stage is shown."""
    word, key = anatomy.stage_word.split()[-1], f"way_block_{len(anatomy.blocks)}"
    told = {-1: f"last of each {word}", -2: f"first of each {word}"}
    told |= {k: f"{word} {block.stage + 1}, block {block.index + 1}" for k, block in enumerate(anatomy.blocks)}
    place = list(told).index(state.fill(key, block(anatomy)))
    st.selectbox(
        "Block shown", list(told), place, key=key, format_func=told.get, width=180, help=TERMS["windows"],
        on_change=_take_block, args=(anatomy, key),
    )  # fmt: skip


def _take_block(anatomy: Anatomy, key: str) -> None:
    chosen = st.session_state[key]
    at = (chosen, 0) if chosen < 0 else (anatomy.blocks[chosen].stage, anatomy.blocks[chosen].index)
    followed.change(block=at)


def block(anatomy: Anatomy) -> int:
    """The block that is shown: its number among all, -1 for the last and -2 for the first one of each stage."""
    stage, index = followed.current().block
    places = {(block.stage, block.index): k for k, block in enumerate(anatomy.blocks)}
    return stage if stage < 0 else places[stage, index]


def _how(anatomy: Anatomy) -> None:
    """How attention is shown; patches that merge have no rollout."""
    told = {key: words for key, words in _HEADS.items() if key != "rollout" or anatomy.family == "deit"}
    place = list(told).index(state.fill("way_heads", followed.current().heads))
    st.selectbox(
        "Attention of", list(told), place, key="way_heads", format_func=told.get, width=200, on_change=_take_heads,
        help=TERMS["attention"] + (" " + TERMS["rollout"] if "rollout" in told else ""),
    )  # fmt: skip


def _take_heads() -> None:
    followed.change(heads=st.session_state.way_heads)
