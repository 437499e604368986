"""Images that models answer differently, each with its label and answers. Next door: `differences` counts them."""

from __future__ import annotations

from html import escape
from textwrap import wrap

from ..look import Look
from ..way.svg import Picture, frame, picture, text

_SIDE, _LINES = 76.0, 34.0  # px of an image, and of the words below it
_WIDE = 104.0  # px of a card
_LETTERS = 16  # that fit below an image


def image_card(photo: str, number: int, label: str, answer: tuple[str, str], look: Look) -> Picture:
    """An image (`photo`: an address that holds it, "" while it is on its way) over its label and what is answered.

    `number` from 0; `answer`: as it is shown, in short, and as it is told to those who do not see the image.
    """
    shown, told = answer
    body = ""
    if photo:
        body = f'<image class="photo" href="{escape(photo)}" width="{_SIDE:.0f}" height="{_SIDE:.0f}"/>'
    body += frame(0, 0, _SIDE, _SIDE, look.line, 1)
    body += text(0, _SIDE + 15, _short(label), look.ink, 13, 700)
    body += text(0, _SIDE + 30, _short(shown), look.muted, 13)
    return picture(body, _WIDE, _SIDE + _LINES, f"Image {number + 1}, labelled {label}; {told}")


def count_card(title: str, below: str, look: Look) -> Picture:
    """What the images beside it have in common, as large as one of them."""
    body, y = "", 34.0
    for line in wrap(title, _LETTERS):
        body, y = body + text(0, y, line, look.ink, 13, 700), y + 17
    return picture(body + text(0, y + 2, below, look.muted, 13), _WIDE, _SIDE + _LINES, f"{title}: {below}")


def _short(words: str) -> str:
    return words if len(words) <= _LETTERS else f"{words[: _LETTERS - 1]}…"
