"""What the Compare page shows of single results: as text, as a table, and the session's own jobs among them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from dimap_core.figures import Entry
from dimap_core.pipeline import kept_count
from dimap_core.training import Interval, Measurement

from ..look import formats
from ..session import jobs


def entry(row: Measurement) -> Entry:
    """A row as the figure draws it."""
    return Entry(row.label, said(row), row.top1, row.before if row.after else None, row.budget)


def said(row: Measurement) -> str:
    """What stands beside a method's name."""
    speed = "zeros, not faster" if row.zeros else f"{-100 * row.latency_removed:+.0f} % time"
    return f"−{100 * row.macs_removed:.0f} % MACs, {speed}".replace("-", "−")


def own(model: str, dense: float) -> list[Entry]:
    """The session's finished jobs on a model and its own images; `dense`: its MACs."""
    found = []
    for job in jobs.trained():
        result: dict[str, Any] = dict(job.result or {})
        if result.get("model") == model and not job.request.get("images"):
            before, after = ((result[key], *result[f"{key}_ci95"]) for key in ("top1_before", "top1_after"))
            name = f"Yours: {escape(job.title.partition(' · ')[2] or job.title)}"  # figures read HTML
            saved = f"−{100 * (1 - kept_count(result, 'macs') / dense):.0f} % MACs"
            zeros = ", zeros, not faster" if "macs_nonzero" in result else ""
            found.append(Entry(name, saved + zeros, after, before))
    return found


def text(share: Interval | None) -> str:
    """98.4 (97.5 to 99.0); a dash for no training."""
    return "–" if share is None else "{:.1f} ({:.1f} to {:.1f})".format(*(100 * part for part in share))


def _counted(there: int, nonzero: int | None) -> str:
    """What is there and, where single weights were cut, how much of it is not zero."""
    return formats.count(there) + (f", {formats.count(nonzero)} not zero" if nonzero is not None else "")


def table(rows: Sequence[Measurement], judged: str) -> None:
    """All numbers of the rows shown; `judged`: on what, in words."""
    columns = {
        "Method": [row.label for row in rows],
        "MACs removed, %": [round(100 * row.macs_removed, 1) for row in rows],
        "Top-1 before training": [text(row.before) for row in rows],
        "Top-1 after training": [text(row.after) for row in rows],
        "n": [row.n for row in rows],
        "Params": [_counted(row.params, row.params_nonzero) for row in rows],
        "FLOPs (MACs)": [_counted(row.macs, row.macs_nonzero) for row in rows],
        "Time saved, %": ["not faster" if row.zeros else f"{100 * row.latency_removed:.0f}" for row in rows],
        "CPU s in all": [round(row.cpu_seconds) for row in rows],
    }
    long = ("Top-1 before training", "Top-1 after training", "Params", "FLOPs (MACs)")
    wide = {name: st.column_config.TextColumn(width=160) for name in long}
    st.dataframe(pd.DataFrame(columns), hide_index=True, column_config=wide, height="content")
    how = f"batches of {rows[0].batch}, one thread, dense and smaller model by turns"
    st.caption(f"Top-1 in % with its 95 % interval, {judged}. Time: {how}.")
