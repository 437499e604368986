"""Images sorted into splits and classes by what is known of them, whatever folders they lie in.

Next door: `labels` and `parquet` know the classes; `place` says what a place is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO, Protocol

from .place import NO_IMAGE

Groups = Mapping[str, Mapping[str, Sequence[str]]]
"""Split ("" where there are none) -> class -> files."""


class Opens(Protocol):
    """What opens a file; see `place.Place`."""

    @property
    def left_out(self) -> Counter[str]:
        """What is not read: kind -> how many."""

    def stamp(self, file: str) -> tuple[int, ...]:
        """Numbers that change when a file does, its size in bytes first."""

    def open(self, file: str) -> BinaryIO:
        """A file's content."""


class Grouped:
    """Files of `source` as a tree of splits and classes, see `place.Place`.

    `told`: a sentence on where labels come from; `order`: the classes as the set itself numbers them; `used`: files of
    the source that said so, which are not left out; `lacking`: images left out for want of a label; `labelled`: whether
    the classes are any.
    """

    def __init__(
        self, source: Opens, groups: Groups, told: str, order: Sequence[str] = (), used: int = 0,
        lacking: Mapping[str, int] | None = None, labelled: bool = True,
    ) -> None:  # fmt: skip
        self.told, self.labelled = told, labelled
        self._source, self._used, self._lacking = source, used, Counter(dict(lacking or {}))
        # A class is a folder here, so that no name may hold what parts folders.
        named = {split: {name.replace("/", "∕"): files for name, files in sorted(held.items())}
                 for split, held in groups.items() if any(held.values())}  # fmt: skip
        self.order: tuple[str, ...] = tuple(name.replace("/", "∕") for name in order)
        self._splits = named if len(named) > 1 and "" not in named else {"": _merged(named.values())}

    @property
    def left_out(self) -> Counter[str]:
        """See `place.Place`."""
        return self._source.left_out - Counter({NO_IMAGE: self._used}) + self._lacking

    def folders(self, at: str) -> list[str]:
        """See `place.Place`."""
        if at in self._splits:
            return list(self._splits[at])
        return [] if at else sorted(self._splits)

    def files(self, at: str) -> list[str]:
        """See `place.Place`."""
        split, _, name = at.partition("/") if "/" in at else ("", "", at)
        return sorted(self._splits.get(split, {}).get(name, ()))

    def beside(self) -> list[str]:
        """See `place.Place`."""
        return []

    def stamp(self, file: str) -> tuple[int, ...]:
        """See `place.Place`."""
        return self._source.stamp(file)

    def open(self, file: str) -> BinaryIO:
        """See `place.Place`."""
        return self._source.open(file)


def _merged(splits: Iterable[Mapping[str, Sequence[str]]]) -> dict[str, list[str]]:
    """All splits as one."""
    found: dict[str, list[str]] = {}
    for held in splits:
        for name, files in held.items():
            found.setdefault(name, []).extend(files)
    return dict(sorted(found.items()))
