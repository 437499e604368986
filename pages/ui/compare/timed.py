"""Is either faster here? Both are timed against the dense model, zeros too, then told apart as far as noise allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dimap_core.plan import to_recipe
from dimap_core.service import Ticket

from ..live import latency
from ..look import TERMS, formats
from ..parts import waiting
from ..session import polling, story
from ..story import asking
from .standing import Standing

BATCHES = [1, 16]
"""Images at a time."""


def draw(pair: Sequence[Standing]) -> None:
    """A button; once pressed, a row for each cut and batch size as they are measured."""
    cuts = [one for one in pair if one.side.kept and one.told]
    with st.container(key="compare_latency"):
        st.subheader("Is either faster here?", anchor=False, help=TERMS["latency"])
        wanted = [one.side.kept.setting for one in cuts if one.side.kept]
        measure = f"Measure {'both' if len(cuts) == 2 else 'it'} here"
        if st.button(measure, key="compare_measure", icon=":material/speed:", disabled=not cuts):
            st.session_state.compare_timed = wanted
        if any(one.side.kept and one.side.kept.cut.plan.granularity != "structure" for one in cuts):
            st.caption("Zeros are multiplied as any other number: measure it, and see that they save no time.")
        if not cuts or st.session_state.get("compare_timed") != wanted:
            return
        busy = _busy(_tickets(cuts))
        polling.polled(_timed, busy)(cuts, busy)


def line(one: Standing) -> tuple[str, str] | None:
    """Time for one image where it was measured, and against dense; None where it was not."""
    if one.side.kept is None:
        return None
    rows = [event for event in asking.known(_request(one.side.kept)) if event.get("batch_size") == 1]
    if not rows:
        return None
    ratio = rows[0]["dense"]["median"] / rows[0]["pruned"]["median"]
    told = "too noisy to tell" if latency.noisy(rows[0]) else f"{ratio:.2f}× as fast as dense"
    return f"{1e3 * rows[0]['pruned']['median']:.3g} ms an image", told


def _request(kept: story.Kept) -> dict[str, Any]:
    recipe = to_recipe(kept.cut.plan)
    return {"kind": "latency", **asking.about(kept.setting), "recipe": recipe, "batches": BATCHES, "threads": 1,
            "repeats": _repeats()}  # fmt: skip


def _repeats() -> int:
    return int(st.session_state.get("repeats", latency.REPEATS[0]))


def _tickets(cuts: Sequence[Standing]) -> list[Ticket | None]:
    """One after the other, so that neither is slowed down by the other."""
    found: list[Ticket | None] = []
    for one in cuts:
        if one.side.kept is not None:
            request = _request(one.side.kept)
            found.append(asking.ticket("background", request, may_ask=not _busy(found), slow=True))
    return found


def _busy(tickets: Sequence[Ticket | None]) -> bool:
    return any(ticket is None or ticket.running for ticket in tickets)


def _timed(cuts: Sequence[Standing], was_busy: bool) -> None:
    """What is measured so far, and whether that tells anything."""
    tickets = _tickets(cuts)
    if was_busy and not _busy(tickets):
        st.rerun()
    timings = [[event for event in ticket.events if "batch_size" in event] if ticket else [] for ticket in tickets]
    for ticket in tickets:
        if ticket is not None and ticket.error:
            st.error(formats.plain(ticket.error))
    rows = [_row(one, row) for one, found in zip(cuts, timings, strict=True) for row in found]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True)
        for sentence in _between(cuts, timings):
            st.markdown(sentence)
        st.caption(f"Medians with quartiles of {_repeats()} runs, dense and cut by turns, one thread.")
    if (running := next((ticket for ticket in tickets if ticket and ticket.running), None)) is not None:
        waiting.doing(running, "Measuring" if rows else "Starting a process for it")
    elif _repeats() < latency.REPEATS[-1] and _unclear(timings):
        st.button("Measure more", key="compare_measure_more", on_click=_more, icon=":material/repeat:",
                  help=f"{latency.REPEATS[-1]} runs of each instead of {latency.REPEATS[0]}.")  # fmt: skip


def _more() -> None:
    st.session_state.repeats = latency.REPEATS[-1]


def _pairs(timings: Sequence[Sequence[dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
    """By batch size, the cuts' times as a row of which the first stands where dense does; none for a single cut."""
    if len(timings) != 2:
        return []
    return [
        (one["batch_size"], {"dense": one["pruned"], "pruned": other["pruned"]})
        for one, other in zip(*timings, strict=False)
    ]


def _unclear(timings: Sequence[Sequence[dict[str, Any]]]) -> bool:
    every = [*(row for found in timings for row in found), *(row for _, row in _pairs(timings))]
    return any(map(latency.noisy, every))


def _between(cuts: Sequence[Standing], timings: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
    """The two against each other, for each batch size."""
    told = []
    for size, row in _pairs(timings):
        images = f"{size} image{'' if size == 1 else 's'} at a time"
        first, second = (one.side.called for one in cuts)
        if latency.noisy(row):
            told.append(f"{images}: too noisy to tell whether {first} or {second} is faster.")
        else:
            faster, slower = (second, first) if row["pruned"]["median"] < row["dense"]["median"] else (first, second)
            low, high = sorted(row[which]["median"] for which in ("dense", "pruned"))
            told.append(f"{images}: {faster} takes {100 * (1 - low / high):.0f} % less time than {slower}.")
    return told


def _row(one: Standing, row: dict[str, Any]) -> dict[str, str]:
    ratio = row["dense"]["median"] / row["pruned"]["median"]
    return {
        "cut": one.side.label,
        "images": str(row["batch_size"]),
        "dense, ms": latency.spread(row["dense"]),
        "this one, ms": latency.spread(row["pruned"]),
        "against dense": "too noisy to tell" if latency.noisy(row) else f"{ratio:.2f}×",
    }
