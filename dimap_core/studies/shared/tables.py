"""A study's rows as tables to take away: CSV of all columns, LaTeX of those that are read. No torch.

Next door: `ledger` has the rows, `results` what they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ...plan import label
from ..report.latex import escaped
from .results import Result

_FIGURES = ("point", "estimate", "cells")


def columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """A kept row without what only figures need."""
    return {key: value for key, value in row.items() if key not in _FIGURES}


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """All columns, as `study --csv` writes them; shares are 0..1."""
    return pd.json_normalize([columns(row) for row in rows]).to_csv(index=False)


def as_latex(found: Sequence[Result], caption: str) -> str:
    """One table for a document that loads booktabs and takes UTF-8, shares in %, intervals in brackets."""
    lines = [
        r"% \usepackage{booktabs}", r"\begin{table}", r"\centering", r"\begin{tabular}{llrrrll}", r"\toprule",
        r"Model & Cut & Params removed, \% & MACs removed, \% & $n$ & Top-1, \% & Against dense, points \\",
        r"\midrule", *map(_row, found), r"\bottomrule", r"\end{tabular}", rf"\caption{{{escaped(caption)}}}",
        r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _row(one: Result) -> str:
    top1, drop = one.top1, one.drop
    cells = [
        escaped(one.model), escaped(label(one.plan)), f"{100 * one.params_removed:.2f}",
        f"{100 * one.macs_removed:.2f}", f"{top1.n}",
        f"{100 * top1.value:.2f} [{100 * top1.low:.2f}, {100 * top1.high:.2f}]",
        f"${100 * drop.value:.2f}$ [${100 * drop.low:.2f}$, ${100 * drop.high:.2f}$]",
    ]  # fmt: skip
    return " & ".join(cells) + r" \\"
