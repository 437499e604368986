"""How long the cut in force takes on this machine, beside what its MACs promise and what earlier steps measured.

Next door: `live.latency` is the Prune page's, with batches and threads to choose.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from dimap_core.figures import Interval
from dimap_core.plan import to_recipe
from dimap_core.service import Ticket

from ..look import formats
from ..parts import waiting
from ..session import View, lesson, polling, requests, state
from . import pictures, progress, words

BATCH, THREADS = 16, 1
REPEATS = 21, 42, 84, 168
"""Runs of each model at the first press, and at each one after that, where a busy machine leaves the interval wide."""
_KEPT = "zeros", "structures"
"""Under which names steps keep what they measured."""


def draw(view: View, locked: bool) -> None:
    """The button, what was measured as intervals, and the facts of it; `locked`: nothing can be measured yet."""
    plan, repeats = state.current().plan, st.session_state.lesson_facts.get("asked")
    label = "time_measure" if repeats is None else "time_more"
    st.button(
        words.word(label), key="lesson_measure", icon=":material/speed:", on_click=_asked,
        disabled=locked or repeats == REPEATS[-1], type="primary" if repeats is None else "secondary",
    )  # fmt: skip
    st.caption(words.word("time_about", batch=BATCH))
    if locked or repeats is None:
        _picture({})
        return
    request = {"kind": "latency", "recipe": to_recipe(plan), "batches": [BATCH], "threads": THREADS, "repeats": repeats}
    ticket = requests.stream(view, "background", request, slow=True)
    polling.polled(_measured, ticket.running)(view, ticket, ticket.running)


def _asked() -> None:
    """Once, and then with more runs."""
    before = st.session_state.lesson_facts.get("asked", 0)
    st.session_state.lesson_facts["asked"] = next((runs for runs in REPEATS if runs > before), REPEATS[-1])


def _measured(view: View, ticket: Ticket, was_running: bool) -> None:
    polling.ended(ticket, was_running)
    if ticket.error:
        st.error(formats.plain(ticket.error))
        return
    row = next((event for event in list(ticket.events) if "batch_size" in event), None)
    if row is None:
        _picture({})
        waiting.doing(ticket, words.word("time_starting"))
        return
    total, ratio = view.cost.total, row["ratio"]
    found = {
        "timed": True, "promised": total.macs / total.macs_after, "runs": row["repeats"],
        "speedup": ratio["value"], "speedup_low": ratio["low"], "speedup_high": ratio["high"],
        "beyond": "faster" if ratio["low"] > 1 else "slower" if ratio["high"] < 1 else "same",
    }  # fmt: skip
    _picture(found)
    progress.hear(found)


def _picture(now: dict[str, Any]) -> None:
    """A row for each cut that was measured; nothing without one."""
    kept, rows = lesson.learner().kept, []
    for name in _KEPT:
        known = {key.removeprefix(f"{name}."): value for key, value in kept.items() if key.startswith(f"{name}.")}
        if "speedup" in known and known.get("speedup") != now.get("speedup"):
            rows.append(_row(words.word(f"time_{name}"), known))
    if now:
        rows.append(_row(words.word(f"time_{_kind()}"), now))
    if rows:
        line = 1.0, words.word("time_dense")
        pictures.rows(rows, _times, line)
        st.caption(words.word("time_note", runs=f"{(now or {'runs': REPEATS[0]})['runs']}"))


def _kind() -> str:
    granularity = state.current().plan.granularity
    return {"weight": "zeros", "structure": "structures", "nm": "pattern"}[granularity]


def _row(name: str, found: dict[str, Any]) -> Interval:
    promised = found["promised"]
    note = words.word("time_promised", promised=_times(promised))
    return Interval(name, found["speedup"], found["speedup_low"], found["speedup_high"], note, promised)


def _times(value: float) -> str:
    return f"{value:.3g}×" if value >= 10 else f"{value:.2f}×"
