"""What is followed through the model, for Way: an image, a token of it, the blocks shown, and how heads are shown.

It stands in the link and stays over pages, but is no cut: undo leaves it alone. Next door: `links` reads it with the
setting, `state` writes it into the address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from dimap_core.types import Anatomy, InvalidPlan

KEYS = ("image", "token", "block", "heads")
"""Its parts in a link."""
LAST, FIRST = (-1, 0), (-2, 0)
"""In place of one block: the last, or the first one of each stage."""
HEADS = ("heads", "mean", "rollout")
"""How attention is shown: each head, their mean, or rolled out over all blocks so far."""
_BEFORE = {"class": (-1, 0), "distillation": (-1, 1)}  # tokens before the patches
_ENDS = {"first": FIRST, "last": LAST}
_PLACE = re.compile(r"([1-9]\d{0,3})\.([1-9]\d{0,3})")
_IMAGE = re.compile(r"[1-9]\d{0,8}")


@dataclass(frozen=True)
class Followed:
    """Numbers count from 0. `token`: (row, column) of a patch, (-1, k) the k-th token before the patches, None: the
    model's first such token, else the patch in the middle. `block`: (stage, block in it), `LAST` or `FIRST`; `heads`:
    one of `HEADS`."""

    token: tuple[int, int] | None = None
    block: tuple[int, int] = LAST
    heads: str = HEADS[0]

    def fitting(self, anatomy: Anatomy) -> Followed:
        """The same as far as a model has such parts, else as at the start."""
        stage, block = self.block
        there = stage < 0 or (stage < len(anatomy.stages) and block < len(anatomy.stages[stage].blocks))
        (rows, columns), before = patches(anatomy), before_patches(anatomy)
        token = self.token
        if token is not None:
            row, column = token
            fits = column < len(before) if row < 0 else row < rows and column < columns
            token = token if fits else None
        heads = HEADS[0] if self.heads == "rollout" and anatomy.family != "deit" else self.heads
        return Followed(token, self.block if there else LAST, heads)


def patches(anatomy: Anatomy) -> tuple[int, int]:
    """Rows and columns of patches."""
    patch = next(layer for layer in anatomy.outer if layer.name == "patch_embed.proj").shape[-2:]
    return anatomy.input_size // patch[0], anatomy.input_size // patch[1]


def before_patches(anatomy: Anatomy) -> tuple[str, ...]:
    """What tokens stand before the patches, in the model's order: "class", "distillation"."""
    names = {layer.name for layer in anatomy.outer}
    return tuple(what for what, name in (("class", "cls_token"), ("distillation", "dist_token")) if name in names)


def current() -> Followed:
    """What is followed now."""
    return st.session_state.get("followed") or Followed()


def change(**fields: Any) -> None:
    """Replace some of it."""
    st.session_state.followed = replace(current(), **fields)


def fit(anatomy: Anatomy) -> None:
    """Let go of what the open model has no such part for; after a link, with a word."""
    fitting, linked = current().fitting(anatomy), st.session_state.pop("followed_linked", False)
    if fitting == current():
        return
    if linked:
        before, after = (_told(followed) for followed in (current(), fitting))
        gone = ", ".join(f"{key} {before[key]}" for key in before if before[key] != after.get(key))
        st.session_state.notice = f"This model has no {gone}; the rest of the link holds."
    st.session_state.followed = fitting
    st.rerun()


def remember(image: int | None, of: tuple) -> None:
    """The address names the `image`, from 0, that is followed; `of`: the setting's `judged`."""
    st.session_state.followed_image = image, of


def arrive(params: dict[str, str], of: tuple) -> None:
    """Follow what the good parts of a link say."""
    good = {key: params[key] for key in KEYS if key in params and _is_good(key, params[key])}
    number, st.session_state.followed = from_link(good)
    st.session_state.followed_linked = True
    if number is not None:
        st.session_state.picked = number
        remember(number - 1, of)


def _is_good(key: str, text: str) -> bool:
    try:
        from_link({key: text})
    except InvalidPlan:
        return False
    return True


def from_link(params: dict[str, str]) -> tuple[int | None, Followed]:
    """(the image's number, from 1, and the rest); raises InvalidPlan for what is none."""
    image, token, block = params.get("image"), params.get("token"), params.get("block", "last")
    heads = params.get("heads", HEADS[0])
    if image is not None and not _IMAGE.fullmatch(image):
        raise InvalidPlan(f"There is no image '{image[:20]}'; write its number, from 1.")
    if heads not in HEADS:
        raise InvalidPlan(f"Attention can't be shown as '{heads[:20]}'; choose one of {', '.join(HEADS)}.")
    at = None if token is None else _BEFORE.get(token) or _place("token", token, "a row and a column, as 9.9, or class")
    shown = _ENDS.get(block) or _place("block", block, "a stage and a block of it, as 3.2, or first or last")
    return None if image is None else int(image), Followed(at, shown, heads)


def _place(what: str, text: str, remedy: str) -> tuple[int, int]:
    if not (found := _PLACE.fullmatch(text)):
        raise InvalidPlan(f"There is no {what} '{text[:20]}'; write {remedy}.")
    return int(found[1]) - 1, int(found[2]) - 1


def to_link(of: tuple) -> dict[str, str]:
    """The parts of a link that `from_link` reads back; what is as at the start is left out."""
    image, whose = st.session_state.get("followed_image", (None, ()))
    return ({} if image is None or whose != of else {"image": str(image + 1)}) | _told(current())


def _told(followed: Followed) -> dict[str, str]:
    """Token, block and heads as links say them; what is as at the start is left out."""
    told, (stage, block) = {}, followed.block
    if followed.token is not None:
        names = {place: name for name, place in _BEFORE.items()}
        row, column = followed.token
        told["token"] = names.get(followed.token) or f"{row + 1}.{column + 1}"
    if followed.block != LAST:
        told["block"] = "first" if followed.block == FIRST else f"{stage + 1}.{block + 1}"
    return told if followed.heads == HEADS[0] else told | {"heads": followed.heads}
