"""The answer as it comes in: every move draws it anew, and it looks again by itself while images stream."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dimap_core.service import Ticket
from dimap_core.types import FIRST, is_agreement

from ..look import TERMS, formats
from ..parts import doubt, live_map, metrics
from ..session import Tried, View, lesson, opened, state
from ..story import keep
from . import accuracy, answer, feed, glance, moves, points, tradeoff


@st.fragment(key=moves.LIVE)
def draw(then: Callable[[View, Tried, bool], None] | None = None, plot: bool = True) -> None:
    """Numbers and trade-off (`plot`) of the setting in force; drawn anew by every move, and by itself while images
    stream in. `then` hears of the view, the point, and whether its numbers are final."""
    view = opened.view()
    if view is None:
        st.rerun()
        return
    point, ticket = accuracy.current(view)
    rows, more = accuracy.curve(view)
    if st.session_state.pop("restored", False):
        st.rerun()
    shown, absent = _stand_in(ticket, point) or point, state.current().absent is not None
    known = "precomputed" if shown is not point else "preview" if point.preview else metrics.STORED if absent else ""
    more_kept = view.judged and keep.settled(point.setting)
    picture = tradeoff.picture(rows, shown, view.facts) if ticket is not None or absent else None
    data = answer.data(point, shown, picture if plot else None, tradeoff.cue(), _badge(view, ticket), known, ticket,
                       is_agreement(view.info.data))  # fmt: skip
    data |= answer.handed_on(view, live_map.key_of(view, state.current().plan))
    data["sub"] = " ".join(filter(None, [data["sub"], metrics.left(ticket)]))
    if not plot:  # its heading goes with it, and what stands below
        data["title"] = data["sub"] = ""
        data["time"] = data["time"][0].replace("see below", "–"), data["time"][1]
    data["words"] = lesson.drawn_words()
    data["caption"] = " ".join(filter(None, [data["caption"], *_notes(point, rows)]))
    data["image"], glanced = glance.found(view, rests(point, ticket)) if view.judged else (None, None)
    data["running"] = more_kept or any(one is not None and one.running for one in (ticket, more, glanced))
    data["page"] = st.session_state.page_drawn
    feed.send(data, moves.moved, tradeoff.back)
    _told(ticket)
    if then is not None:
        then(view, point, ticket is None or not (ticket.running or point.preview or point.estimate is None))


def _badge(view: View, ticket: Ticket | None) -> str:
    """Why there is no number yet."""
    if state.current().absent:
        return "not measured beforehand"
    if ticket is None:
        return "means nothing on random weights" if view.info.weights == "random" else "no images to judge by"
    doing = ticket.running and ticket.last and "doing" in ticket.last
    return ticket.last["doing"] if doing and ticket.last else "first images on their way"


def rests(point: Tried, ticket: Ticket | None) -> bool:
    """Whether the cut is judged, a slow model's on the first images, and no hand moves."""
    if ticket is None or ticket.replaced or point.passing:
        return False
    last = ticket.last or {}
    return ticket.done or ("left" in last and last.get("n", 0) >= FIRST)


def _notes(point: Tried, rows: list[dict]) -> list[str]:
    """What has to be known of the numbers; below the picture, which keeps its place."""
    stored = points.stored_beside(point.setting) or points.stored_ratios(point, rows)
    notes = TERMS["preview"] if point.preview else "", tradeoff.notes(rows, point), stored
    return [note for note in notes if note]


def _told(ticket: Ticket | None) -> None:
    """Why nothing is judged; and what the dense model's answers say against the images is told at the page's head."""
    if state.current().absent:
        return  # the page offers the way to images
    if ticket is None:
        st.info(
            "Counts are exact with any weights. Accuracy needs a trained model and images: choose a bundled one, or "
            "images of your own in the line above."
        )
        return
    if ticket.error:
        st.error(formats.plain(ticket.error))
    doubt.hear(ticket)


def _stand_in(ticket: Ticket | None, point: Tried) -> Tried | None:
    """What was measured beforehand for this cut, until its first images are through."""
    return points.precomputed_row(state.current()) if ticket and point.estimate is None else None
