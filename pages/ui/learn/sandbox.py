"""The sandbox: a criterion typed as a formula, its curve beside DIMAP's and magnitude's.

Next door: `live.accuracy` asks for the curve, `dimap_core.criteria` reads the formula.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from dimap_core.criteria import FUNCTIONS, PREFIX, WORDS, criterion
from dimap_core.figures import Curve, Point, Tradeoff, findings, tradeoff
from dimap_core.service import Ticket
from dimap_core.types import InvalidPlan, PruningPlan

from ..live import accuracy, points
from ..look import formats, theme
from ..session import View, cache, polling, state

Say = Callable[..., str]
"""A text by its key, in the learner's language, with what it names filled in."""
EXAMPLES = ("w / layer_mean", "w^2 / rest", "w * sqrt(uses)")
_KEY, _SCOPES, _AXES = "formula", ("module", "model", "layer"), ("params", "MACs")
_KNOWN = {"DIMAP": "dimap", "magnitude": "magnitude"}
RATIOS = (0.9, 0.8, 0.95, 0.7, 0.85, 0.5, 0.98)  # those that tell most come first
_RATIO = 0.8  # in force at first


def draw(view: View, say: Say) -> None:
    """The field with its words, what is wrong with the formula, and its curve."""
    st.subheader(say("sandbox_title"), anchor=False)
    st.markdown(say("sandbox_intro"))
    if _KEY not in st.session_state:
        st.session_state[_KEY] = EXAMPLES[0]
    st.text_input(say("sandbox_field"), key=_KEY, persist_state="session")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(say("sandbox_examples"), width="content")
        for example in EXAMPLES:
            st.button(formats.plain(example), key=f"example_{example}", on_click=_put, args=(example,))
    _legend(say)
    try:
        key = criterion(f"{PREFIX}{st.session_state[_KEY]}").key
    except InvalidPlan as error:
        st.error(formats.plain(str(error)))
        return
    if not view.judged:
        st.info(say("sandbox_none"))
        return
    with st.container(horizontal=True):
        scope = _chosen(say("sandbox_scope"), _SCOPES, "sandbox_scope")
        axis = _chosen(say("sandbox_axis"), _AXES, "sandbox_axis")
    plan = PruningPlan(key, scope=scope, ratio=0.0)  # type: ignore[arg-type]
    ticket = accuracy.curve(view, plan, RATIOS)[1]
    polling.polled(_curve, ticket is not None and ticket.running)(
        view, plan, axis, say, bool(ticket and ticket.running)
    )


def _chosen(label: str, options: tuple[str, ...], key: str) -> str:
    return st.segmented_control(
        label, options, default=options[0], key=key, required=True, persist_state="session"
    ) or options[0]  # fmt: skip


def _put(formula: str) -> None:
    st.session_state[_KEY] = formula


def _add(word: str) -> None:
    """A word behind what is there; a function with its parentheses."""
    st.session_state[_KEY] = f"{st.session_state[_KEY]} {word}".strip()


def _legend(say: Say) -> None:
    """Every word with its sentence, and a button that adds it."""
    with st.expander(say("sandbox_words")):
        st.caption(say("sandbox_signs"))
        told = {word: (known.told, word) for word, known in WORDS.items()}
        told |= {name: (known.told, known.example) for name, known in FUNCTIONS.items()}
        for word, (sentence, added) in told.items():
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.button(formats.plain(added), key=f"word_{word}", on_click=_add, args=(added,), width=190)
                st.markdown(formats.plain(sentence))


def _curve(view: View, plan: PruningPlan, axis: str, say: Say, was_running: bool) -> None:
    """The curve as far as it has come, beside those that were measured beforehand."""
    rows, ticket = accuracy.curve(view, plan, RATIOS)
    if ticket is not None:
        polling.ended(ticket, was_running)
        if ticket.error:
            st.error(formats.plain(ticket.error))
            return
    curves = _curves(view, plan, rows, axis, say)
    own = curves[-1]
    if ticket is not None and ticket.running:
        st.progress(len(rows) / len(RATIOS), say("sandbox_measuring", done=len(rows), all=len(RATIOS)))
    setting = state.current()
    data = Tradeoff(
        dense=points.known_dense(setting, "joint"), curves=curves, unit=axis,
        chance=points.chance(setting, "joint", view.facts["classes"] if view.facts else None),
    )  # fmt: skip
    against = next((curve for curve in curves if curve.label == "DIMAP" and curve.points), None)
    title = findings.curves(own, against, axis) if against and own.points and not _running(ticket) else own.label
    counts = sorted({point.n for curve in curves for point in curve.points})
    theme.chart(
        tradeoff(data, theme.look()), "sandbox", "Accuracy against cost of the formula, DIMAP and magnitude", title,
        say("sandbox_note", n=" to ".join(f"{count:,}" for count in dict.fromkeys([counts[0], counts[-1]])))
        if counts else "", _table(curves, axis, say),
    )  # fmt: skip
    st.dataframe(pd.DataFrame(_table(curves, axis, say)), hide_index=True, key="sandbox_table")
    st.button(say("sandbox_use"), key="sandbox_use", disabled=not rows, on_click=_use, args=(plan,))


def _running(ticket: Ticket | None) -> bool:
    return ticket is not None and ticket.running


def _curves(view: View, plan: PruningPlan, rows: list[dict[str, Any]], axis: str, say: Say) -> list[Curve]:
    """Magnitude's and DIMAP's as measured beforehand, in the same scope, and the formula's own, last."""
    found = []
    if not view.facts:
        for label, key in reversed(_KNOWN.items()):
            known = points.row_points(
                cache.precomputed_rows(view.info.name, replace(plan, criterion=key)), "joint", axis
            )
            found.append(Curve(label, known, reference=key == "magnitude", faint=key != "magnitude"))
    return [*found, Curve(say("sandbox_own"), points.row_points(rows, "joint", axis))]


def _table(curves: list[Curve], axis: str, say: Say) -> dict[str, list[Any]]:
    """Top-1 with interval and n of each curve by what was removed."""
    told = {curve.label: {point.label: _told(point) for point in curve.points} for curve in curves}
    removed = sorted({label for cells in told.values() for label in cells}, key=lambda label: float(label.split()[0]))
    table: dict[str, list[Any]] = {say("sandbox_removed"): [label.split()[0] for label in removed]}
    return table | {f"{name}, top-1 %": [cells.get(label, "") for label in removed] for name, cells in told.items()}


def _told(point: Point) -> str:
    return f"{100 * point.y:.1f} ({100 * point.low:.1f} to {100 * point.high:.1f}, n = {point.n:,})"


def _use(plan: PruningPlan) -> None:
    state.go(replace(state.current(), plan=replace(plan, ratio=_RATIO)))
