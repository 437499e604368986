"""What the best cut found was to reach, beside what `benchmarks.find` measured: nothing is measured here.

Bars were set before anything was measured (on all validation images, the median of three calibration seeds).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from .measured import Result, table

BARS = (
    ("swin-textured", "structure", "80 % of MACs", 98.0),
    ("swin-textured", "structure", "85 % of MACs", 96.5),
    ("swin-textured", "structure", "90 % of MACs", 82.0),
    ("deit-textured", "structure", "80 % of MACs", 95.5),
    ("deit-textured", "structure", "90 % of MACs", 91.0),
    ("swin-textured", "weight", "90 % of weights", 97.0),
    ("swin-textured", "weight", "95 % of weights", 96.0),
    ("swin-textured", "weight", "85 % of MACs", 95.0),
    ("deit-textured", "weight", "90 % of weights", 91.5),
)
"""Model, cut, removed, least top-1 in %."""

SEEDS, NEAR, LOST = 3, 0.1, 2.0
"""Seeds that a median is of; points that a cut may be off its budget, and those that a rule has to lose to dense for
the found cut to owe a gain."""

Row = Mapping[str, str]


def told(found: Result) -> str:
    """The bars as a table, then what was asked of all rows in two sentences."""
    rows = [dict(zip(found.columns, cells, strict=True)) for cells in found.rows]
    header = ("model", "cut", "removed", "asked", "median", "seeds 0, 1, 2", "off budget at most", "bar")
    return "\n\n".join([table(header, _reached(rows)), _against_rules(rows)])


def _reached(rows: Sequence[Row]) -> Iterator[list[str]]:
    for model, cut, removed, bar in BARS:
        of = [row for row in rows if (row["model"], row["cut"], row["removed"]) == (model, cut, removed)]
        found = [_top1(row) for row in of]
        off = max((float(row["off budget"]) for row in of), default=0.0)
        met = "met" if found and median(found) >= bar and off <= NEAR else "missed"
        told = ", ".join(f"{top1:.1f}" for top1 in found)
        enough = len(found) == SEEDS
        middle = f"{median(found):.1f}" if enough else "not measured"
        yield [model, cut, removed, f"{bar:g}", middle, told, f"{off:.2f}", met if enough else "not measured"]


def _against_rules(rows: Sequence[Row]) -> str:
    """How often the found cut is below the best fixed rule, and above it where it has to be."""
    below = [row for row in rows if _interval(row["difference, points"])[1] < 0]
    owed = [row for row in rows if _top1(row) - _interval(row["against dense"])[2] - _rule(row) >= LOST]
    above = [row for row in owed if _interval(row["difference, points"])[0] > 0]
    short = "; ".join(
        f"{row['model']}, {row['cut']}, {row['removed']}, seed {row['seed']}" for row in owed if row not in above
    )
    return (
        f"Below the best fixed rule beyond chance: {len(below)} of {len(rows)} rows. Where that rule loses {LOST:g} "
        f"points or more to dense, above it beyond chance: {len(above)} of {len(owed)}"
        + (f" (not at {short})." if short else ".")
    )


def _top1(row: Row) -> float:
    return float(row["found"].split()[0])


def _rule(row: Row) -> float:
    return float(row["best fixed rule"].split()[0])


def _interval(cell: str) -> tuple[float, float, float]:
    """Low, high and value of a cell such as "+1.3 [+0.4, +2.3]"."""
    value, low, high = cell.replace("[", "").replace("]", "").replace(",", "").split()
    return float(low), float(high), float(value)
