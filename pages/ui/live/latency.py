"""Is it faster here? Latency of the cut, measured on this device by the second worker, beside what MACs promise."""

from __future__ import annotations

import os

import pandas as pd
import streamlit as st

from dimap_core.plan import to_recipe
from dimap_core.service import Ticket
from dimap_core.types import Part

from ..look import TERMS, formats
from ..parts import waiting
from ..session import View, polling, requests, state

BATCHES = (1, 4, 16, 64)
REPEATS = 21, 84
"""Runs of each model, and where those were too noisy to tell."""


def draw(view: View) -> None:
    """Batch sizes and a button, then a row for each batch size as it is measured."""
    st.subheader("Is it faster here?", anchor=False, help=TERMS["latency"])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        batches = st.pills(
            "Images at a time", BATCHES, default=[1, 16], selection_mode="multi", key="batches", persist_state="session"
        )
        threads = st.segmented_control(
            "Threads", range(1, min(os.cpu_count() or 1, 4) + 1), default=1, key="threads", required=True,
            persist_state="session",
        )  # fmt: skip
        recipe = to_recipe(state.current().plan)
        request = {"kind": "latency", "recipe": recipe, "batches": sorted(batches), "threads": threads}
        request["repeats"] = st.session_state.get("repeats", REPEATS[0])
        wanted = (view.info.fingerprint, request)
        if st.button("Measure", key="measure", disabled=not batches, icon=":material/speed:"):
            st.session_state.timed = wanted
    if view.selection.granularity != "structure":
        st.caption("Zeros are multiplied as any other number here: whether that saves any time is what this measures.")
    if st.session_state.get("timed") != wanted:
        return
    ticket = requests.stream(view, "background", request, slow=True)
    polling.polled(_rows, ticket.running)(ticket, view.cost.total, ticket.running)


def _rows(ticket: Ticket, total: Part, was_running: bool) -> None:
    polling.ended(ticket, was_running)
    if ticket.error:
        st.error(formats.plain(ticket.error))
    rows = [event for event in ticket.events if "batch_size" in event]
    if rows:
        promised = total.macs / total.macs_after
        st.dataframe(pd.DataFrame([_row(row, promised) for row in rows]), hide_index=True)
        device = "CPU" if rows[0]["device"] == "cpu" else rows[0]["device"]
        st.caption(
            f"Medians with quartiles of {rows[0]['repeats']} alternating runs on this {device}, "
            f"{rows[0]['threads']} thread(s). MACs promise {promised:.2f}×."
        )
    if rows and not ticket.running and rows[0]["repeats"] < REPEATS[-1] and any(map(noisy, rows)):
        st.button("Measure more", key="measure_more", on_click=_more, icon=":material/repeat:",
                  help=f"{REPEATS[-1]} runs of each instead of {REPEATS[0]}.")  # fmt: skip
    if ticket.running:
        waiting.doing(ticket, "Measuring" if rows else "Starting a process for it")


def _more() -> None:
    """The same again with more runs; what is measured next has as many."""
    fingerprint, request = st.session_state.timed
    st.session_state.repeats = REPEATS[-1]
    st.session_state.timed = fingerprint, {**request, "repeats": REPEATS[-1]}


def noisy(row: dict) -> bool:
    """Whether the quartiles of both overlap, so that their medians do not tell which is faster."""
    dense, pruned = row["dense"], row["pruned"]
    return bool(dense["low"] <= pruned["high"] and pruned["low"] <= dense["high"])


def _row(row: dict, promised: float) -> dict[str, str]:
    faster = row["dense"]["median"] / row["pruned"]["median"]
    return {
        "images": str(row["batch_size"]),
        "dense, ms": spread(row["dense"]),
        "this cut, ms": spread(row["pruned"]),
        "speed-up": "too noisy to tell" if noisy(row) else f"{faster:.2f}×",
        "of what MACs promise": "–" if noisy(row) else f"{100 * faster / promised:.0f} %",
    }


def spread(found: dict) -> str:
    """Milliseconds of a batch: median and quartiles."""
    return f"{1e3 * found['median']:.3g} ({1e3 * found['low']:.3g} to {1e3 * found['high']:.3g})"
