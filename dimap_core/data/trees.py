"""Where image files lie: a tree of folders on disk, or arrays that pass for one. `archive` reads zips.

A place lists folders and files and opens one file; what is inside a file is not looked at here. Whatever is neither a
plain folder nor a plain file inside the place is left out and counted in `left_out`.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from PIL import Image

from ..types import DataError
from .image_file import HEAD, SUFFIXES, begins
from .permitted import inside, roots

MOST_FILES = 2_000_000  # of one tree; ImageNet's training images are 1.3 million
MOST_FOLDERS = 25_000
NO_IMAGE = "files without an image's name"
_IGNORED = ("__macosx", "@eadir")


class Place(Protocol):
    """A tree of image files; paths inside it have "/" between their parts, "" is its root."""

    left_out: Counter[str]

    def folders(self, at: str) -> list[str]:
        """Names of the folders right below a folder, sorted."""

    def files(self, at: str) -> list[str]:
        """Paths of the image files right below a folder, sorted."""

    def stamp(self, file: str) -> tuple[int, ...]:
        """Numbers that change when a file does, its size in bytes first."""

    def open(self, file: str) -> BinaryIO:
        """A file's content."""


class Folder:
    """A folder on disk. Links are followed as long as they end inside the folder or the allowed roots."""

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
        """See `Place`."""
        return sorted(name for name, is_folder in self._entries(at) if is_folder)

    def files(self, at: str) -> list[str]:
        """See `Place`."""
        return sorted(f"{at}/{name}" for name, is_folder in self._entries(at) if not is_folder)

    def _entries(self, at: str) -> list[tuple[str, bool]]:
        """(name, whether it is a folder) of everything right below `at` that may be read; the rest is counted once."""
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
                else:
                    found.append((entry.name, entry.is_dir()))
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
        """See `Place`."""
        found = (self.root / file).stat()
        return found.st_size, found.st_mtime_ns

    def open(self, file: str) -> BinaryIO:
        """See `Place`."""
        return (self.root / file).open("rb")


class Arrays:
    """Images in memory as a tree: splits, a folder a class in each; `splits`: name -> (uint8 [N, 3, H, W], labels)."""

    def __init__(self, splits: Mapping[str, tuple[np.ndarray, np.ndarray]], class_names: tuple[str, ...]) -> None:
        self.left_out: Counter[str] = Counter()
        self._splits, self._names = splits, class_names

    def folders(self, at: str) -> list[str]:
        """See `Place`."""
        return sorted(self._names) if at in self._splits else [] if at else sorted(self._splits)

    def files(self, at: str) -> list[str]:
        """See `Place`."""
        split, _, name = at.partition("/")
        if split not in self._splits or name not in self._names:
            return []
        numbers = np.flatnonzero(self._splits[split][1] == self._names.index(name))
        return [f"{split}/{number:08d}.bmp" for number in numbers]

    def stamp(self, file: str) -> tuple[int, ...]:
        """See `Place`."""
        return (self._image(file).nbytes,)

    def open(self, file: str) -> BinaryIO:
        """The image as a BMP, which loses nothing."""
        content = io.BytesIO()
        Image.fromarray(self._image(file).transpose(1, 2, 0)).save(content, "BMP")
        content.seek(0)
        return content

    def _image(self, file: str) -> np.ndarray:
        split, _, name = file.partition("/")
        return self._splits[split][0][int(name.removesuffix(".bmp"))]
