"""Which places of this machine's disk may be read for someone at a browser. No torch: the app asks before it sends."""

from __future__ import annotations

import os
from pathlib import Path

from ..types import DataError, user_home

_SETTING = "DIMAP_ROOTS"


def roots() -> tuple[Path, ...]:
    """The folders named by the environment's DIMAP_ROOTS (colons between), else the current and the home directory."""
    named = [part for part in os.environ.get(_SETTING, "").split(os.pathsep) if part]
    return tuple(Path(part).expanduser().resolve() for part in named) or (Path.cwd().resolve(), user_home().resolve())


def inside(path: Path, places: tuple[Path, ...]) -> bool:
    """Whether a resolved path is one of the places or lies below one."""
    return any(path.is_relative_to(place) for place in places)


def allowed(text: str) -> Path:
    """The path that `text` names, links followed; raises DataError for one outside the roots, there or not."""
    try:
        path = Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a null byte, an unknown user
        raise DataError(f"'{text[:80]}' is not a path; give a folder or a file of this machine.") from None
    if not inside(path, roots()):
        places = ", ".join(map(str, roots()))
        raise DataError(
            f"'{text[:80]}' lies outside the folders that may be read here ({places}; {_SETTING} sets them)."
        )
    return path
