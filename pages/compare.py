"""Compare: which method wins at this budget? Measured beforehand, with the session's own jobs; papers' figures apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dimap_core import comparison, published
from dimap_core.bundled import BUNDLED
from dimap_core.comparison import BUDGETS, Interval, Measurement
from dimap_core.figures.comparison import Entry
from dimap_core.figures.comparison import comparison as drawn
from pages.ui import cache, frame, longwork, state, theme, widgets

NAMES = [spec.name for spec in BUNDLED]
SHOWN = {"both": BUDGETS, **{f"{100 * budget:.0f} %": (budget,) for budget in BUDGETS}}
PAPER = {"method": "Method", "model": "Model", "dense": "Dense top-1, %", "top1": "Top-1, %", "change": "Change, points",
         "macs": "FLOPs (MACs)", "params": "Params", "how": "Training", "where": "Printed in"}  # fmt: skip


def main() -> None:
    """Filters, the answer in a sentence, the figure, the table; below, what papers print."""
    widgets.notice()
    st.subheader("Which method wins at this budget?", anchor=False)
    left, right = st.columns(2, gap="medium", vertical_alignment="bottom")
    current = state.current().model
    model = left.selectbox("Bundled model", NAMES, index=NAMES.index(current) if current in NAMES else 0,
                           key="compare_model", persist_state="session")  # fmt: skip
    budget = right.segmented_control("FLOPs (MACs) removed", list(SHOWN), default="both", key="compare_budget",
                                     required=True, persist_state="session")  # fmt: skip
    budgets = SHOWN[budget or "both"]
    rows = [row for row in cache.methods() if row.model == model and row.budget in budgets]
    figure(model, rows)
    absent = comparison.missing(rows, model, budgets)
    if absent:
        st.caption(f"Not measured here yet: {', '.join(absent)}. `python -m benchmarks.methods {model}` does it.")
    if rows:
        table(rows)
    papers()


def figure(model: str, rows: Sequence[Measurement]) -> None:
    """The answer, and all methods with the session's own results."""
    if not rows:
        st.info(f"Nothing was measured on {model} yet.", icon=":material/pending:")
        return
    for line in filter(None, (answer(rows, budget) for budget in BUDGETS)):
        st.markdown(line)
    entries = [
        Entry(comparison.method(row.method).label, said(row), row.top1, row.before if row.after else None, row.budget)
        for row in rows
    ] + own(model, rows[0].macs / (1 - rows[0].macs_removed))
    alt = f"Top-1 of each method on {model}, with 95 % intervals, beside the dense model"
    theme.chart(drawn(entries, rows[0].dense, theme.look()), "comparison", alt)
    st.caption(
        f"Top-1 on {rows[0].n:,} validation images with 95 % intervals, one seed; hollow: before training; dotted line "
        "and band: the dense model. Circles remove 35 % of the MACs, squares 50 %, diamonds are jobs of yours. Trained "
        "with equal steps. Methods are reconstructions from what we could read of each paper; the Recover page lists "
        "where each differs."
    )


def answer(rows: Sequence[Measurement], budget: float) -> str:
    """Who leads at a budget, and from whom that cannot be told apart."""
    found = comparison.leaders(row for row in rows if row.budget == budget)
    if found is None:
        return ""
    best, others = found
    line = f"**{100 * budget:.0f} % removed:** {comparison.method(best.method).label} leads with {text(best.top1)} %"
    close = ", ".join(comparison.method(row.method).label for row in others)
    return line + (f"; its interval overlaps with that of {close}." if close else ", clear of all others measured.")


def said(row: Measurement) -> str:
    """What stands beside a method's name."""
    speed = "zeros, not faster" if comparison.method(row.method).zeros else f"{-100 * row.latency_removed:+.0f} % time"
    return f"−{100 * row.macs_removed:.0f} % MACs, {speed}".replace("-", "−")


def own(model: str, dense: float) -> list[Entry]:
    """The session's finished jobs on a model and its own images; `dense`: its MACs."""
    found = []
    for job in longwork.mine():
        result: dict[str, Any] = dict(job.result or {})
        if result.get("model") == model and not job.request.get("images"):
            before, after = ((result[key], *result[f"{key}_ci95"]) for key in ("top1_before", "top1_after"))
            name = f"Yours: {widgets.plain(job.title.partition(' · ')[2] or job.title)}"
            found.append(Entry(name, f"−{100 * (1 - result['macs'] / dense):.0f} % MACs", after, before))
    return found


def text(share: Interval | None) -> str:
    """98.4 (97.5 to 99.0); a dash for no training."""
    return "–" if share is None else "{:.1f} ({:.1f} to {:.1f})".format(*(100 * part for part in share))


def table(rows: Sequence[Measurement]) -> None:
    """All numbers of the rows shown."""
    columns = {
        "Method": [comparison.method(row.method).label for row in rows],
        "MACs removed, %": [round(100 * row.macs_removed, 1) for row in rows],
        "Top-1 before training, %": [text(row.before) for row in rows],
        "Top-1 after, %": [text(row.after) for row in rows],
        "n": [row.n for row in rows],
        "Params": [widgets.count(row.params) for row in rows],
        "FLOPs (MACs)": [widgets.count(row.macs) for row in rows],
        "Time saved, measured, %": [round(100 * row.latency_removed) for row in rows],
        "CPU s in all": [round(row.cpu_seconds) for row in rows],
    }
    st.dataframe(pd.DataFrame(columns), hide_index=True)
    st.caption(f"Time: batches of {rows[0].batch}, one thread, dense and smaller model by turns.")


def papers() -> None:
    """Published results, marked as the papers'."""
    st.subheader("What the papers report", anchor=False)
    st.caption(
        "Printed by the papers or their repositories: ImageNet-1k, large models, long training. Never mixed with the "
        "figures above, which are ours on small models, and hardly comparable with each other."
    )
    st.dataframe(pd.DataFrame(published.results()).rename(columns=PAPER), hide_index=True)


frame.enter()
main()
