"""A story as a file: JSON that holds names, recipes and what was found, and opens again on another machine.

Whatever comes in is checked here. Next door: `links` says the same in an address, without what was found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ...plan import from_recipe, to_recipe
from ...types import PruningError, StoryError
from .story import CUTS, Known, NamedCut, Story

VERSION = 1
MOST = 32 * 1024**2
"""Bytes of a file that is read."""
_WORDS = ("name", "note", "model", "weights", "data", "split")
_KEYS = {*_WORDS, "count", "draw", "classes", "recipe", "known"}
_KNOWN = TypeAdapter(Known)


def to_file(story: Story) -> str:
    """The story as JSON text; what is as at first is left out."""
    program = {name: version(name) for name in ("torch", "timm")}
    head = {"dimap_story": VERSION, "title": story.title, "written_with": program}
    return json.dumps({**head, "cuts": [_cut_out(cut) for cut in story.cuts]}, indent=1)


def from_file(text: str | bytes) -> Story:
    """Read what `to_file` wrote; raises StoryError for anything else."""
    if len(text) > MOST:
        raise StoryError(f"The story's file is larger than {MOST // 1024**2} MiB; that is none this program wrote.")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoryError("The file is no story: it is not JSON; save one under Compare and open that.") from error
    if not isinstance(found, Mapping) or "dimap_story" not in found:
        raise StoryError("The file is no story; save one under Compare and open that.")
    if found["dimap_story"] != VERSION:
        raise StoryError(f"The story has version {str(found['dimap_story'])[:20]}; this program reads {VERSION}.")
    cuts, title = found.get("cuts"), found.get("title", "")
    if not isinstance(cuts, list) or not isinstance(title, str):
        raise StoryError("The story's file has no list of cuts; save it once more.")
    return Story(tuple(_cut_in(cut, place) for place, cut in enumerate(cuts[: 2 * CUTS], start=1)), title)


def _cut_out(cut: NamedCut) -> dict[str, Any]:
    said: dict[str, Any] = {"name": cut.name, "note": cut.note, "model": cut.model, "weights": cut.weights}
    if cut.data:
        classes = [list(pair) for pair in cut.classes]
        said |= {"data": cut.data, "count": cut.count, "draw": cut.draw, "classes": classes}
        said |= {"split": cut.split} if cut.split else {}
    said["recipe"] = to_recipe(cut.plan)
    return said if cut.known is None else said | {"known": _KNOWN.dump_python(cut.known, mode="json")}


def _cut_in(said: Any, place: int) -> NamedCut:
    """One cut; `place`: which, for the sentence."""
    try:
        if not isinstance(said, Mapping) or said.keys() - _KEYS:
            raise StoryError("it has parts that are not known")
        words = {key: said[key] for key in _WORDS if key in said}
        if not all(isinstance(word, str) for word in words.values()) or not {"name", "model"} <= words.keys():
            raise StoryError("it has no name or model")
        classes = tuple((str(folder), int(output)) for folder, output in said.get("classes", ()))
        known = _KNOWN.validate_python(said["known"]) if "known" in said else None
        numbers = {key: said[key] for key in ("count", "draw") if key in said}
        plan = from_recipe(said.get("recipe"))
        return NamedCut(plan=plan, classes=classes, known=known, **words, **numbers)
    except (ValidationError, TypeError, ValueError) as error:
        raise StoryError(f"Cut {place} of the story cannot be read; save the story once more.") from error
    except PruningError as error:
        raise StoryError(f"Cut {place} of the story cannot be read: {str(error).rstrip('.')}.") from error
