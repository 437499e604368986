"""What was measured beforehand: whole methods at equal budgets on the bundled models, and what papers print.

Only intervals of single methods are stored, so nobody leads here. Next door: `results` has the rows in words.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dimap_core.figures import comparison as drawn, findings
from dimap_core.models import BUNDLED, bundled, published
from dimap_core.training import BUDGETS, Measurement, comparison

from ..look import chart_tools, theme
from ..session import cache, state
from . import results

_NAMES = [spec.name for spec in BUNDLED]
_SHOWN = {"both": BUDGETS, **{f"{100 * budget:.0f} %": (budget,) for budget in BUDGETS}}
_PAPER = {
    "method": "Method", "model": "Model", "dense": "Dense top-1, %", "top1": "Top-1, %", "change": "Change, points",
    "macs": "FLOPs (MACs)", "params": "Params", "where": "Printed in", "how": "Training",
}  # fmt: skip


def draw() -> None:
    """Filters, the highest in a sentence, the figure, the table; below, what papers print."""
    st.header("Whole methods at equal budgets, measured beforehand", anchor=False)
    left, right = st.columns([1, 3], gap="medium", vertical_alignment="bottom")
    current = state.current().model
    model = left.selectbox("Bundled model", _NAMES, index=_NAMES.index(current) if current in _NAMES else 0,
                           key="compare_model", persist_state="session")  # fmt: skip
    shown = right.segmented_control("FLOPs (MACs) removed", list(_SHOWN), default="both", key="compare_budget",
                                     required=True, persist_state="session")  # fmt: skip
    budgets = _SHOWN[shown or "both"]
    rows = [row for row in cache.methods() if row.model == model and row.budget in budgets]
    _figure(model, rows)
    for budget in budgets:
        if absent := comparison.missing(rows, model, budget):
            st.caption(f"Not measured yet at {100 * budget:.0f} %: {', '.join(absent)}.")
    if rows:
        results.table(rows, _judged(model, rows))
    _papers()


def _photographs(model: str) -> bool:
    """Whether the model comes without images, photographs having judged it beforehand."""
    spec = bundled(model)
    return spec is not None and bool(spec.judged)


def _how(model: str) -> str:
    """What measures its rows."""
    command = f"python -m benchmarks.methods {model}"
    if _photographs(model):
        return f"`{command} --photos FOLDER` does it; the folder holds train/ and val/, each with a sub-folder a class."
    return f"`{command}` does it in some minutes."


def _judged(model: str, rows: Sequence[Measurement]) -> str:
    """By how many images of which kind the rows were judged."""
    counts = " or ".join(f"{n:,}" for n in sorted({row.n for row in rows}))
    return f"precomputed on {counts} photographs" if _photographs(model) else f"on {counts} validation images"


def _figure(model: str, rows: Sequence[Measurement]) -> None:
    """The highest, and all methods with the session's own results."""
    if not rows:
        st.info(f"Nothing was measured on {model} yet; {_how(model)}", icon=":material/pending:")
        return
    for line in filter(None, (_highest(rows, budget) for budget in BUDGETS)):
        st.markdown(line)
    entries = [*map(results.entry, rows), *results.own(model, cache.cards()[model]["macs"])]
    alt = f"Top-1 of each method on {model}, with 95 % intervals, beside the dense model"
    chart_tools.source(model, f"{model} · methods compared · DIMAP Explorer")
    title = findings.beside_dense([one.top1[0] for one in entries], rows[0].dense[0])
    yours = "; jobs of yours, judged by your own images, are not drawn" if _photographs(model) else (
        ", diamonds are jobs of yours")  # fmt: skip
    note = (
        f"Top-1 {_judged(model, rows)}, with 95 % intervals, one seed; hollow: before training; vertical line and "
        f"band: the dense model. Circles remove 35 % of the MACs, squares 50 %{yours}. Searches train for 160 steps "
        "(SPViT until its gates meet the budget, then 80 without distillation), DIMAP for 208, about the same work. "
        "Methods are reconstructions from what we could read of each paper; the Recover page lists where each differs."
    )
    theme.chart(drawn(entries, rows[0].dense, theme.look()), "comparison", alt, title, note)


def _highest(rows: Sequence[Measurement], budget: float) -> str:
    """Which number is highest at a budget, and that it decides nothing."""
    best = comparison.highest(row for row in rows if row.budget == budget)
    if best is None:
        return ""
    reached = results.text(best.top1).replace(" (", " % (", 1)
    return (
        f"**{100 * budget:.0f} % removed:** {best.label} has the highest top-1, {reached}; no difference beyond chance "
        f"can be told, as the answers to single images were not kept (n = {best.n:,})."
    )


def _papers() -> None:
    """Published results, marked as the papers'."""
    st.subheader("What the papers report", anchor=False)
    st.caption(
        "Printed by the papers or their repositories: ImageNet-1k, large models, long training. Never mixed with the "
        "figures above, which are ours on small models, and hardly comparable with each other."
    )
    st.dataframe(
        pd.DataFrame(published.results()).rename(columns=_PAPER), hide_index=True, height="content",
        column_config={"Method": st.column_config.TextColumn(width=210)},
    )  # fmt: skip
