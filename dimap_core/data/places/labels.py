"""Classes of images that lie in no folder of a class: from tables beside them, a devkit's ground truth, their names.

Next door: `tables` reads a table, `grouped` presents what is found as folders.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...types import DataError
from . import tables
from .grouped import Grouped
from .place import Place, below

_SPLITS = r"(training|train|validation|valid|val|test)"
_SPLIT = re.compile(_SPLITS + r"(?:[\s_\-]*(?:images?|imgs?|set|data|\d+))*", re.I)  # a folder's whole name
_OF_SPLIT = re.compile(r"(?:^|[\s_\-.])" + _SPLITS + r"(?![a-z])", re.I)  # in a table's name
_SAME = {"training": "train", "validation": "val", "valid": "val"}
_ROOM = re.compile(r"(?:jpeg)?(?:images?|imgs?|photos|pictures|data)[\s_\-]*\d*", re.I)  # folders that are no classes
UNLABELLED = "images"
_MOST_NAMES = 0.95  # of the names have to hold a class, each of them at least twice, before they are believed
_WNID = re.compile(r"(?:^|_)(n\d{8})(?:[_\-]|$)")
_NUMBERED = re.compile(r"(.*?[^\W\d_])[\s._\-]*\(?\d+\)?")
_CAMERA = re.compile(r"(?:mv)?img|dscn?f?|dsc|pxl|gopr|p|photo|picture|image|frame|screenshot|scan|file|test|train|val",
                     re.I)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """Image files, and files beside them, of a whole tree."""

    images: list[str]
    beside: list[str]


def has_classes(place: Place, at: str = "", deep: int = 3) -> bool:
    """Whether a tree, or the splits in it, has folders that are classes: two of them hold images."""
    names = place.folders(at)
    splits = [name for name in names if _SPLIT.fullmatch(name)]
    if any(has_classes(place, _below(at, name), 0) for name in splits if deep):
        return True
    if len(names) == 1:
        return deep > 0 and has_classes(place, _below(at, names[0]), deep - 1)
    able = (name for name in names if name not in splits and not _ROOM.fullmatch(name))
    held = (name for name in able if _holds(place, _below(at, name)))
    return next(held, None) is not None and next(held, None) is not None


def _holds(place: Place, folder: str) -> bool:
    if place.files(folder):
        return True
    below = place.folders(folder)
    return len(below) == 1 and bool(place.files(f"{folder}/{below[0]}"))


def _below(at: str, name: str) -> str:
    return f"{at}/{name}".removeprefix("/")


def gathered(place: Place) -> Found:
    """All image files of a tree, and the files beside them."""
    return Found([file for at in below(place) for file in place.files(at)], place.beside())


def labelled(place: Place, found: Found) -> Grouped | None:
    """The images with the classes that tables, a devkit or their names give them; None where nothing does."""
    if len(found.images) < 2:
        return None
    return _by_tables(place, found) or _by_devkit(place, found) or _by_names(place, found.images)


def unlabelled(place: Place, found: Found) -> Grouped | None:
    """The images as those of one folder; None where they lie in folders that may be meant as classes."""
    folders = {file.rpartition("/")[0] for file in found.images}
    if len(found.images) < 2 or not all(_no_class(place, folder) for folder in folders):
        return None
    return Grouped(place, {"": {UNLABELLED: found.images}}, "", labelled=False)


def _no_class(place: Place, folder: str) -> bool:
    """Whether a folder's name says nothing of its images: it stands alone, or says only that they are images."""
    above, _, name = folder.rpartition("/")
    told_nothing = bool(_ROOM.fullmatch(name) or _SPLIT.fullmatch(name))
    return folder == "" or told_nothing or len(place.folders(above)) == 1


def _by_tables(place: Place, found: Found) -> Grouped | None:
    classes: dict[str, str] = {}
    splits: dict[str, str] = {}
    told, astray = [], 0
    for file in sorted(found.beside, key=lambda file: (file.count("/"), file)):
        if not file.lower().endswith(tables.ENDINGS) or "submission" in file.lower():  # those hold made-up classes
            continue
        says = tables.labels(tables.read(place, file), _names_of(file, found.images), file)
        if says is not None:
            told.append(f"{file} ({says.columns[0]}, {says.columns[1]})")
            astray += says.astray
            classes, splits = says.classes | classes, says.splits | splits
    if len(set(classes.values())) < 2:
        return None
    where = f"{' and '.join(told[:2])}{f' and {len(told) - 2} more files' if len(told) > 2 else ''}"
    groups = _groups(classes, splits)
    return _grouped(place, found.images, groups, f"Labels come from {where}", len(told), astray)


def _names_of(table: str, images: Sequence[str]) -> dict[str, str]:
    """What a table may call an image -> the image; those that two images share call none. A table of a split, told by
    its name or folder, speaks of that split's images alone."""
    above, _, name = table.rpartition("/")
    mine = _of_split(name, images)
    mine = mine or [file for file in images if file.startswith(f"{above}/")] or list(images)
    found: dict[str, str] = {}
    for file in mine:
        for call in tables.calls(file, above):
            found[call] = file if found.get(call, file) == file else ""
    return found


def _of_split(table: str, images: Sequence[str]) -> list[str]:
    """The images of the split that a table's name says, if it says one."""
    said = _OF_SPLIT.search(table)
    return [file for file in images if _same(_split(file)) == _same(said[1].lower())] if said else []


def _same(split: str) -> str:
    return _SAME.get(split, split)


def _split(file: str) -> str:
    """The split in whose folder a file lies, as it is called there; "" for none."""
    for part in file.split("/")[:-1]:
        if named := _SPLIT.fullmatch(part):
            return named[1].lower()
    return ""


def _groups(classes: Mapping[str, str], splits: Mapping[str, str]) -> dict[str, dict[str, list[str]]]:
    """Split -> class -> files."""
    groups: dict[str, dict[str, list[str]]] = {}
    for file, name in classes.items():
        said = _SPLIT.fullmatch(splits.get(file, ""))
        groups.setdefault(said[1] if said else _split(file), {}).setdefault(name, []).append(file)
    return groups


def _grouped(
    place: Place, images: Sequence[str], groups: dict[str, dict[str, list[str]]], told: str, used: int, astray: int
) -> Grouped:
    number = sum(len(files) for held in groups.values() for files in held.values())
    counts = {"images without a label": len(images) - number, "labels without an image": astray}
    whole = f"{told}: {number:,} of {len(images):,} images have one."
    return Grouped(place, groups, whole, (), used, {what: count for what, count in counts.items() if count > 0})


def _by_devkit(place: Place, found: Found) -> Grouped | None:
    """One class number a line, in the order of the images' names; of a split where the file's name says so."""
    for file in found.beside:
        if not file.lower().endswith(".txt"):
            continue
        numbers = tables.numbers(tables.read(place, file))
        if numbers is None or len(set(numbers.tolist())) < 2:
            continue
        of_split = _of_split(file.rpartition("/")[2], found.images)
        groups = Counter(map(_split, of_split or found.images))
        split = next((name for name, count in groups.items() if count == len(numbers)), None)
        if split is None:
            continue
        mine = sorted(
            (image for image in found.images if _split(image) == split), key=lambda image: image.split("/")[-1]
        )
        names = _devkit_names(place, found, file, max(numbers.tolist()))
        held: dict[str, list[str]] = {}
        for image, number in zip(mine, numbers.tolist(), strict=True):
            held.setdefault(names.get(number, str(number)), []).append(image)
        told = f"Labels are the lines of {file}, in the order of the images' names"
        return _grouped(place, found.images, {split: held}, told, 1 + bool(names), 0)
    return None


def _devkit_names(place: Place, found: Found, file: str, highest: int) -> dict[int, str]:
    """ILSVRC's numbers are its own, in no model's order; raises DataError where nothing says which wnids they are."""
    if "ILSVRC" not in file.rpartition("/")[2]:
        return {}
    meta = next((beside for beside in found.beside if beside.rpartition("/")[2] == "meta.mat"), None)
    names = {} if meta is None else tables.wnids(tables.content(place, meta))
    if highest not in names:
        raise DataError(
            f"'{file[-60:]}' holds ILSVRC's own numbers of classes, which are in no model's order; put the devkit's "
            "meta.mat beside it."
        )
    return names


def _by_names(place: Place, images: Sequence[str]) -> Grouped | None:
    """Names that clearly hold the class: a wnid, or letters with a number behind them, each class twice at least."""
    for pattern, what in ((_WNID, "wnids"), (_NUMBERED, "words")):
        classes = {file: name for file in images if (name := _in_name(pattern, file))}
        times = Counter(classes.values())
        if len(times) > 1 and len(classes) >= _MOST_NAMES * len(images) and min(times.values()) > 1:
            told = f"Labels are the {what} in the files' names, as {next(iter(times))[:40]}"
            return _grouped(place, images, _groups(classes, {}), told, 0, 0)
    return None


def _in_name(pattern: re.Pattern[str], file: str) -> str:
    """The class in a file's name; "" where there is none, or what cameras write."""
    last = file.rpartition("/")[2]
    stem = last.rpartition(".")[0] or last
    found = pattern.search(stem) if pattern is _WNID else pattern.fullmatch(stem)
    return found[1] if found and not _CAMERA.fullmatch(found[1].strip("_- .")) else ""
