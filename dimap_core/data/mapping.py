"""Which of a model's outputs stands for which class of the data: by name, wnid or number, else by order.

Folder names are compared with what the model itself calls its classes, then with ImageNet's wnids and names where it
has as many outputs as a known ImageNet subset. What was guessed is told with how it was guessed, and can be set by
hand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from timm.data import ImageNetInfo, infer_imagenet_subset

from ..types import DataError
from .sources import LEFT_OUT

_WNID = re.compile(r"n\d{8}")
_NUMBER = re.compile(r"[0-9]{1,9}")
UNNAMED = "The model's outputs have no names, and {} folders cannot be put in the order of its {} outputs."
_MOST = 0.5  # of the folders a way has to recognise before it is believed more than the mere order


@dataclass(frozen=True)
class Heads:
    """A model's outputs: how many, their names ("" where nobody knows them) and ImageNet's wnids of them, if any."""

    count: int
    names: tuple[str, ...]
    wnids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matched:
    """`outputs`: by folder the model's output, `LEFT_OUT` where none was found; `how`: a sentence on it; `guessed`:
    whether by numbers or order, not by names."""

    outputs: dict[str, int]
    how: str
    guessed: bool = True


def heads(count: int, class_names: Sequence[str] = ()) -> Heads:
    """What a model's outputs stand for: its own names of classes, else ImageNet's where the number fits."""
    if len(class_names) == count:
        return Heads(count, tuple(class_names))
    subset = infer_imagenet_subset({"num_classes": count})
    if subset is None:
        return Heads(count, ("",) * count)
    known = ImageNetInfo(subset)
    return Heads(count, tuple(known.label_descriptions()), tuple(known.label_names()))


def short_names(found: Heads, outputs: Sequence[int], folders: Sequence[str]) -> tuple[str, ...]:
    """What classes are called on screen: the first of an output's names, or the folder's where it has none; told apart
    by their folder where two are alike."""
    pairs = [
        (found.names[output].split(",")[0].strip(), folder) for output, folder in zip(outputs, folders, strict=True)
    ]
    often = Counter(name for name, _ in pairs)
    return tuple((name or folder) if often[name] == 1 or not name else f"{name} ({folder})" for name, folder in pairs)


def match(
    folders: Sequence[str], found: Heads, by_hand: Mapping[str, int] | None = None, order: Sequence[str] = ()
) -> Matched:
    """Folders to outputs; `order`: the classes as their set numbers them, if it does. Raises DataError for an output
    that does not exist or is given twice."""
    guess = _by_set(folders, found, order) or _guess(folders, found)
    edits = {folder: output for folder, output in (by_hand or {}).items() if folder in guess.outputs}
    outputs = {**guess.outputs, **edits}
    told = f"{guess.how} {len(edits)} set by hand." if edits else guess.how
    for folder, output in outputs.items():
        if not LEFT_OUT <= output < found.count:
            raise DataError(
                f"'{folder[:80]}' is given output {output}; the model has outputs 0 to {found.count - 1:,}."
            )
    twice = [output for output, times in Counter(outputs.values()).items() if times > 1 and output != LEFT_OUT]
    if twice:
        first, second, *_ = (folder[:60] for folder, output in outputs.items() if output == twice[0])
        raise DataError(f"'{first}' and '{second}' are given the same class (output {twice[0]}); give each its own.")
    return Matched(outputs, told, guess.guessed)


def _by_set(folders: Sequence[str], found: Heads, order: Sequence[str]) -> Matched | None:
    """By the numbers that the set itself gives its classes, where they are as many as the outputs and no name says
    otherwise."""
    numbers = {name: number for number, name in enumerate(order)}
    if not len(order) == len(numbers) == found.count or not set(folders) <= numbers.keys():
        return None
    find = _by_name(found)
    by_name = {folder: find(folder) for folder in folders}
    if None not in by_name.values() or any(by_name[folder] not in (None, numbers[folder]) for folder in folders):
        return None
    how = "Classes are numbered as the set itself numbers them, which are as many as the model's outputs."
    return Matched({folder: numbers[folder] for folder in folders}, how)


def _guess(folders: Sequence[str], found: Heads) -> Matched:
    """The first way that recognises every folder, else the one that recognises most."""
    named = "ImageNet's wnids and names" if found.wnids else "the model's own names of classes"
    by_name = _by_name(found)
    ways = ((named, by_name), ("numbers of the model's outputs", _by_number(found)))
    tried = []
    for way, find in ways:
        outputs = {folder: output for folder in folders if (output := find(folder)) is not None}
        if len(set(outputs.values())) == len(outputs):  # two folders of one class were not recognised, but confused
            tried.append((len(outputs), way, outputs))
    unnamed = all(by_name(folder) is None for folder in folders)
    if unnamed and (shifted := _from_one(folders, found.count)):
        return Matched(shifted, f"Folders 1 to {found.count:,} are taken as classes 0 to {found.count - 1:,}.")
    most, way, outputs = max(tried, key=lambda row: row[0], default=(0, "", {}))
    if most < len(folders) and len(folders) == found.count and most < _MOST * len(folders):
        numeric = all(folder.isdecimal() for folder in folders)
        ordered = sorted(folders, key=int) if numeric else sorted(folders)
        by = "number" if numeric else "name"
        how = f"Classes follow the order of the folders, sorted by {by}: they are as many as the model's outputs."
        return Matched({folder: place for place, folder in enumerate(ordered)}, how)
    if not most:
        nobody = "No folder's name was recognised as a class of this model."
        how = nobody if any(found.names) else UNNAMED.format(f"{len(folders):,}", f"{found.count:,}")
        return Matched(dict.fromkeys(folders, LEFT_OUT), how)
    known = "Every folder" if most == len(folders) else f"{most:,} of {len(folders):,} folders"
    how = f"{known} {'was' if most == len(folders) else 'were'} recognised by {way}."
    return Matched({folder: outputs.get(folder, LEFT_OUT) for folder in folders}, how, way != named)


def _from_one(folders: Sequence[str], count: int) -> dict[str, int]:
    """Folders that are numbered 1, 2 ... up to the number of outputs, to outputs from 0; empty where they are not."""
    numbers = {folder: int(folder) for folder in folders if _NUMBER.fullmatch(folder)}
    fits = len(numbers) == len(folders) and sorted(numbers.values()) == list(range(1, count + 1))
    return {folder: number - 1 for folder, number in numbers.items()} if fits else {}


def _plain(name: str) -> str:
    """ "English_springer" -> "english springer"."""
    return " ".join(re.split(r"[\s_\-]+", name.casefold().strip()))


def _by_name(found: Heads) -> Callable[[str], int | None]:
    """By a wnid at its beginning (n01440764, n01440764-tench), else by the whole name or one of those between commas; a
    name of two classes means neither."""
    wnids = {wnid: output for output, wnid in enumerate(found.wnids)}
    places: dict[str, int | None] = {}
    for output, name in enumerate(found.names):
        for part in {_plain(name), *(_plain(part) for part in name.split(","))} - {""}:
            places[part] = None if part in places else output

    def find(folder: str) -> int | None:
        wnid = _WNID.match(folder)
        return wnids[wnid[0]] if wnid and wnid[0] in wnids else places.get(_plain(folder))

    return find


def _by_number(found: Heads) -> Callable[[str], int | None]:
    """By the output's number: 0, 007."""

    def find(folder: str) -> int | None:
        number = int(folder) if _NUMBER.fullmatch(folder) else found.count
        return number if number < found.count else None

    return find
