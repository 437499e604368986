"""Where they differ: images that only one of both gets right, with the other's wrong answer."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dimap_core.figures import count_card, image_card
from dimap_core.studies import story as core

from ..look import chart_tools, formats, markup, theme
from ..story import telling
from .standing import Standing, unpaired

_KEY = "compare_images"
_FEW, _MANY = 5, 40  # images of each side, before and after more are asked for
_PIXELS = 96  # of a picture; larger images shrink


def lacking(first: Standing, second: Standing) -> bool:
    """Whether pictures are on their way."""
    return bool({*_numbers(first, second)} - _photos(first, second).keys())


def _numbers(first: Standing, second: Standing) -> list[int]:
    """Of the images that are shown."""
    return [one.number for own in _differing(first, second) for one in own[: _shown()]]


def _photos(first: Standing, second: Standing) -> dict[int, str]:
    """Addresses of those that have come, by number."""
    kept = second.side.kept or first.side.kept
    return telling.pictures(kept.setting, _numbers(first, second), _PIXELS) if kept else {}


def draw(first: Standing, second: Standing) -> None:
    """Both rows of images."""
    found = _differing(first, second)
    count = sum(map(len, found))
    of = f" of {len(second.ground.numbers):,}" if second.ground else ""
    title = f"Where they differ: {_images(count)}{of}"
    content = f"<h3>{title}</h3>"
    if unpaired(first, second):
        content = "<h3>Where they differ</h3><p>Images are shown where both were judged by the same ones.</p>"
    elif not count:
        content += "<p>Both are right on the same images.</p>"
    else:
        cards = _cards(found, (first, second), _photos(first, second))
        content += f'<div class="saved cards">{cards}</div>'
    with st.container(key=_KEY, gap=None, border=True, height="stretch"):
        markup.draw("compare_cards", content)
        if count:
            told = {"title": title, "note": "Bold: what the image shows.", "large": False, "walk": False}
            chart_tools.draw(_KEY, told, _table(found, (first, second)), theme.look().dark)
        if max(map(len, found)) > _FEW:
            fewer = st.session_state.get("compare_more")
            st.button(
                "Show only five of each" if fewer else "Show more of them", key="compare_more_images", on_click=_turn,
                type="tertiary",
            )  # fmt: skip


def _turn() -> None:
    st.session_state.compare_more = not st.session_state.get("compare_more", False)


def _shown() -> int:
    return _MANY if st.session_state.get("compare_more") else _FEW


def _differing(first: Standing, second: Standing) -> tuple[list[core.Shown], list[core.Shown]]:
    """Images that only the first gets right, and that only the second does."""
    if unpaired(first, second) or not (second.ground and first.told and second.told):
        return [], []
    return core.differing(second.ground, first.told, second.told)


def _cards(found: Sequence[list[core.Shown]], pair: Sequence[Standing], photos: dict[int, str]) -> str:
    """A row for each side: how many, then the images, an empty frame while one is on its way."""
    look, body = theme.look(), ""
    for place, (own, one) in enumerate(zip(found, pair, strict=True)):
        other = pair[1 - place].side
        right = formats.right(one.ground.images if one.ground else None)
        body += '<div class="line">' + count_card(f"Only {one.side.called} {right}", _images(len(own)), look).svg
        for shown in own[: _shown()]:
            answer = shown.answers[1 - place]
            said, told = f"{other.mark}: {answer}", f"{other.called} says {answer}"
            body += image_card(photos.get(shown.number, ""), shown.number, shown.label, (said, told), look).svg
        body += "</div>"
    return body


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def _table(found: Sequence[list[core.Shown]], pair: Sequence[Standing]) -> chart_tools.Table:
    """All of them, not only those that are shown."""
    every = [(one.side.called, shown) for own, one in zip(found, pair, strict=True) for shown in own]
    columns: dict[str, list[object]] = {
        "image": [shown.number + 1 for _, shown in every],
        "label": [shown.label for _, shown in every],
        "only right": [right for right, _ in every],
    }
    for place, one in enumerate(pair):
        columns[f"{one.side.called} says"] = [shown.answers[place] for _, shown in every]
    return columns
