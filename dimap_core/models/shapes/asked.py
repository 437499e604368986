"""What a user says of a file's architecture besides its name: FILE@NAME?img_size=384&num_heads=6, the name or the rest
left out.

Next door: `architectures` finds what shapes tell; what they tell is not up to the user. `preprocessing` knows the keys
that say how pictures are treated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...types import UnsupportedModel
from .fitting import Architecture
from .limits import checked
from .preprocessing import KEYS, said

SETTINGS = ("img_size", "num_heads", "window_size")
"""What shapes may leave open; each is one whole number."""


def parted(text: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(name, settings, how pictures are treated) of what stands behind the @; raises UnsupportedModel for other keys
    and values that no model has."""
    name, _, query = text.partition("?")
    settings, pictures = {}, {}
    for part in query.split("&") if query else ():
        key, _, value = part.partition("=")
        if key in KEYS:
            pictures[key] = said(key, value)
            continue
        if key == "img_size" and re.fullmatch(r"[0-9]{1,6}[x,][0-9]{1,6}", value):
            raise UnsupportedModel(
                f"Images of {value.replace(',', 'x')} px are not square, and only square ones are supported; write one "
                "number (FILE@?img_size=224) if the weights fit square ones too."
            )
        if key not in SETTINGS or not re.fullmatch(r"[0-9]{1,6}", value):
            raise UnsupportedModel(
                f"'{part[:60]}' says nothing of an architecture; write {', '.join(SETTINGS)} and a whole number, as in "
                "FILE@ARCHITECTURE?img_size=384&num_heads=6."
            )
        settings[key] = int(value)
    return name, checked(settings), pictures


def proposed(sentence: str) -> dict[str, int]:
    """The likely values that a refusal's sentence proposes to say behind the @, by setting."""
    return {
        key: int(value)
        for query in re.findall(r"FILE@\?([a-z0-9_=&]+)", sentence)
        for key, _, value in (part.partition("=") for part in query.split("&"))
        if key in SETTINGS and value.isdecimal()
    }


def check_heard(settings: Mapping[str, Any], made: Architecture) -> None:
    """Raise UnsupportedModel where what the user said is not what was made, since the weights tell otherwise."""
    for key, value in settings.items():
        has = made.settings.get(key)
        if (max(has) if isinstance(has, tuple) else has) != value:
            told = "tell it themselves" if has is None else f"tell {has}"
            raise UnsupportedModel(f"This file's weights are of no {key} {value}, they {told}; leave that out.")
