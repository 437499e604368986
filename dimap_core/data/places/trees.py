"""A folder on disk as a place of images.

Next door: `place` says what a place is.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from ...types import DataError
from ..image_file import HEAD, SUFFIXES, begins
from ..permitted import inside, roots
from .place import NO_IMAGE, below, is_beside

MOST_FILES = 2_000_000  # of one tree; ImageNet's training images are 1.3 million
_IGNORED = ("__macosx", "@eadir")


class Folder:
    """A folder on disk. Links are followed as long as they end inside the folder or the allowed roots."""

    labelled: bool = True
    told: str = ""
    order: tuple[str, ...] = ()

    def __init__(self, root: Path) -> None:
        try:
            self.root = root.expanduser().resolve(strict=True)
            os.scandir(self.root).close()
        except (OSError, RuntimeError, ValueError) as error:
            raise DataError(
                f"'{str(root)[:80]}' is not a folder that can be read ({type(error).__name__}); give one with a "
                "sub-folder for every class."
            ) from None
        self.left_out: Counter[str] = Counter()
        self._allowed = (self.root, *roots())
        self._seen: dict[str, int] = {}  # entries by folder

    def folders(self, at: str) -> list[str]:
        """See `place.Place`."""
        return sorted(name for name, kind in self._entries(at) if kind == "folder")

    def files(self, at: str) -> list[str]:
        """See `place.Place`."""
        return sorted(f"{at}/{name}".removeprefix("/") for name, kind in self._entries(at) if kind == "image")

    def beside(self) -> list[str]:
        """See `place.Place`."""
        return [f"{at}/{name}".removeprefix("/") for at in below(self) for name, kind in self._entries(at)
                if kind == "beside"]  # fmt: skip

    def _entries(self, at: str) -> list[tuple[str, str]]:
        """(name, "folder", "image" or "beside") of everything right below `at` that may be read; what is no image is
        counted once."""
        found, skipped, number, before = [], Counter[str](), 0, sum(self._seen.values())
        with os.scandir(self.root / at) as entries:
            for number, entry in enumerate(entries, 1):
                if before + number > MOST_FILES:
                    raise DataError(f"'{self.root.name[:80]}' holds more than {MOST_FILES:,} files; give a part of it.")
                if entry.name.startswith(".") or entry.name.lower() in _IGNORED:
                    continue
                why = self._why_not(entry)
                if why:
                    skipped[why] += 1
                if not why:
                    found.append((entry.name, "folder" if entry.is_dir() else "image"))
                elif why == NO_IMAGE and is_beside(entry.name):
                    found.append((entry.name, "beside"))
        if at not in self._seen:
            self.left_out += skipped
            self._seen[at] = number
        return found

    def _why_not(self, entry: os.DirEntry[str]) -> str:
        try:
            if entry.is_symlink() and not inside(Path(entry.path).resolve(), self._allowed):
                return "links that lead out of the folder"
            if entry.is_dir():
                return ""
            if not entry.is_file():
                return "neither files nor folders"
        except (OSError, RuntimeError):  # a loop of links
            return "links that lead nowhere"
        return "" if self._image(entry) else NO_IMAGE

    def _image(self, entry: os.DirEntry[str]) -> bool:
        """Whether a file is an image by its name, by its first bytes where the name has no ending."""
        if "." in entry.name:
            return entry.name.lower().endswith(SUFFIXES)
        try:
            with Path(entry.path).open("rb") as file:
                return begins(file.read(HEAD))
        except OSError:
            return False

    def stamp(self, file: str) -> tuple[int, ...]:
        """See `place.Place`."""
        found = (self.root / file).stat()
        return found.st_size, found.st_mtime_ns

    def open(self, file: str) -> BinaryIO:
        """See `place.Place`."""
        return (self.root / file).open("rb")
