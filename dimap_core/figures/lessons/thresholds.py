"""How large the weights of each stage are, and which of them a cut takes: one row a stage, on one axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...types import WeightRow
from ..look import Look
from ..way import Picture, picture, text

_HIGH, _STEP, _TOP = 72, 96, 36  # of a ridge, from row to row, above the first one
_FEW = 0.02  # of the largest bin: bins with less at both ends are left out
_SMALL = 560  # px: below, what stands beside the ridges gets less room


def thresholds(
    rows: Sequence[WeightRow],
    notes: Sequence[str],
    width: float,
    look: Look,
    line: float | None = None,
    words: tuple[str, str] = ("gone", "threshold"),
) -> Picture:
    """One ridge a row over log10 |w|: what is gone pale and dashed, what is kept filled; `line`: log10 of one threshold
    for all, drawn through them. `notes`: a second line below each row's name. `words`: what
    stands below a row's share, and over the line. `width` in px."""
    left, right = (120, 84) if width > _SMALL else (88, 62)
    low, high = _range(rows)
    edges = rows[0].edges[low : high + 1]
    body, bottom = "", _TOP + _STEP * len(rows) - 16

    def across(value: float) -> float:
        return float(left + (width - left - right) * (value - edges[0]) / (edges[-1] - edges[0]))

    for place, (row, note) in enumerate(zip(rows, notes, strict=True)):
        floor = _TOP + _STEP * place + _HIGH
        body += _ridge(row, slice(low, high), [across(edge) for edge in edges], floor, look, line is not None)
        body += text(0, floor - 26, row.label, look.ink, 15, 600) + text(0, floor - 8, note, look.muted)
        if row.removed.any():
            body += text(width, floor - 26, f"{100 * row.removed_share:.0f} %", look.ink, 18, 700, "end")
            body += text(width, floor - 8, words[0], look.muted, 13, 400, "end")
    for power in range(int(np.ceil(edges[0])), int(np.floor(edges[-1])) + 1):
        body += text(across(power), bottom + 18, f"{10.0**power:g}", look.muted, 13, 400, "middle")
    if line is not None and edges[0] < line < edges[-1]:
        x = across(line)
        body += f'<path d="M{x:.1f} {_TOP - 8}V{bottom}" stroke="{look.cut}" stroke-width="2.5"/>'
        body += text(x, _TOP - 16, f"{words[1]} {10**line:.2g}", look.cut_text, 14, 600, "middle")
    gone = ", ".join(f"{row.label} {100 * row.removed_share:.0f} %" for row in rows)
    return picture(body, width, bottom + 24, f"How large the weights are, by stage; gone: {gone}")


def _range(rows: Sequence[WeightRow]) -> tuple[int, int]:
    """The bins that hold more than next to nothing of any row."""
    full = np.max([row.counts / max(row.counts.max(), 1) for row in rows], axis=0) > _FEW
    places = np.flatnonzero(full)
    return int(places[0]), int(places[-1]) + 1


def _ridge(row: WeightRow, shown: slice, edges: list[float], floor: float, look: Look, sharp: bool) -> str:
    """All weights as a dashed outline, those that stay filled. `sharp`: where a bin is kept in part, a threshold runs
    through it."""
    peak = max(int(row.counts.max()), 1)
    outline = f'fill="{look.shade}" stroke="{look.muted}" stroke-dasharray="3 2.5"'
    filled = f'fill="{look.muted}" fill-opacity="0.75" stroke="{look.ink}"'
    kept, begins = (row.counts - row.removed)[shown] / peak, list(edges)
    places = np.flatnonzero(kept)
    if sharp and len(places):
        first, whole = int(places[0]), row.counts[shown] / peak
        begins[first] = edges[first + 1] - (edges[first + 1] - edges[first]) * float(kept[first] / whole[first])
        kept[first] = whole[first]
    return (
        f'<path d="{_outline(row.counts[shown] / peak, edges, floor)}" {outline}/>'
        f'<path d="{_outline(kept, begins, floor)}" {filled}/>'
    )


def _outline(heights: np.ndarray, edges: Sequence[float], floor: float) -> str:
    """A closed path over the bins' middles, down to the floor where a bin is empty."""
    points = [f"M{edges[0]:.1f} {floor}"]
    for left, right, height, before, after in zip(
        edges[:-1], edges[1:], heights, [0, *heights[:-1]], [*heights[1:], 0], strict=True
    ):
        middle, y = (left + right) / 2, floor - _HIGH * height
        if height and not before:
            points.append(f"L{left:.1f} {floor}L{left:.1f} {y:.1f}")
        points.append(f"L{middle:.1f} {y:.1f}")
        if height and not after:
            points.append(f"L{right:.1f} {y:.1f}L{right:.1f} {floor}")
    return "".join([*points, f"L{edges[-1]:.1f} {floor}Z"])
