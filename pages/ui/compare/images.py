"""Where they differ: images that only one of both gets right, with the other's wrong answer."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from dimap_core.figures import count_card, image_card
from dimap_core.service import Ticket
from dimap_core.studies.story import Shown, differing

from ..look import chart_tools, markup, theme
from ..story import pictures
from .standing import Standing, unpaired

_KEY = "compare_images"
_FEW, _MANY = 5, 40  # images of each side, before and after more are asked for


def ask(first: Standing, second: Standing) -> Ticket | None:
    """The request for the pictures; None where there are none to show."""
    shown = [one.number for side in _differing(first, second) for one in side[: _shown()]]
    kept = second.side.kept or first.side.kept
    return pictures.ask(kept.setting, shown) if shown and kept else None


def draw(first: Standing, second: Standing, ticket: Ticket | None) -> None:
    """Both rows of images."""
    found = _differing(first, second)
    count = sum(map(len, found))
    with st.container(key=_KEY, gap=None, border=True, height="stretch"):
        of = f" of {len(second.ground.numbers):,}" if second.ground else ""
        title = f"Where they differ: {count:,} image{'' if count == 1 else 's'}{of}"
        content = f"<h3>{title}</h3>"
        if unpaired(first, second):
            content = "<h3>Where they differ</h3><p>Images are shown where both were judged by the same ones.</p>"
        elif not count:
            content += "<p>Both are right on the same images.</p>"
        else:
            photos = pictures.read(ticket) if ticket else {}
            content += f'<div class="saved cards">{_cards(found, (first, second), photos)}</div>'
        if ticket is not None and ticket.error:
            content += f'<p role="alert">{escape(ticket.error)}</p>'
        markup.draw("compare_cards", content)
        if count:
            told = {"title": title, "note": "Above each answer the image's label.", "large": False, "walk": False}
            chart_tools.draw(_KEY, told, _table(found, (first, second)), theme.look().dark)
            if max(map(len, found)) > _FEW:
                st.button(
                    f"Show {'only five of each' if st.session_state.get('compare_more') else 'more of them'}",
                    key="compare_more_images", on_click=_turn, type="tertiary",
                )  # fmt: skip


def _turn() -> None:
    st.session_state.compare_more = not st.session_state.get("compare_more", False)


def _shown() -> int:
    return _MANY if st.session_state.get("compare_more") else _FEW


def _differing(first: Standing, second: Standing) -> tuple[list[Shown], list[Shown]]:
    """Images that only the first gets right, and that only the second does."""
    if unpaired(first, second) or not (second.ground and first.told and second.told):
        return [], []
    return differing(second.ground, first.told, second.told)


def _cards(found: Sequence[list[Shown]], pair: Sequence[Standing], photos: dict[int, str]) -> str:
    """A row for each side: how many, then the images, an empty frame while one is on its way."""
    look, body = theme.look(), ""
    for place, (own, one) in enumerate(zip(found, pair, strict=True)):
        other = pair[1 - place].side.short
        images = f"{len(own):,} image{'' if len(own) == 1 else 's'}"
        cards = [count_card(f"Only {one.side.short} right", images, look)]
        cards += [
            image_card(
                photos.get(shown.number, ""), shown.label, f"{other}: {shown.answers[1 - place]}", shown.number, look
            )
            for shown in own[: _shown()]
        ]
        body += f'<div class="line">{"".join(card.svg for card in cards)}</div>'
    return body


def _table(found: Sequence[list[Shown]], pair: Sequence[Standing]) -> chart_tools.Table:
    """All of them, not only those that are shown."""
    every = [(one.side.short, shown) for own, one in zip(found, pair, strict=True) for shown in own]
    columns: dict[str, list[object]] = {
        "image": [shown.number + 1 for _, shown in every],
        "label": [shown.label for _, shown in every],
        "only right": [right for right, _ in every],
    }
    for place, one in enumerate(pair):
        columns[f"{one.side.called} says"] = [shown.answers[place] for _, shown in every]
    return columns
