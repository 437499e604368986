"""The requests that bring an image's way and those of many images, and the search for an image.

Next door: `choosing` has the controls.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dimap_core.plan import to_recipe
from dimap_core.service import Ticket
from dimap_core.types import Anatomy, Way

from ..parts import picked
from ..session import View, followed, requests, state

MOST = 16  # MiB of an image that is brought


def ask(view: View, sort: str) -> Ticket | None:
    """The ticket that brings the way of what is chosen, None where the reader stopped it."""
    picked.only_of(view.info.data or "")
    recipe, at = to_recipe(state.current().plan), token(view.anatomy)
    what: dict[str, Any] = {"image": None, "wanted": None, "after": None, "back": False}
    brought, number = file(), st.session_state.get("picked")
    if brought is not None:
        what["file_id"] = brought.file_id
    elif number is not None:
        what["image"] = int(number) - 1
    else:
        what |= _searched(view, sort, (str(recipe), at))
    request = {"kind": "way", "recipe": recipe, "token": at, **what}
    if st.session_state.get("way_stopped") == _content(view, request):
        return None
    known = requests.known(view, "live", request)
    if known is not None:
        return known
    st.session_state.way_asked = _content(view, request)
    if brought is not None:
        request["file"] = base64.b64encode(brought.getvalue()).decode()
    return requests.stream(view, "live", request)


def _content(view: View, request: dict[str, Any]) -> tuple:
    return requests.content(view.info, request)


def stop() -> None:
    """Cancel what is under way until something else is asked for."""
    st.session_state.way_stopped = st.session_state.get("way_asked")
    requests.stop("live")


def go_on() -> None:
    """Ask again for what was stopped."""
    st.session_state.pop("way_stopped", None)


def ask_spread(view: View) -> Ticket:
    """The ticket that brings how far apart other images are."""
    recipe = to_recipe(state.current().plan)
    return requests.stream(view, "background", {"kind": "spread", "recipe": recipe})


@dataclass
class _Search:
    """A search in the data `of` a model: behind which image it began, or before it, for which cut and token, and what
    it found."""

    of: tuple
    after: int | None = None
    back: bool = False
    asked: tuple = ()
    found: int | None = None


def _search(view: View) -> _Search:
    """The session's search, begun anew with another model or other data."""
    of, search = (view.info.fingerprint, view.info.data), st.session_state.get("way_search")
    if search is None or search.of != of:
        search = st.session_state.way_search = _Search(of)
    return search


def _searched(view: View, sort: str, asked: tuple) -> dict[str, Any]:
    """The search, or when the cut or the token has changed since, the image that it found."""
    search = _search(view)
    if search.found is None or search.asked == asked:
        search.asked = asked
        return {"wanted": sort, "after": search.after, "back": search.back}
    return {"image": search.found}


def remember(view: View, way: Way) -> None:
    """The image that was found stays the one that is followed when the cut changes; the address names it."""
    if way.image is not None:
        _search(view).found = way.image
    followed.remember(way.image, state.current().judged)


def look_again(view: View) -> None:
    """Look for the first image of a sort."""
    look_on(view, None, False)


def look_on(view: View, image: int | None, back: bool) -> None:
    """Look for the next image of a sort, or the one before."""
    st.session_state.picked = None
    st.session_state.way_search = _Search(_search(view).of, image, back)
    let_go()


def file() -> Any:
    """The file that was brought, if any."""
    return st.session_state.get(uploader())


def uploader() -> str:
    """The key of the control that takes files: only a new one is empty again."""
    return f"way_file_{st.session_state.get('way_files', 0)}"


def let_go() -> None:
    """Let go of the file that was brought."""
    st.session_state.way_files = st.session_state.get("way_files", 0) + 1


def token(anatomy: Anatomy) -> tuple[int, int]:
    """The token that is followed, as the worker calls it."""
    chosen = followed.current().token
    rows, columns = followed.patches(anatomy)
    return chosen or ((-1, 0) if followed.before_patches(anatomy) else (rows // 2, columns // 2))
