"""The tree that a list of names makes: what zips, tars and tables present as folders and files.

Next door: `place` says what a place is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ..image_file import SUFFIXES
from .place import NO_IMAGE, is_beside

ASTRAY = "names that lead out of the {}"


@dataclass
class _Level:
    folders: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


class Levels:
    """Folders and files by their names; see `place.Place`. `kind`: what it is called that names may lead out of."""

    kind = "zip"
    labelled: bool = True
    told: str = ""
    order: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._left_out = Counter[str]()
        self._levels: dict[str, _Level] = {"": _Level()}
        self._beside: set[str] = set()

    @property
    def left_out(self) -> Counter[str]:
        """See `place.Place`."""
        return self._left_out

    def take(self, name: str, why_not: str, begins_as_image: Callable[[], bool]) -> bool:
        """Put a file where its name says, or count it; whether it may be opened.

        `why_not`: why it is left out, "" where it is not; `begins_as_image`: asked of a name without an ending.
        """
        parts = name.split("/")
        astray = ".." in parts or "" in parts or "\\" in name or ":" in parts[0]
        if astray:
            self._left_out[ASTRAY.format(self.kind)] += 1
            return False
        if any(part.startswith(".") or part.lower() == "__macosx" for part in parts):
            return False
        if why_not:
            self._left_out[why_not] += 1
            return False
        last = parts[-1].lower()
        image = last.endswith(SUFFIXES) if "." in last else begins_as_image()
        if not image:
            self._left_out[NO_IMAGE] += 1
            self._beside |= {name} if is_beside(last) else set()
            return is_beside(last)
        self._put(name, parts[:-1])
        return True

    def _put(self, name: str, parts: list[str]) -> None:
        for depth, part in enumerate(parts):
            self._levels["/".join(parts[:depth])].folders.add(part)
            self._levels.setdefault("/".join(parts[: depth + 1]), _Level())
        self._levels["/".join(parts)].files.add(name)

    def folders(self, at: str) -> list[str]:
        """See `place.Place`."""
        return sorted(self._levels[at].folders)

    def files(self, at: str) -> list[str]:
        """See `place.Place`."""
        return sorted(self._levels[at].files)

    def beside(self) -> list[str]:
        """See `place.Place`."""
        return sorted(self._beside)
