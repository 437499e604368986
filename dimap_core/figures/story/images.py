"""Images that models answer differently, each with its label and answers. Next door: `differences` counts them."""

from __future__ import annotations

from html import escape

from ..look import Look
from ..way.svg import Picture, frame, picture, text

_SIDE, _LINES = 76.0, 34.0  # px of an image, and of the words below it
_WIDE = 104.0  # px of a card
_LETTERS = 16  # that fit below an image


def image_card(photo: str, label: str, answers: str, number: int, look: Look) -> Picture:
    """An image (`photo`: an address that holds it, "" while it is on its way) over its label and what is answered;
    `number` from 0."""
    body = ""
    if photo:
        body = f'<image class="photo" href="{escape(photo)}" width="{_SIDE:.0f}" height="{_SIDE:.0f}"/>'
    body += frame(0, 0, _SIDE, _SIDE, look.line, 1)
    body += text(0, _SIDE + 15, _short(label), look.ink, 13, 700)
    body += text(0, _SIDE + 30, _short(answers), look.muted, 13)
    return picture(body, _WIDE, _SIDE + _LINES, f"Image {number + 1}, labelled {label}. {answers}")


def count_card(title: str, below: str, look: Look) -> Picture:
    """What the images beside it have in common, as large as one of them."""
    body = text(0, 34, title, look.ink, 13, 700) + text(0, 53, below, look.muted, 13)
    return picture(body, _WIDE, _SIDE + _LINES, f"{title}: {below}")


def _short(words: str) -> str:
    return words if len(words) <= _LETTERS else f"{words[: _LETTERS - 1]}…"
