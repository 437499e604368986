"""The same cut judged on a few images, on some, on all: every press of a button draws others, and another interval.

Next door: `dimap_core.studies.exercises` draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from dimap_core.figures import Interval
from dimap_core.measure import predictions
from dimap_core.service import Ticket
from dimap_core.studies import exercises
from dimap_core.types import Proportion

from ..live import accuracy
from ..look import formats
from ..parts import waiting
from ..session import View, polling
from . import pictures, progress, words

FEW, SOME = 50, 200
MANY = 20
"""Draws at one press."""


def draw(view: View, locked: bool, sizes: bool) -> None:
    """Draws of `FEW` images, one by one or many at once; with `sizes`, one draw each of few, some and all."""
    _, ticket = accuracy.current(view)
    if ticket is None:
        return
    polling.polled(_judged, ticket.running)(ticket, locked, sizes, ticket.running)


def _judged(ticket: Ticket, locked: bool, sizes: bool, was_running: bool) -> None:
    polling.ended(ticket, was_running)
    last = ticket.last or {}
    if ticket.error:
        st.error(formats.plain(ticket.error))
    elif "right" not in last:
        waiting.doing(ticket, words.word("sample_judging"))
    else:
        right = predictions.unpacked(last["right"], last["n"])
        _sizes(right, locked) if sizes else _draws(right, locked)


def _draws(right: np.ndarray, locked: bool) -> None:
    """Intervals of draws of a few images, with what all images say once many were drawn."""
    count = st.session_state.lesson_facts.get("asked", 0)
    with st.container(horizontal=True):
        for more in (1, MANY):
            st.button(words.word("sample_draw" if more == 1 else "sample_many", n=FEW, times=more),
                      key=f"lesson_draw_{more}", disabled=locked, on_click=_more, args=(more,))  # fmt: skip
    if locked or not count:
        return
    found = [exercises.drawn(right, FEW, seed) for seed in range(count)]
    every = exercises.drawn(right, len(right), 0)
    missed = [not one.low <= every.value <= one.high for one in found]
    known = count >= MANY
    name = words.word("sample_all", n=f"{len(right):,}")
    rows = [
        Interval(words.word("sample_number", number=place), one.value, one.low, one.high, missed=known and out)
        for place, (one, out) in enumerate(zip(found, missed, strict=True), start=1)
    ]
    line = (every.value, name) if known else None
    pictures.rows(rows, _percent, line, within=(0, 1))
    values = [one.value for one in found]
    progress.hear(
        {"draws": count, "share_least": min(values), "share_most": max(values), "spread": max(values) - min(values),
         "missed": sum(missed), "share": every.value, "n": every.n}
    )  # fmt: skip


def _sizes(right: np.ndarray, locked: bool) -> None:
    """One draw of each size."""
    sizes = {"few": FEW, "some": SOME, "all": len(right)}
    with st.container(horizontal=True):
        for name, size in sizes.items():
            st.button(words.word("sample_images", n=f"{size:,}"), key=f"lesson_size_{name}", disabled=locked,
                      on_click=_one, args=(name,))  # fmt: skip
    facts = st.session_state.lesson_facts
    found = {name: exercises.drawn(right, size, 0) for name, size in sizes.items() if facts.get(f"drawn_{name}")}
    if locked or not found:
        return
    rows = [_row(one) for one in found.values()]
    pictures.rows(rows, _percent, within=(0, 1))
    progress.hear(_widths(found))


def _widths(found: dict[str, Proportion]) -> dict[str, Any]:
    """How wide the intervals are, and how often the widest one is as wide as that of all images."""
    width = {name: one.high - one.low for name, one in found.items()}
    known = {f"points_{name}": value for name, value in width.items()} | {"n": max(one.n for one in found.values())}
    return known | ({"times_few": width["few"] / width["some"]} if {"few", "some"} <= width.keys() else {})


def _row(one: Proportion) -> Interval:
    return Interval(words.word("sample_images", n=f"{one.n:,}"), one.value, one.low, one.high)


def _one(name: str) -> None:
    st.session_state.lesson_facts[f"drawn_{name}"] = True


def _more(count: int) -> None:
    facts = st.session_state.lesson_facts
    facts["asked"] = facts.get("asked", 0) + count


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"
