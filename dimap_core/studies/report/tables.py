"""A report's numbers as rows: the overview, the methods, and one table of all cuts for CSV and LaTeX.

Next door: `words` says them in sentences, `formats` writes files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ...figures import findings
from ...pipeline import counts, removed_share
from ...plan import to_recipe
from ...types import in_points
from . import words
from .contents import Method, Report, Reported

_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula."""


def overview(cuts: Iterable[Reported]) -> list[dict[str, Any]]:
    """A row a cut as it is read."""
    return [
        {
            "letter": one.letter, "name": one.cut.name,
            "top1": words.top1(one.told.estimate).partition(", n")[0] + ")" * (one.told.estimate is not None),
            "drop": _drop(one),
            "macs": words.percent(one.total.macs_after / one.total.macs),
            "params": words.percent(one.total.params_after / one.total.params), "kind": words.kind(one),
        }
        for one in cuts
    ]  # fmt: skip


def _drop(one: Reported) -> str:
    if one.drop is None:
        return "–"
    numbers = f"{in_points(one.drop.value)} ({in_points(one.drop.low)} to {in_points(one.drop.high)})"
    return numbers.replace(" ", "\u00a0") + f", {findings.chance(one.drop)}"


def methods(rows: Sequence[Method]) -> list[dict[str, Any]]:
    """Stored results of whole methods, as they are read."""
    return [
        {
            "model": row.model, "label": row.label, "macs": words.percent(row.macs_removed),
            "params": words.percent(row.params_removed), "before": _share(row.before), "after": _share(row.after),
            "time": "zeros, not faster" if row.zeros else f"{words.percent(row.latency_removed)} less",
        }
        for row in rows
    ]  # fmt: skip


def alike(rows: Sequence[Method]) -> str:
    """Of which models the stored results are, and on how many images."""
    said = {f"{row.model} on {row.n:,} images": None for row in rows}
    return findings.listed([*said]) if said else ""


def _share(found: tuple[float, float, float] | None) -> str:
    return "–" if found is None else "{:.1f} ({:.1f} to {:.1f})".format(*(100 * part for part in found))


def rows(report: Report) -> list[dict[str, Any]]:
    """A row a cut with whole numbers and shares 0..1, for programs; what was not judged is None."""
    return [_row(one) for one in report.cuts]


def _row(one: Reported) -> dict[str, Any]:
    total, found = one.total, one.told.estimate
    row: dict[str, Any] = {
        "letter": one.letter, "name": _plain(one.cut.name), "sentence": _plain(one.cut.note), "model": one.basis.model,
        "model_hash": one.basis.ground.fingerprint, "images": one.basis.ground.images, "cut": words.what(one),
        "really_smaller": one.smaller, "params_nonzero": None, "macs_nonzero": None,
        **counts(total, one.cut.plan.granularity),
        "params_removed": round(removed_share(total.params, total.params_after), 6),
        "macs_removed": round(removed_share(total.macs, total.macs_after), 6),
        "n": None, "correct": None, "top1": None, "top1_low": None, "top1_high": None, "change": None,
        "change_low": None, "change_high": None,
    }  # fmt: skip
    if found is not None and one.drop is not None:
        top1, drop = found.top1, one.drop
        row |= {"n": found.n, "correct": top1.correct}
        row |= {"top1": round(top1.value, 6), "top1_low": round(top1.low, 6), "top1_high": round(top1.high, 6)}
        row |= {"change": round(drop.value, 6), "change_low": round(drop.low, 6), "change_high": round(drop.high, 6)}
    return row | {"recipe": json.dumps(to_recipe(one.cut.plan))}


def _plain(text: str) -> str:
    """Text that no spreadsheet computes."""
    return f"'{text}" if text.startswith(_FORMULA) else text
