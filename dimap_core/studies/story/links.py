"""A story as a part of a link: names, sentences and recipes, compressed; nothing of what was found.

Next door: `files` keeps that too, and what is too long for a link.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

from ...data import COUNT
from ...plan import LINK_KEYS, from_link as plan_from_link, to_link as plan_to_link
from ...types import PruningError, StoryError
from .story import CUTS, NamedCut, Story

MOST = 2000
"""Characters of a link's part; browsers, mail and chat take as many."""
_VERSION = 1
_UNPACKED = 64 * 1024  # bytes
# What most links say, so that they need not say it: a change here is a new version.
_COMMON = (
    b'"scope","stage","protected","weights","repair","1","criterion","magnitude","fisher","granularity","structure",'
    b'"stages","0.","budget","macs","deit-textured","swin-textured","ratio","0.8","dimap","module"'
)
_WHERE = ("model", "weights", "data", "count", "draw", "split")
_FIRST = ("", "pretrained", "", COUNT, 0, "")


def to_link(story: Story) -> str | None:
    """The story in at most 2,000 characters of letters, digits, "-" and "_"; None where it needs more, has classes
    set by hand, or a budget that no link says. Settings that follow each other alike are said once."""
    if any(cut.classes or plan_to_link(cut.plan).keys() - {*LINK_KEYS} for cut in story.cuts):
        return None
    said: list[Any] = [story.title]
    before: tuple = ()
    for cut in story.cuts:
        where = tuple(getattr(cut, name) for name in _WHERE)
        plan = [part for pair in plan_to_link(cut.plan).items() for part in pair]
        said.append([cut.name, cut.note, plan, *([] if where == before else _shortened(where))])
        before = where
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=_COMMON)
    packed = packer.compress(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()) + packer.flush()
    text = f"{_VERSION}{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"
    return text if len(text) <= MOST else None


def _shortened(where: tuple) -> list[Any]:
    """Without what is as at first at the end."""
    said = list(where)
    while said and said[-1] == _FIRST[len(said) - 1]:
        said.pop()
    return said


def from_link(text: str) -> Story:
    """Read what `to_link` wrote; raises StoryError for anything else."""
    if text[:1] != str(_VERSION):
        raise StoryError(f"The link's story has version '{text[:1]}'; this program reads {_VERSION}.")
    try:
        said = json.loads(_unpacked(text[1:]))
        title, *cuts = said
        where: tuple = _FIRST
        made = []
        for name, note, plan, *here in cuts[: 2 * CUTS]:
            where = (*here, *_FIRST[len(here) :]) if here else where
            params = dict(zip(plan[::2], plan[1::2], strict=True))
            if params.keys() - {*LINK_KEYS}:
                raise StoryError("The link's story has parts that are not known; copy it once more.")
            made.append(NamedCut(name, plan=plan_from_link(params), note=note, **dict(zip(_WHERE, where, strict=True))))
        return Story(tuple(made), title)
    except PruningError as error:
        raise StoryError(f"The link's story cannot be read: {str(error).rstrip('.')}.") from error
    except (ValueError, TypeError, AttributeError, RecursionError, zlib.error, binascii.Error) as error:
        raise StoryError("The link's story is damaged; copy the whole link once more.") from error


def _unpacked(text: str) -> bytes:
    """At most 64 KiB: a few characters may stand for gigabytes."""
    packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    unpacker = zlib.decompressobj(-15, zdict=_COMMON)
    found = unpacker.decompress(packed, _UNPACKED)
    if not unpacker.eof:
        raise ValueError("not whole, or too much")
    return found
