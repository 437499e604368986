"""Durations, sizes and differences as people say them, and names that can be written anywhere. No torch: pages,
commands and messages read alike."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_MARKUP = str.maketrans("<>[]`$*", "‹›()'＄∗")


def duration(seconds: float) -> str:
    """7 -> "7 s", 23 -> "25 s", 200 -> "3 min", 9000 -> "2 h"."""
    for limit, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds > 1.5 * limit:
            return f"{seconds / limit:.0f} {unit}"
    return f"{max(seconds, 1):.0f} s" if seconds < 10 else f"{5 * round(seconds / 5)} s"


def in_points(share: float) -> str:
    """A difference of shares in percentage points: -0.012 -> "−1.2"."""
    return f"{100 * share:+.1f}".replace("-", "−")


def size(count: float) -> str:
    """Bytes: "1.3 GiB", "37 MiB"."""
    return f"{count / 1024**3:.1f} GiB" if count >= 0.95 * 1024**3 else f"{count / 1024**2:.0f} MiB"


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, none of them long, and how many more there are: "a, b, c and 12 more"."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(name[:60] for name in names[:most]) + more


def shown(name: str) -> str:
    """A name as it can be written anywhere: no markup, no control characters, bytes that are no UTF-8 replaced."""
    plain = name.encode("utf-8", "replace").decode().translate(_MARKUP)
    return "".join("\ufffd" if unicodedata.category(sign) in ("Cc", "Cf") else sign for sign in plain)
