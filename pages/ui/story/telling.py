"""What is found of the story's cuts: asked of the worker one after another, shared with all sessions.

Next door: `asking` keeps the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from dimap_core.plan import to_recipe
from dimap_core.service import Ticket
from dimap_core.studies import story as core
from dimap_core.types import PruningError

from ..session import Setting, Tried, cache, story
from . import asking

_CHANNEL = "story"
_GROUND, _TOLD = TypeAdapter(core.Ground), TypeAdapter(core.Told)


@dataclass(frozen=True)
class Whole:
    """A kept cut that all is found of."""

    letter: str
    kept: story.Kept
    ground: core.Ground
    told: core.Told

    @property
    def judged(self) -> bool:
        """Whether there are answers to images."""
        return self.told.estimate is not None and self.ground.estimate is not None


@dataclass(frozen=True)
class Found:
    """A kept cut with its letter and what is found of it so far; `doing`: what goes on meanwhile, `error`: why nothing
    will be."""

    letter: str
    kept: story.Kept
    ground: core.Ground | None = None
    told: core.Told | None = None
    doing: str = ""
    error: str = ""

    @property
    def differs(self) -> list[str]:
        """What the file that it came from says otherwise."""
        known = self.kept.cut.known
        return core.what_differs(known, self.ground, self.told) if known and self.ground and self.told else []

    @property
    def whole(self) -> Whole | None:
        """The same once all is found."""
        both = self.ground, self.told
        return Whole(self.letter, self.kept, *both) if both[0] and both[1] else None

    def tried(self, number: int) -> Tried | None:
        """As a tried point."""
        return None if self.told is None else Tried(number, self.kept.setting, self.told.total, self.told.estimate)


def ask(kept: Sequence[story.Kept], may_ask: bool = True) -> list[Found]:
    """What is found of each; the first that nothing is known of is asked for, where that may be."""
    found, busy = [], not may_ask
    for letter, one in zip(core.LETTERS, kept, strict=False):
        try:
            request = request_of(one.setting)
        except PruningError as error:
            found.append(Found(letter, one, error=str(error)))
            continue
        ticket = asking.ticket(_CHANNEL, request, may_ask=not busy)
        busy = busy or (ticket is not None and ticket.running)
        found.append(_read(letter, one, request, ticket))
    return found


def running(found: Sequence[Found]) -> bool:
    """Whether more will come."""
    return any(one.told is None and not one.error for one in found)


def request_of(setting: Setting) -> dict[str, Any]:
    """What a worker tells of that cut by; raises PruningError where this session may not read model or images."""
    return {"kind": "tell", **asking.about(setting), "data": None, "recipes": [to_recipe(setting.plan)]}


def _read(letter: str, one: story.Kept, request: dict[str, Any], ticket: Ticket | None) -> Found:
    if ticket is None:
        return Found(letter, one, doing="waits for the cuts before it")
    if ticket.error:
        return Found(letter, one, error=ticket.error)
    if not ticket.done:
        return Found(letter, one, doing=(ticket.last or {}).get("doing", "Opening the model"))
    parts = {name: event[name] for event in ticket.events for name in ("ground", "told") if name in event}
    ground, told = cache.memo(
        f"told {letter}", (*asking.key(request), len(ticket.events)),
        lambda: (_GROUND.validate_python(parts["ground"]), _TOLD.validate_python(parts["told"])),
    )  # fmt: skip
    return Found(letter, one, ground, told)


def pictures(setting: Setting, numbers: Sequence[int], side: int = 256) -> dict[int, str]:
    """Those images of a setting's set as addresses that hold them; asked for where they are not there yet."""
    if not numbers:
        return {}
    request = {"kind": "pictures", **asking.about(setting), "data": None, "numbers": sorted({*numbers}), "side": side}
    ticket = asking.ticket("pictures", request)
    found = (event["pictures"] for event in (ticket.events if ticket else ()) if "pictures" in event)
    return {int(number): address for number, address in next(found, {}).items()}
