"""Which image is followed, whose attention is shown, and the request that brings it.

An image that the reader brought comes first, then the one that was picked here or in Predictions; with neither the
worker looks for one that the cut gets wrong, and that one stays when the cut changes.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dimap_core.plan import to_recipe
from dimap_core.service import Ticket
from dimap_core.types import Anatomy, Way

from ..look import TERMS
from ..parts import picked
from ..session import View, requests, state

_MOST = 16  # MiB of an image that is brought
_BEFORE = {"cls_token": "the class token", "dist_token": "the distillation token"}
_PATCH = "a patch"


def ask(view: View) -> Ticket:
    """The ticket that brings the way of what is chosen."""
    picked.only_of(view.info.data or "")
    recipe, token = to_recipe(state.current().plan), _token(view.anatomy)
    what: dict[str, Any] = {"image": None, "after": None}
    file, number = _file(), st.session_state.get("picked")
    if file is not None:
        what["file_id"] = file.file_id
    elif number is not None:
        what["image"] = int(number) - 1
    else:
        search = _search(view)
        if search.found is None or search.asked == (str(recipe), token):
            what["after"] = search.after
            search.asked = (str(recipe), token)
        else:
            what["image"] = search.found
    request = {"kind": "way", "recipe": recipe, "token": token, **what}
    known = requests.known(view, "live", request)
    if known is not None:
        return known
    if file is not None:
        request["file"] = base64.b64encode(file.getvalue()).decode()
    return requests.stream(view, "live", request)


def ask_spread(view: View) -> Ticket:
    """The ticket that brings how far apart other images are."""
    recipe = to_recipe(state.current().plan)
    return requests.stream(view, "background", {"kind": "spread", "recipe": recipe})


@dataclass
class _Search:
    """A search in the data `of` a model: behind which image it began, for which cut and token, and what it found."""

    of: tuple
    after: int | None = None
    asked: tuple = ()
    found: int | None = None


def _search(view: View) -> _Search:
    """The session's search, begun anew with another model or other data."""
    of, search = (view.info.fingerprint, view.info.data), st.session_state.get("way_search")
    if search is None or search.of != of:
        search = st.session_state.way_search = _Search(of)
    return search


def remember(view: View, way: Way) -> None:
    """The image that was found stays the one that is followed when the cut changes."""
    if way.image is not None:
        _search(view).found = way.image


def controls(view: View, way: Way | None) -> None:
    """Which image, whose attention, which block."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom", key="way_controls"):
        st.number_input(
            "Image", 1, None, None, key="picked", placeholder="gone wrong", persist_state="session", width=170,
            on_change=_let_go,
        )  # fmt: skip
        current = None if way is None else way.image
        st.button("Another one gone wrong", key="way_another", on_click=_another, args=(view, current))
        _bring()
        _whose(view.anatomy)
        _which_block(view.anatomy)


def _another(view: View, image: int | None) -> None:
    """Look for the next image that the cut gets wrong."""
    st.session_state.picked = None
    st.session_state.way_search = _Search(_search(view).of, image)
    _let_go()


def _bring() -> None:
    """An image of the reader's own."""
    with st.popover("Bring an image"):
        st.caption("JPEG, PNG, WebP or BMP; it is scaled to what the model takes and stays on this machine.")
        st.file_uploader("Image file", ["jpg", "jpeg", "png", "webp", "bmp"], key=_uploader(), max_upload_size=_MOST)


def _file() -> Any:
    """The file that was brought, if any."""
    return st.session_state.get(_uploader())


def _uploader() -> str:
    """The key of the control that takes files: only a new one is empty again."""
    return f"way_file_{st.session_state.get('way_files', 0)}"


def _let_go() -> None:
    """Let go of the file that was brought."""
    st.session_state.way_files = st.session_state.get("way_files", 0) + 1


def _whose(anatomy: Anatomy) -> None:
    """Whose attention is shown."""
    before, (rows, columns) = _before(anatomy), _patches(anatomy)
    if before:
        st.selectbox(
            "Attention of", [*before, _PATCH], key="way_whose", persist_state="session", width=190,
            help=TERMS["token"],
        )  # fmt: skip
    if not before or st.session_state.get("way_whose") == _PATCH:
        for what, most in (("row", rows), ("column", columns)):
            st.number_input(
                f"Patch, {what}", 1, most, most // 2 + 1, key=_key(what, most), persist_state="session", width=104,
                help=TERMS["token"],
            )  # fmt: skip


def _token(anatomy: Anatomy) -> tuple[int, int]:
    """The token whose attention is shown, as the worker calls it."""
    before, grid = _before(anatomy), _patches(anatomy)
    whose = st.session_state.get("way_whose") or (before[0] if before else _PATCH)
    if whose in before:
        return -1, before.index(whose)
    row, column = (
        (st.session_state.get(_key(what, most)) or most // 2 + 1) - 1
        for what, most in zip(("row", "column"), grid, strict=True)
    )
    return row, column


def _key(what: str, most: int) -> str:
    return f"way_{what}_{most}"  # of another model, a number may lie outside


def _before(anatomy: Anatomy) -> list[str]:
    """What stands before the patches, in the model's order."""
    names = [layer.name for layer in anatomy.outer]
    return [words for name, words in _BEFORE.items() if name in names]


def _patches(anatomy: Anatomy) -> tuple[int, int]:
    """Rows and columns of patches."""
    patch = next(layer for layer in anatomy.outer if layer.name == "patch_embed.proj").shape[-2:]
    return anatomy.input_size // patch[0], anatomy.input_size // patch[1]


def _which_block(anatomy: Anatomy) -> None:
    """Which block of each stage is shown."""
    word = anatomy.stage_word.split()[-1]
    told = {-1: f"Last of each {word}", -2: f"First of each {word}"}
    told |= {
        k: f"{word.capitalize()} {block.stage + 1}, block {block.index + 1}" for k, block in enumerate(anatomy.blocks)
    }
    st.selectbox(
        "Block shown", list(told), key=f"way_block_{len(anatomy.blocks)}", format_func=told.get,
        persist_state="session", width=180, help=TERMS["windows"],
    )  # fmt: skip


def block(anatomy: Anatomy) -> int:
    """The block that is shown: its number among all, -1 for the last and -2 for the first one of each stage."""
    chosen = st.session_state.get(f"way_block_{len(anatomy.blocks)}")
    return -1 if chosen is None else chosen
