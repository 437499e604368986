"""What is found of the story's cuts: asked of the worker one after another, shared with all sessions.

Next door: `session.requests` asks about the opened model; a story's cuts may be of others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from pydantic import TypeAdapter

from dimap_core.plan import to_recipe
from dimap_core.service import Ticket
from dimap_core.studies import story as core
from dimap_core.types import PruningError

from ..session import Setting, Tried, cache, opening, own_models, story

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

    def tried(self, number: int = -1) -> Tried | None:
        """As a tried point."""
        return None if self.told is None else Tried(number, self.kept.setting, self.told.total, self.told.estimate)


def ask(kept: Sequence[story.Kept]) -> list[Found]:
    """What is found of each; the first that nothing is known of is asked for."""
    found, busy = [], False
    for letter, one in zip(core.LETTERS, kept, strict=False):
        try:
            request = request_of(one.setting)
        except PruningError as error:
            found.append(Found(letter, one, error=str(error)))
            continue
        ticket = _ticket(request, may_ask=not busy)
        busy = busy or (ticket is not None and ticket.running)
        found.append(_read(letter, one, request, ticket))
    return found


def running(found: Sequence[Found]) -> bool:
    """Whether more will come."""
    return any(one.told is None and not one.error for one in found)


def request_of(setting: Setting) -> dict[str, Any]:
    """What a worker tells of that cut by; raises PruningError where this session may not read model or images."""
    return {"kind": "tell", "model": own_models.place(setting.model), "weights": setting.weights,
            "images": opening.images(setting), "data": None, "recipes": [to_recipe(setting.plan)]}  # fmt: skip


def _ticket(request: dict[str, Any], may_ask: bool) -> Ticket | None:
    """The answer known to anyone, or this session's request, or a new one."""
    key, shared = _key(request), cache.shared()
    if (known := shared.results.get(key)) is not None:
        return Ticket(known, done=True)
    failed: dict[tuple, Ticket] = st.session_state.setdefault("story_failed", {})
    if key in failed:  # asked once more it would fail again, and hold up those after it
        return failed[key]
    asked, ticket = st.session_state.get("story_asked", (None, None))
    if asked == key and ticket is not None and ticket.error:
        failed[key] = ticket
    if asked == key and ticket is not None and not ticket.replaced:
        if ticket.done:
            shared.remember(key, [event for event in ticket.events if event.keys() & {"ground", "told"}])
        return ticket
    if not may_ask:
        return None
    ticket = shared.worker.submit(cache.session(), _CHANNEL, request)
    st.session_state.story_asked = key, ticket
    return ticket


def _key(request: dict[str, Any]) -> tuple[str, str]:
    return "tell", json.dumps(request, sort_keys=True)


def _read(letter: str, one: story.Kept, request: dict[str, Any], ticket: Ticket | None) -> Found:
    if ticket is None:
        return Found(letter, one, doing="waits for the cuts before it")
    if ticket.error:
        return Found(letter, one, error=ticket.error)
    if not ticket.done:
        return Found(letter, one, doing=(ticket.last or {}).get("doing", "Opening the model"))
    parts = {name: event[name] for event in ticket.events for name in ("ground", "told") if name in event}
    ground, told = cache.memo(
        f"told {letter}", (*_key(request), len(ticket.events)),
        lambda: (_GROUND.validate_python(parts["ground"]), _TOLD.validate_python(parts["told"])),
    )  # fmt: skip
    return Found(letter, one, ground, told)


def pictures(setting: Setting, numbers: Sequence[int], side: int = 256) -> dict[int, str]:
    """Those images of a setting's set as addresses that hold them; asked for where they are not there yet."""
    if not numbers:
        return {}
    base = {key: value for key, value in request_of(setting).items() if key != "recipes"}
    request = {**base, "kind": "pictures", "numbers": sorted(set(numbers)), "side": side}
    key, shared = ("pictures", json.dumps(request, sort_keys=True)), cache.shared()
    asked, ticket = st.session_state.get("pictures_asked", (None, None))
    if (known := shared.results.get(key)) is not None:
        return {int(number): picture for number, picture in known[-1]["pictures"].items()}
    if asked != key or ticket is None or ticket.replaced:
        ticket = shared.worker.submit(cache.session(), "pictures", request)
        st.session_state.pictures_asked = key, ticket
    if ticket.done:
        shared.remember(key, ticket.events)
    return {int(number): picture for number, picture in ticket.last["pictures"].items()} if ticket.last else {}
