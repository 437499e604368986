"""The Predictions page's source: both models' answers as the worker sends them, and the sentence that sums them up."""

from __future__ import annotations

from pathlib import Path

from dimap_core.measure import Outcomes, predictions
from dimap_core.plan import to_recipe
from dimap_core.service import Ticket
from dimap_core.types import LabelledImages

from ..session import View, cache, requests, state


def ask(view: View) -> Ticket:
    """The ticket that brings the current plan's answers, batch by batch."""
    recipe = to_recipe(state.current().plan)
    request = {"kind": "predictions", "recipe": recipe}
    ticket = requests.stream(view, "live", request)
    place = _folder(ticket)
    if place is not None and not (place / "data.json").exists():  # the worker made room for other images
        requests.forget(view, request)
        ticket = requests.stream(view, "live", request)
    return ticket


def _folder(ticket: Ticket) -> Path | None:
    """Where the images lie, once the worker has said so."""
    return next((Path(event["folder"]) for event in list(ticket.events) if "folder" in event), None)


def arrived(ticket: Ticket) -> tuple[LabelledImages, Outcomes, int] | None:
    """The data set, what is known of it so far and how many images it has; None before the first batch."""
    events, folder = list(ticket.events), _folder(ticket)
    if folder is None:
        return None
    data = cache.data(str(folder), (folder / "data.json").stat().st_mtime_ns)
    found = predictions.outcomes(events, data)
    return None if found is None else (data, found, events[-1]["total"])


def headline(found: Outcomes, total: int) -> str:
    """What happened to the answers, in one line."""
    n, counts = len(found), found.counts
    so_far = "" if n == total else "So far, "
    changed = int(found.flipped.sum())
    if not changed:
        return (
            f"{so_far}**{'none' if so_far else 'None'} of {n:,} answers changed**: the cut is not seen in any of them."
        )
    parts = {"broke": "broke", "fixed": "fixed", "moved": "wrong in another way"}
    told = ", ".join(f"{counts[key]:,} {words}" for key, words in parts.items() if counts[key])
    return f"{so_far}**{changed:,} of {n:,} answers changed**: {told}."
