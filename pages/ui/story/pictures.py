"""Images of a cut's set by their numbers, as addresses that hold them. Next door: `asking` keeps what came."""

from __future__ import annotations

from collections.abc import Sequence

from dimap_core.service import Ticket

from ..session import Setting
from . import asking

SIDE = 96
"""Pixels of a picture's edge; larger images shrink to it."""


def ask(setting: Setting, numbers: Sequence[int]) -> Ticket:
    """The request for them; `read` takes what has come."""
    request = {"kind": "pictures", **asking.about(setting), "data": None, "numbers": [*numbers], "side": SIDE}
    found = asking.ticket("pictures", request)
    assert found is not None  # it may always ask
    return found


def read(ticket: Ticket) -> dict[int, str]:
    """Addresses by number; none while they are on their way."""
    found = (event["pictures"] for event in ticket.events if "pictures" in event)
    return {int(number): address for number, address in next(found, {}).items()}
