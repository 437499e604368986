"""Numbers as a reader is shown them, and typed text made safe for Markdown."""

from __future__ import annotations

import math
import re

from dimap_core.types import Part, is_agreement

MOST = 99.9
"""The largest percentage that can go."""
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def count(value: float) -> str:
    """1234567 -> "1.23 M"."""
    for limit, unit in _UNITS:
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.0f}"


def left(whole: int, gone: int) -> str:
    """What is left of how many in one unit, e.g. "0.31 of 0.79 M"."""
    limit, unit = next(((limit, f" {unit}") for limit, unit in _UNITS if whole >= limit), (1, ""))
    return f"{(whole - gone) / limit:.3g} of {whole / limit:.3g}{unit}"


def less(before: int, after: int) -> str:
    """Share removed, e.g. "−55.1 %"."""
    return f"−{100 * (1 - after / before):.1f} %"


def removed(total: Part, kind: str) -> float:
    """Share 0..1 of a model's "macs" or "params" that a cut removes."""
    before, after = (total.macs, total.macs_after) if kind == "macs" else (total.params, total.params_after)
    return 1 - after / before


def right(images: str | None) -> str:
    """What an answer is that counts, on images of that name: those without labels have the dense model's only."""
    return "as the dense model" if is_agreement(images) else "right"


def share(value: float) -> str:
    """A share of images: 0.712 -> "71.2 %"."""
    return f"{100 * value:.1f} %"


def percentage(text: str) -> float:
    """What was typed as a percentage; a comma is a decimal point. Raises ValueError, whose one sentence says what can
    be typed, for anything but a number from 0 to `MOST`."""
    try:
        percent = float(text.strip().removesuffix("%").replace(",", "."))
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= MOST:
        raise ValueError(f"'{text.strip()[:20]}' is not a share that can go; type a number from 0 to {MOST}, as 62.5.")
    return percent


def plain(text: str) -> str:
    """Text that may hold what a user typed, escaped: Markdown makes no link, picture, icon or formula of it."""
    return re.sub(r"([\\`*_{}\[\]<>#|~$:])", r"\\\1", text)


def unmarked(text: str) -> str:
    """Our Markdown as plain words: nothing bold, nothing escaped."""
    return re.sub(r"\\(.)", r"\1", text.replace("**", ""))
