"""What a user says of a file's architecture besides its name: FILE@NAME?img_size=384&num_heads=6, the name or the rest
left out.

Next door: `architectures` finds what shapes tell; what they tell is not up to the user.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...types import UnsupportedModel
from .entering import ENTERING
from .fitting import Architecture
from .limits import checked

_WHOLE, _SHARE = r"[0-9]{1,6}", r"[0-9]{1,2}(?:\.[0-9]{1,9})?"
SETTINGS = {
    "img_size": _WHOLE, "num_heads": _WHOLE, "window_size": _WHOLE, "mean": rf"{_SHARE}(?:,{_SHARE},{_SHARE})?",
    "std": rf"{_SHARE}(?:,{_SHARE},{_SHARE})?", "crop_pct": _SHARE, "crop_mode": "[a-z]{1,20}",
    "interpolation": "[a-z]{1,20}",
}  # fmt: skip
"""What shapes may leave open, and how each is written."""


def parted(text: str) -> tuple[str, dict[str, Any]]:
    """(name, settings) of what stands behind the @; raises UnsupportedModel for other settings and sizes that no model
    has."""
    name, _, query = text.partition("?")
    settings = {}
    for part in query.split("&") if query else ():
        key, _, value = part.partition("=")
        if key == "img_size" and re.fullmatch(r"[0-9]{1,6}[x,][0-9]{1,6}", value):
            raise UnsupportedModel(
                f"Images of {value.replace(',', 'x')} px are not square, and only square ones are supported; write one "
                "number (FILE@?img_size=224) if the weights fit square ones too."
            )
        if key not in SETTINGS or not re.fullmatch(SETTINGS[key], value):
            raise UnsupportedModel(
                f"'{part[:60]}' says nothing of an architecture; write {', '.join(SETTINGS)} with a number or name "
                "each, as in FILE@ARCHITECTURE?img_size=384&num_heads=6&mean=0.5&std=0.5."
            )
        settings[key] = _read(key, value)
    return name, checked(settings)


def _read(key: str, value: str) -> Any:
    if key in ("mean", "std"):
        return tuple(map(float, value.split(",")))
    return int(value) if SETTINGS[key] == _WHOLE else float(value) if SETTINGS[key] == _SHARE else value


def check_heard(settings: Mapping[str, Any], made: Architecture) -> None:
    """Raise UnsupportedModel where what the user said is not what was made, since the weights tell otherwise."""
    for key, value in settings.items():
        has = made.settings.get(key)
        if key in ENTERING and has is not None:
            continue  # a number was said of one channel, or of all
        if (max(has) if isinstance(has, tuple) else has) != value:
            told = "tell it themselves" if has is None else f"tell {has}"
            raise UnsupportedModel(f"This file's weights are of no {key} {value}, they {told}; leave that out.")
