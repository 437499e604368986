"""Two cuts mirrored: what each stage and module keeps, from the middle outwards; dashed what is gone.

Next door: `differences` draws what that does to accuracy; `kept` draws one cut with plotly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ...types import PRUNABLE_MODULES, Part
from ..look import MODULE_LABELS, Look
from ..way.svg import Picture, picture, text

_MIDDLE, _SHARE = 74.0, 50.0  # px between both halves, and beside each for its share
_HEAD, _ROW, _GAP, _FOOT = 26.0, 52.0, 17.0, 24.0  # px: names, a stage, between two, the legend
_LEAST, _BETWEEN = 7.0, 1.5  # px: a band at least, and between two
_LETTER = 7.2  # px of one, of a name
_LEGEND = {module: 22 + 7.0 * len(MODULE_LABELS[module]) for module in PRUNABLE_MODULES}  # px, square and name


class Half(NamedTuple):
    """A cut: what it is called, and its cells as in CostReport."""

    called: str
    cells: Mapping[tuple[int | None, str], Part]


def kept_by_stage(cells: Mapping[tuple[int | None, str], Part]) -> dict[int, float]:
    """Kept share 0..1 of the weights that can go, by stage."""
    sums: dict[int, tuple[int, int]] = {}
    for (stage, _), part in cells.items():
        if stage is not None and part.prunable:
            removed, prunable = sums.get(stage, (0, 0))
            sums[stage] = removed + part.removed, prunable + part.prunable
    return {stage: 1 - removed / prunable for stage, (removed, prunable) in sorted(sums.items())}


def mirrored_picture(left: Half, right: Half, stage_word: str, look: Look, width: float = 600) -> Picture:
    """Both cuts, stage below stage; bands are high by their weights in that half's model. `width`: px."""
    stages = sorted({*kept_by_stage(left.cells), *kept_by_stage(right.cells)})
    long = (width - _MIDDLE) / 2 - _SHARE  # of a whole bar
    edges = {-1: _SHARE + long, 1: _SHARE + long + _MIDDLE}  # where a half begins, by its direction
    body = ""
    for direction, half in ((-1, left), (1, right)):
        name, room = half.called, int(long / _LETTER)
        shown = name if len(name) <= room else f"{name[: room - 1]}…"
        at = edges[direction] + direction * long
        body += text(at, 13, shown, look.ink, 13, 700, "start" if direction < 0 else "end")
        for row, stage in enumerate(stages):
            body += _stage(half.cells, stage, edges[direction], direction * long, _HEAD + row * (_ROW + _GAP), look)
    word, middle = stage_word.split()[-1].capitalize(), width / 2
    for row, stage in enumerate(stages):
        top = _HEAD + row * (_ROW + _GAP)
        body += text(middle, top + 22, word, look.muted, 13, 400, "middle")
        body += text(middle, top + 40, f"{stage + 1}", look.ink, 15, 700, "middle")
    bottom = _HEAD + len(stages) * (_ROW + _GAP)
    return picture(body + _legend(middle, bottom, look), width, bottom + _FOOT, _told(left, right, stages, stage_word))


def _stage(
    cells: Mapping[tuple[int | None, str], Part], stage: int, edge: float, long: float, top: float, look: Look
) -> str:
    """A stage's bands from the middle's `edge` on, `long` px to the left where negative, and its share outside."""
    parts = {module: cells[stage, module] for module in PRUNABLE_MODULES if (stage, module) in cells}
    parts = {module: part for module, part in parts.items() if part.prunable}
    if not parts:
        return ""
    body, down = "", top
    for module, high in _heights({module: part.prunable for module, part in parts.items()}).items():
        kept = long * (1 - parts[module].ratio)
        body += _band(edge + kept, edge + long, down, high, "gone", module, look)
        body += _band(edge, edge + kept, down, high, "kept", module, look)
        down += high + _BETWEEN
    share, outward = kept_by_stage(cells)[stage], "end" if long < 0 else "start"
    at = edge + long + (-8 if long < 0 else 8)
    return body + text(at, top + _ROW / 2 + 5, f"{100 * share:.0f} %", look.ink, 15, 700, outward)


def _heights(weights: Mapping[str, int]) -> dict[str, float]:
    """Px of each band, by its weights; the highest makes room for thin ones."""
    free = _ROW - _BETWEEN * (len(weights) - 1)
    high = {module: max(_LEAST, free * count / sum(weights.values())) for module, count in weights.items()}
    most = max(high, key=lambda module: high[module])
    high[most] += free - sum(high.values())
    return high


def _band(start: float, end: float, top: float, high: float, state: str, module: str, look: Look) -> str:
    """A rectangle between two ends, in whatever order; none where they are one."""
    x, wide = min(start, end), abs(end - start)
    if wide < 0.01:
        return ""
    dashes = ' stroke-dasharray="3 2.5" fill-opacity="0.08"' if state == "gone" else ""
    return (
        f'<rect class="{state} {module}" x="{x:.2f}" y="{top:.2f}" width="{wide:.2f}" height="{high:.2f}" '
        f'fill="{look.fill(module)}" stroke="{look.edge(module)}"{dashes}/>'
    )


def _legend(middle: float, top: float, look: Look) -> str:
    body, x = "", middle - (sum(_LEGEND.values()) + 18 * (len(_LEGEND) - 1)) / 2
    for module, wide in _LEGEND.items():
        body += f'<rect x="{x:.1f}" y="{top + 1:.1f}" width="14" height="12" fill="{look.fill(module)}" '
        body += f'stroke="{look.edge(module)}"/>' + text(x + 20, top + 12, MODULE_LABELS[module], look.muted)
        x += wide + 18
    return body


def _told(left: Half, right: Half, stages: list[int], stage_word: str) -> str:
    one, other = kept_by_stage(left.cells), kept_by_stage(right.cells)
    said = [
        f"{stage_word} {stage + 1}: "
        + " and ".join(f"{100 * found[stage]:.0f} %" if stage in found else "none" for found in (one, other))
        for stage in stages
    ]
    return f"Weights kept of those that can go, {left.called} and {right.called}: {'; '.join(said)}"
