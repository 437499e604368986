"""A sweep's rows as a table that sorts, and as files; what cannot be met tells why.

Next door: `found` draws the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from dimap_core.studies import shared

from ..look import formats, plan_names
from ..session import state
from ..story import keep
from .swept import Swept

_HEIGHT = 320


def draw(swept: Swept, rows: Sequence[dict[str, Any]]) -> None:
    """The table with its downloads, the button that keeps the cut in force, and the plans that cannot be met."""
    if swept.results:
        _table(swept)
        _files(swept, rows)
    failed = [row for row in rows if "error" in row]
    if failed:
        with st.expander(f"{len(failed)} of them cannot be made"):
            for row in failed:
                plan = swept.asked.points[row["point"]][1]
                st.markdown(formats.plain(f"{plan_names.label(plan)}: {row['error']}"))


def _table(swept: Swept) -> None:
    shown = pd.DataFrame([_row(swept, one) for one in swept.results])
    told = {"model": swept.asked.models, "seed": {plan.seed for plan in swept.asked.plans}}
    shown = shown.drop(columns=[name for name, values in told.items() if len(values) == 1])
    number = st.column_config.NumberColumn
    st.dataframe(
        shown, hide_index=True, height=min(_HEIGHT, 38 + 35 * len(shown)), key=f"sweep_table_{swept.job.token}",
        column_config={
            **{name: number(format="%.1f") for name in shown.columns if name.endswith("%") or "points" in name},
            "cut": st.column_config.TextColumn(width="medium"),
        },
    )  # fmt: skip


def _row(swept: Swept, one: shared.Result) -> dict[str, Any]:
    top1, drop = one.top1, one.drop
    return {
        "model": swept.called(one.model), "cut": plan_names.label(one.plan), "seed": one.plan.seed,
        "top-1, %": 100 * top1.value, "low, %": 100 * top1.low, "high, %": 100 * top1.high, "n": top1.n,
        "MACs removed, %": 100 * one.macs_removed, "params removed, %": 100 * one.params_removed,
        "against dense, points": 100 * drop.value, "low, points": 100 * drop.low, "high, points": 100 * drop.high,
    }  # fmt: skip


def _files(swept: Swept, rows: Sequence[dict[str, Any]]) -> None:
    """Downloads, made when they are asked for, and the way into the story."""
    name, token = swept.job.request["study"], swept.job.token
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button("CSV", lambda: _csv(swept, rows), f"{name}.csv", "text/csv", key=f"sweep_csv_{token}",
                           icon=":material/download:", on_click="ignore")  # fmt: skip
        st.download_button("LaTeX", lambda: _latex(swept), f"{name}.tex", "application/x-tex",
                           key=f"sweep_tex_{token}", icon=":material/download:", on_click="ignore")  # fmt: skip
        if swept.force() is not None:
            keep.button(f"sweep_keep_{token}", state.current(), keep.in_force)
        else:
            st.caption("Click a cut to put it in force; then it can be kept for the story and its report.")


def _csv(swept: Swept, rows: Sequence[dict[str, Any]]) -> str:
    return shared.as_csv([{**row, "model": swept.called(row["model"])} for row in rows])


def _latex(swept: Swept) -> str:
    named = [replace(one, model=swept.called(one.model)) for one in swept.results]
    return shared.as_latex(named, f"{swept.job.title}. Intervals are 95 %.")
