"""Two cuts on the same images: each with its interval, and the paired difference, which says more than both.

Next door: `session.requests` asks the worker.
"""

from __future__ import annotations

from typing import Any

import streamlit as st
from pydantic import TypeAdapter

from dimap_core.figures import Interval
from dimap_core.plan import to_recipe
from dimap_core.service import Ticket
from dimap_core.types import Difference, Proportion, PruningPlan, Versus, in_points

from ..look import formats, plan_names
from ..parts import waiting
from ..session import View, polling, requests, state
from . import pictures, progress, words

_VERSUS = TypeAdapter(Versus)
NAMES = "versus_a", "versus_b"
"""Words that the cuts are called by, where a lesson has no others."""


def draw(view: View, other: PruningPlan, locked: bool, names: tuple[str, str] = NAMES) -> None:
    """The cut in force against another one, once asked for; `names`: words that both are called by."""
    own = state.current().plan
    told = [words.word(name) for name in names]
    for name, plan in zip(told, (own, other), strict=True):
        st.markdown(f"**{name}**: {plan_names.label(plan)}")
    request = {"kind": "versus", "recipes": [to_recipe(own), to_recipe(other)]}
    if locked or not st.session_state.lesson_facts.get("asked"):
        st.button(words.word("versus_ask"), key="lesson_versus", disabled=locked, type="primary",
                  icon=":material/balance:", on_click=_asked)  # fmt: skip
        return
    ticket = requests.stream(view, "versus", request)
    polling.polled(_compared, ticket.running)(ticket, told, ticket.running)


def _asked() -> None:
    st.session_state.lesson_facts["asked"] = True


def _compared(ticket: Ticket, names: list[str], was_running: bool) -> None:
    polling.ended(ticket, was_running)
    if ticket.error:
        st.error(formats.plain(ticket.error))
        return
    if ticket.last is None or "difference" not in ticket.last:
        waiting.doing(ticket, words.word("versus_judging"))
        return
    found = _VERSUS.validate_python(ticket.last)
    shares = [_row(name, share, found.total) for name, share in zip(names, (found.first, found.second), strict=True)]
    pictures.rows(shares, formats.share, within=(0, 1))
    st.markdown(f"**{words.word('versus_difference', first=names[0], second=names[1])}**")
    row = _row("", found.difference, found.total)
    line = 0.0, words.word("versus_equal")
    pictures.rows([row], in_points, line)
    st.caption(words.word("versus_note"))
    if found.done:
        progress.hear(facts(found))


def _row(name: str, found: Proportion | Difference, total: int) -> Interval:
    n = words.word("versus_images" if found.n == total else "versus_so_far", n=f"{found.n:,}")
    return Interval(name or n, found.value, found.low, found.high, n if name else "")


def facts(found: Versus) -> dict[str, Any]:
    """Both, their difference, and whether that is beyond chance."""
    d, first, second = found.difference, found.first, found.second
    named: dict[str, Proportion | Difference] = {"first": first, "second": second, "difference": d}
    return {
        "compared": True, "n": d.n,
        "ahead": "first" if d.low > 0 else "second" if d.high < 0 else "none",
        "overlap": first.low <= second.high and second.low <= first.high,
        **{f"{name}{end}": value for name, one in named.items()
           for end, value in (("", one.value), ("_low", one.low), ("_high", one.high))},
    }  # fmt: skip
