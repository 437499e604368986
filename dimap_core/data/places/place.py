"""What a place of images is: a tree of folders and files that can be opened, and what its files are by their names.

Whatever is neither a plain folder nor a plain file inside the place is left out and counted; what is inside a file is
not looked at here. Next door: `trees` reads folders, `archive` zips, `tar` tars, `arrays` images in memory; `grouped`
sorts a place's files into classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, Protocol

MOST_FOLDERS = 25_000
NO_IMAGE = "files without an image's name"
BESIDE = (".csv", ".tsv", ".txt", ".jsonl", ".mat", ".bin", ".parquet")  # what may hold labels, or images in one file
DEEP = 4  # folders below each other that are looked into for them


class Place(Protocol):
    """A tree of image files; paths inside it have "/" between their parts, "" is its root.

    `left_out`: what is not read, counted by its kind; `told`: a sentence on where labels come from, "" for folders;
    `order`: the classes in the order in which the set itself numbers them, where it does; `labelled`: whether anything
    says which class images are, else all are of one folder.
    """

    labelled: bool
    told: str
    order: tuple[str, ...]

    @property
    def left_out(self) -> Counter[str]:
        """What is not read: kind -> how many."""

    def folders(self, at: str) -> list[str]:
        """Names of the folders right below a folder, sorted."""

    def files(self, at: str) -> list[str]:
        """Paths of the image files right below a folder, sorted."""

    def beside(self) -> list[str]:
        """Paths of the other files that may say what images are (`BESIDE`), at most `DEEP` folders deep; they count in
        `left_out` too."""

    def stamp(self, file: str) -> tuple[int, ...]:
        """Numbers that change when a file does, its size in bytes first."""

    def open(self, file: str) -> BinaryIO:
        """A file's content."""


def below(place: Place, at: str = "", deep: int = DEEP) -> Iterator[str]:
    """A folder and those below it."""
    yield at
    for name in place.folders(at) if deep else []:
        yield from below(place, f"{at}/{name}".removeprefix("/"), deep - 1)


def is_beside(name: str) -> bool:
    """Whether a file that is no image may say what images are, by its name."""
    return name.lower().endswith(BESIDE)
