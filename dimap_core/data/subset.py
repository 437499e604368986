"""Which files of a tree are judged and which are left for training: as many of every class, drawn with a seed.

A tree has its classes right below its root, or below train/ and val/. Files are looked at before they are chosen: one
that is no whole image gives its place to the next one drawn.
Next door: `trees` and `archive` are trees, `decode` makes pixels of what is chosen here.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import numpy as np

from ..types import DataError, shown
from .batches import stratified_order
from .decode import pool
from .image_file import Unreadable, look
from .places import MOST_FOLDERS, Place

_JUDGED = ("val", "validation", "valid", "test")
_TRAINED = ("train", "training")
_DEEP = 3  # folders alone in their folder that are stepped into
_SPARES = 2  # files of a class that may stand in for one that cannot be decoded
_TRAINING = 10_000  # training images drawn at most
_LISTED = 5  # unreadable files named
_AT_ONCE = 64


@dataclass(frozen=True)
class Classes:
    """A split's classes: shown name -> its folder inside the tree."""

    folders: dict[str, str]


@dataclass(frozen=True)
class Tree:
    """A tree's splits; `trained` is None where there is one split only. `split`: the folder that is judged, where there
    are others (`beside`) that could be."""

    place: Place
    judged: Classes
    trained: Classes | None
    split: str = ""
    beside: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """All that could be judged, the one that is first; empty where there is no choice."""
        return (self.split, *self.beside) if self.beside else ()

    @property
    def which(self) -> str:
        """ " of valid/ (test/ is there too)" in words, where there is a choice."""
        too = " and ".join(f"{name}/" for name in self.beside)
        return f" of {self.split}/ ({too} {'is' if len(self.beside) == 1 else 'are'} there too)" if too else ""


@dataclass
class Drawn:
    """Chosen files in evaluation order (the first of every class, then the second ...) with their labels, int64 [N];
    by class the files left over, in drawn order; what could not be read: file -> why; and of how many chosen files
    what is changed to see them as people do."""

    files: list[str] = field(default_factory=list)
    labels: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    left: list[list[str]] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    changed: Counter[str] = field(default_factory=Counter)

    def spares(self, number: int) -> list[str]:
        """Files that may stand in for image `number`: some left over of its class, others for each image."""
        mine = self.left[self.labels[number]][:_SPARES]
        turn = number % max(1, len(mine))
        return mine[turn:] + mine[:turn]


def tree(place: Place, title: str, split: str = "") -> Tree:
    """Find a tree's splits and classes; `split`: which is judged, "" for the first. Raises DataError where it has none,
    or not that one."""
    at = ""
    for _ in range(_DEEP):
        names = {name.casefold(): _below(at, name) for name in place.folders(at)}
        judged = [names[name] for name in _JUDGED if name in names]
        trained = next((names[name] for name in _TRAINED if name in names), None)
        if judged:
            return _of_splits(place, title, judged, trained, split)
        if len(names) != 1 or not place.folders(*names.values()):
            break
        (at,) = names.values()
    if split:
        raise DataError(f"'{title}' has no split '{shown(split)[:40]}', nor any other; leave it out.")
    return Tree(place, _classes(place, at, title), None)


def _of_splits(place: Place, title: str, judged: list[str], trained: str | None, split: str) -> Tree:
    """The tree that has these folders to judge by and, if any, this one to train on; any of them is judged if asked
    for, and what is judged is not read for training."""
    said = {shown(path.rpartition("/")[-1]): path for path in (*judged, *([trained] if trained else []))}
    asked = next((name for name in said if name.casefold() == split.casefold()), None)
    if split and asked is None:
        raise DataError(f"'{title}' has no split '{shown(split)[:40]}'; choose one of {', '.join(said)}.")
    first = asked or next(iter(said))
    read = None if trained is None or said[first] == trained else _classes(place, trained, title)
    beside = tuple(name for name, path in said.items() if name != first and path != trained)
    return Tree(place, _classes(place, said[first], title), read, first, beside)


def _below(at: str, name: str) -> str:
    return f"{at}/{name}".removeprefix("/")


def _classes(place: Place, at: str, title: str) -> Classes:
    names = place.folders(at)
    if len(names) < 2:
        has = "one class only, among which every answer is right" if names else "no sub-folders"
        raise DataError(
            f"'{title}' holds {has}; put the images of every class, two at least, in a sub-folder each, or a "
            "labels.csv beside them (filename, label)."
        )
    if len(names) > MOST_FOLDERS:
        raise DataError(f"'{title}' holds more than {MOST_FOLDERS:,} sub-folders; give a part of it.")
    folders: dict[str, str] = {}
    for name in names:
        told = shown(name)
        while told in folders:
            told += "'"
        folders[told] = _below(at, name)
    return Classes(folders)


def files_of(place: Place, folder: str) -> list[str]:
    """A class's files; those of its only sub-folder where it has none itself (as Tiny ImageNet has)."""
    found = place.files(folder)
    if not found and len(below := place.folders(folder)) == 1:
        return place.files(f"{folder}/{below[0]}")
    return found


def drawn_order(files: Sequence[str], seed: int, number: int) -> list[str]:
    """A class's files in the order in which they are drawn; `number`: the class's."""
    return [files[place] for place in np.random.default_rng([seed, number]).permutation(len(files))]


def draw(
    place: Place, files: Sequence[Sequence[str]], count: int, seed: int
) -> Iterator[tuple[int, int, Drawn | None]]:
    """Choose `count` readable files (0: all), of every class nearly as many; yields (looked at, of, None), then Drawn.

    `files`: by class. Which classes get one more where the count does not divide is drawn, too.
    """
    orders = [drawn_order(mine, seed, number) for number, mine in enumerate(files)]
    shares = _shares([len(mine) for mine in orders], count or sum(map(len, orders)), seed)
    total, looked = sum(shares), 0
    found = Drawn()
    good: list[list[str]] = [[] for _ in orders]
    while wanted := [
        (number, orders[number].pop(0))
        for number, share in enumerate(shares)
        for _ in range(min(share - len(good[number]), len(orders[number])))
    ]:
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            looks = pool().map(lambda one: _looked(place, one[1]), part)
            for (number, file), (why, changes) in zip(part, looks, strict=True):
                found.changed.update(changes)
                if why:
                    found.unreadable[file] = why
                else:
                    good[number].append(file)
            looked += len(part)
            yield min(looked, total), total, None
    found.left = orders
    rounds = zip_longest(*([(file, number) for file in mine] for number, mine in enumerate(good)))
    chosen = [pair for one in rounds for pair in one if pair is not None]
    labels = np.array([number for _, number in chosen], np.int64)
    order = stratified_order(labels)  # they are judged as they lie, so that what comes next can be decoded ahead
    found.files, found.labels = [chosen[place][0] for place in order], labels[order]
    yield total, total, found


def _shares(sizes: Sequence[int], count: int, seed: int) -> list[int]:
    """How many files each class gives: as even as their sizes let it be, `count` in all where there are so many."""
    shares, left = [0] * len(sizes), min(count, sum(sizes))
    order = np.random.default_rng(seed).permutation(len(sizes)).tolist()
    while left:
        open_ = [number for number in order if shares[number] < sizes[number]]
        each = max(1, left // len(open_))
        for number in open_:
            given = min(each, sizes[number] - shares[number], left)
            shares[number] += given
            left -= given
    return shares


def _looked(place: Place, file: str) -> tuple[str, tuple[str, ...]]:
    """Why a file is not read, "" where it is, and what is done to one that is."""
    try:
        with place.open(file) as content:
            return "", look(content, place.stamp(file)[0])
    except Unreadable as error:
        return str(error), ()
    except OSError as error:
        return str(error) if "zip" in str(error) else "not readable", ()


def not_judged(drawn: Drawn) -> list[list[str]]:
    """By class the files that are neither judged nor kept to stand in for one that is."""
    return [mine[_SPARES:] for mine in drawn.left]


def training(files: Sequence[Sequence[str]], seed: int) -> Drawn:
    """Files to train on in the same layout, not looked at: what cannot be decoded then is replaced then."""
    each = max(1, _TRAINING // max(1, len(files)))
    orders = [drawn_order(mine, seed, number) for number, mine in enumerate(files)]
    rounds = zip_longest(*([(file, number) for file in mine[:each]] for number, mine in enumerate(orders)))
    chosen = [pair for one in rounds for pair in one if pair is not None]
    labels = np.array([number for _, number in chosen], np.int64)
    return Drawn([file for file, _ in chosen], labels, [mine[each:] for mine in orders])


def told(drawn: Drawn, place: Place) -> list[str]:
    """Sentences on what was changed to be seen, and on what was not read, why, and which files it was."""
    changed = ", ".join(f"{number:,} {what}" for what, number in drawn.changed.most_common())
    notes = [f"Judged as people see them: {changed}."] if changed else []
    if drawn.unreadable:
        looked = len(drawn.files) + len(drawn.unreadable)
        named = [f"{shown(file)[-60:]} ({why})" for file, why in list(drawn.unreadable.items())[:_LISTED]]
        more = ", ..." if len(drawn.unreadable) > _LISTED else ""
        notes.append(f"{len(drawn.unreadable):,} of {looked:,} files could not be read: {', '.join(named)}{more}.")
    if place.left_out:
        parts = sorted(place.left_out.items(), key=lambda item: (-item[1], item[0]))
        notes.append("Left out: " + ", ".join(f"{why} ({number:,})" for why, number in parts) + ".")
    return notes


def content_id(*parts: object) -> str:
    """Sixteen hexadecimal digits that change with anything in `parts`."""
    text = json.dumps(parts, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
