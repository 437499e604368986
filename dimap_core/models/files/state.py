"""Where the state dict lies in what torch.save wrote: any wrapper is found, whatever it is called; none is listed.

Next door: `torch_file` reads the file, `layouts` says what the names in it mean.
"""

from __future__ import annotations

import re
from typing import Any

import torch

from ...types import listed
from .inert import Foreign
from .listing import refused

_DEPTH = 3  # wrappers around each other: Lightning around timm's EMA around DataParallel
AVERAGED = r"(.+_)?(ema|averaged|swa)(_.+)?"
_ORDER = (AVERAGED, "teacher", "state_dict", "model")
"""Averaged weights first, as timm has it; DINO's teacher is the average of its student."""
_UNREAD = r"\b_rebuild_|^a storage$|\.quantized\."  # numbers of 8 bits, complex ones, what a quantised layer packs


def state_dict(content: Any) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """(the tensors by name among what a file holds, a sentence on which they are of several)."""
    path, state, others = state_at(content)
    return state, (f"{_named(path)} was taken of this file, not {listed(others)}.",) if others else ()


def state_at(content: Any) -> tuple[tuple[str, ...], dict[str, torch.Tensor], list[str]]:
    """(keys that lead there, tensors by name, names of others like it) among what a file holds: the content itself or a
    dict within it, up to `_DEPTH` keys deep; of several, those of a quarter of the largest one's tensors or more (no
    optimizer, no metric), the first by `_ORDER`, then the largest."""
    found = candidates(content)
    most = max((len(state) for _, state in found), default=0)
    if not most:
        raise refused("holds no state dict", "save one with torch.save(model.state_dict(), ...)")
    large = [(path, state) for path, state in found if 4 * len(state) >= most]
    path, state = min(large, key=lambda item: (_rank(item[0]), -len(item[1])))
    return path, state, [_named(other) for other, _ in large if other != path]


def unread(content: Any) -> str:
    """The name of a weight beside those tensors whose numbers are of a kind that `inert` leaves unread, if any."""
    place = content
    for key in state_at(content)[0]:
        place = place[key]
    left = ((str(name), value.name) for name, value in place.items() if isinstance(value, Foreign))
    return next((name for name, kind in left if name.endswith("weight") and re.search(_UNREAD, kind)), "")


def _named(path: tuple[str, ...]) -> str:
    return f"'{' > '.join(path)[:50]}'" if path else "What is not wrapped"


def candidates(content: Any) -> list[tuple[tuple[str, ...], dict[str, torch.Tensor]]]:
    """(keys on the way, tensors) of every dict that holds any; each is looked at once, however often it is named."""
    found, seen = [], set()
    level: list[tuple[tuple[str, ...], Any]] = [((), content)]
    for _ in range(_DEPTH + 1):
        below = []
        for path, value in level:
            if not isinstance(value, dict) or id(value) in seen:
                continue
            seen.add(id(value))
            named = [(key, inner) for key, inner in value.items() if isinstance(key, str)]
            if tensors := {key: inner for key, inner in named if isinstance(inner, torch.Tensor)}:
                found.append((path, tensors))
            below += [((*path, key), inner) for key, inner in named]
        level = below
    return found


def _rank(path: tuple[str, ...]) -> int:
    ranks = (rank for rank, pattern in enumerate(_ORDER) if any(re.fullmatch(pattern, key) for key in path))
    return next(ranks, len(_ORDER))
