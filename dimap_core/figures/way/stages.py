"""One image's way through two models as small SVG pictures: windows, attention by head, energy.

Each is text of its own with an accessible name, drawn for a reader's `Look`; maps that stand for the two models share
one scale. Next door: `answers` draws what comes out of it, `svg` has the pieces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from ...types import AtBlock, WayStep
from ..look import Look
from .svg import WIDTH, Picture, box, cells, frame, picture, text

_MAP, _RIGHT = 96, 114  # side of one map; where the second one begins
_SHOWN = 20  # patches along an edge up to which all are outlined
_UNMIXED = {
    "linear": ("linear attention:", "it has no", "softmax to show"),
    "conv3": ("no attention here:", "a 3×3 convolution", "mixes the tokens"),
    "conv1": ("no attention here:", "a 1×1 convolution,", "tokens do not mix"),
    "skip": ("no attention here:", "nothing mixes", "the tokens"),
}
_UNROLLED = ("no rollout here:", "only some tokens", "meet in a block")
_SHOWN_AS = {"heads": "attention,", "mean": "mean of heads,", "rollout": "rollout to"}
_PLACED = {
    "conv3": ("a convolution:", "every token sees", "its neighbours"),
    "conv1": ("a convolution:", "every token sees", "itself alone"),
    "skip": ("nothing here:", "every token sees", "itself alone"),
}


def stage_picture(steps: Sequence[WayStep], shown: WayStep, name: str, look: Look, view: str = "heads") -> Picture:
    """One stage: its windows, and below what the dense and the pruned model do in its block `shown`.

    `steps`: the stage's blocks; `name`: what the stage is called; `view`: attention by "heads", their "mean", or the
    "rollout" through all blocks up to this one.
    """
    heads = len(shown.dense.silent)
    rows, columns = shown.grid
    told = [f"{rows}×{columns} tokens", f"{len(steps)} block{'s' * (len(steps) > 1)}"]
    told += [f"{heads} heads"] if heads else []
    body = text(0, 15, name, look.ink, 15, 700) + text(0, 32, ", ".join(told), look.muted)
    body += _windows(steps, shown, 44, look)
    top = 44 + _MAP + 40.0
    for who, at in (("dense", shown.dense), ("pruned", shown.pruned)):
        body += text(0, top, who, look.ink, 13, 700)
        what = f"{_SHOWN_AS[view]} block {shown.block + 1}"
        body += text(0, top + 17, what, look.muted) + text(_RIGHT, top + 17, "energy", look.muted)
        top += 18
        body += _heads(shown, at, view, top + 8, look)
        body += _energy(shown, at, top + 8, look)
        top += _MAP + 30
    return picture(body, WIDTH, top - 18, _stage_told(shown, name, view))


def _stage_told(shown: WayStep, name: str, view: str) -> str:
    loudest = [max(at.energy) for at in (shown.dense, shown.pruned)]
    told = {"heads": "by head", "mean": "averaged over heads", "rollout": "rolled out over all blocks so far"}[view]
    looks = "no attention" if shown.dense.attention is None else f"attention of the followed token {told}"
    return (
        f"{name}: windows of {shown.window[0]} by {shown.window[1]} on a map of {shown.grid[0]} by {shown.grid[1]} "
        f"tokens; {looks} and the energy of the feature map, dense above pruned. "
        f"Highest energy {loudest[0]:.3g} dense, {loudest[1]:.3g} pruned."
    )


def _windows(steps: Sequence[WayStep], shown: WayStep, top: float, look: Look) -> str:
    """The stage's ways to cut its map, plain and shifted, with what the followed token may look at."""
    kinds: dict[tuple, WayStep] = {}
    for step in steps:
        kinds.setdefault((step.window, step.shift), step)
    if shown.mixer in _PLACED or (len(kinds) == 1 and shown.window == shown.grid):
        prefix = len(shown.cells) - shown.window[0] * shown.window[1]
        extra = ("", "+ class token")[prefix] if prefix < 2 else f"+ {prefix} more"
        whole = ("one window:", "every token sees", f"all {shown.grid[0] * shown.grid[1]}", extra)
        lines = _PLACED.get(shown.mixer, whole)
        return _grid(shown, 0, top, look) + "".join(
            text(_RIGHT, top + 34 + 18 * k, line, look.muted) for k, line in enumerate(lines)
        )
    body = ""
    for x, step in zip((0, _RIGHT), kinds.values(), strict=False):
        down, right = step.shift
        by = f"{down}" if down == right else f"{down}, {right}"
        label = f"shifted by {by}" if any(step.shift) else f"windows {step.window[0]}×{step.window[1]}"
        body += _grid(step, x, top, look) + text(x, top + _MAP + 15, label, look.muted)
    return body


def _grid(step: WayStep, x: float, y: float, look: Look) -> str:
    """A map of tokens, parted where they may not look at each other; what the followed one sees is filled."""
    rows, columns = step.grid
    wide, high = _MAP / columns, _MAP / rows
    cell = step.cells[step.token]
    row, column = divmod(cell, columns) if cell >= 0 else (None, None)
    boxes = [
        (x + right * wide, y + down * high, across * wide, deep * high)
        for down, deep in _runs(step.row_bands, row, step.mixer)
        for right, across in _runs(step.column_bands, column, step.mixer)
    ]
    soft, edge = ("#173247", "#6DBBEA") if look.dark else ("#DCEBF6", "#0067A3")
    body = box(x, y, _MAP, _MAP, look.shade) + "".join(box(*where, soft) for where in boxes)
    if max(rows, columns) <= _SHOWN:
        body += _lines(x, y, range(1, columns), range(1, rows), step.grid, look.grid, 1)
    body += _lines(x, y, _cuts(step.column_bands), _cuts(step.row_bands), step.grid, look.ink, 1.5)
    body += frame(x, y, _MAP, _MAP, look.ink, 1.5) + "".join(frame(*where, edge, 2.5) for where in boxes)
    if row is None or column is None:
        return body
    return body + box(x + column * wide, y + row * high, wide, high, look.cut)


def _runs(bands: Sequence[int], at: int | None, mixer: str) -> list[tuple[int, int]]:
    """(first, how many) of the rows or columns that the token in the one `at` sees, neighbours together; of one that
    is in none (None) all."""
    near = {"conv3": 1, "conv1": 0, "skip": 0}.get(mixer)
    if at is None:
        seen = [near is None] * len(bands)  # convolutions pass by what has no place
    elif near is None:
        seen = [band == bands[at] for band in bands]
    else:
        seen = [abs(place - at) <= near for place in range(len(bands))]
    found, first = [], 0
    for inside, alike in groupby(seen):
        count = len(list(alike))
        found += [(first, count)] if inside else []
        first += count
    return found


def _lines(
    x: float, y: float, across: Sequence[int], down: Sequence[int], grid: tuple[int, int], color: str, line: float
) -> str:
    """Lines through a map before the columns `across` and the rows `down`."""
    drawn = [f"M{x + _MAP * k / grid[1]:.2f} {y}v{_MAP}" for k in across]
    drawn += [f"M{x} {y + _MAP * k / grid[0]:.2f}h{_MAP}" for k in down]
    return f'<path d="{"".join(drawn)}" stroke="{color}" stroke-width="{line}" fill="none"/>'


def _cuts(bands: Sequence[int]) -> list[int]:
    return [place for place in range(1, len(bands)) if bands[place] != bands[place - 1]]


def _heads(step: WayStep, at: AtBlock, view: str, y: float, look: Look) -> str:
    """What the followed token gives each token that it meets, a small map a head, or one map for all; the same scale in
    both models."""
    maps, other = (_maps(model, view) for model in (at, step.pruned if at is step.dense else step.dense))
    if maps is None:
        lines = _UNMIXED.get(step.mixer, ("no map here",)) if at.attention is None else _UNROLLED
        return "".join(text(0, y + 40 + 18 * k, line, look.muted) for k, line in enumerate(lines))
    most = max((max(shares) for shares in (*maps, *(other or ())) if shares is not None), default=1.0)
    across = math.ceil(math.sqrt(len(maps)))
    prefix = len(step.cells) - step.window[0] * step.window[1]
    side = (_MAP - 4 * (across - 1)) / across
    body = ""
    for number, shares in enumerate(maps):
        left, top = (number % across) * (side + 4), y + (number // across) * (side + 4)
        if shares is not None:
            body += _head(step, shares, prefix, (left, top, side), most, look)
        else:
            body += frame(left, top, side, side, look.grid, 1)
            body += f'<path d="M{left:.2f} {top:.2f}l{side:.2f} {side:.2f}m{-side:.2f} 0l{side:.2f} {-side:.2f}" '
            body += f'stroke="{look.muted}" stroke-width="1.5"/>'
    return body


def _maps(at: AtBlock, view: str) -> list[Sequence[float] | None] | None:
    """The maps that a view shows, in it None for those of heads that say nothing; None where there are none."""
    if at.attention is None:
        return None
    if view == "mean":
        return [at.mean()]
    if view == "rollout":
        return None if at.rollout is None else [at.rollout]
    return [None if silent else head for head, silent in zip(at.attention, at.silent, strict=True)]


def _head(
    step: WayStep, head: Sequence[float], prefix: int, place: tuple[float, float, float], most: float, look: Look
) -> str:
    """One head's map in a square; tokens before the map stand in a row of their own above it."""
    left, top, side = place
    rows, columns = step.window
    lines = rows + (1.5 if prefix else 0)
    unit = side / max(lines, columns)
    below = top + (1.5 * unit if prefix else 0)
    roots = [share**0.5 for share in head]  # so that weak looks show too
    body = cells(roots[prefix:], columns, (left, below, unit), most**0.5, look)
    body += cells(roots[:prefix], prefix, (left, top, unit), most**0.5, look) if prefix else ""
    body += frame(left, below, columns * unit, rows * unit, look.grid, 1)
    before = step.token < prefix
    row, column = divmod(step.token - (0 if before else prefix), prefix if before else columns)
    return body + frame(left + column * unit, (top if before else below) + row * unit, unit, unit, look.cut, 1.5)


def _energy(step: WayStep, at: AtBlock, y: float, look: Look) -> str:
    most = max(*step.dense.energy, *step.pruned.energy)
    unit = _MAP / max(step.grid)
    found = cells(at.energy, step.grid[1], (_RIGHT, y, unit), most, look)
    return found + frame(_RIGHT, y, step.grid[1] * unit, step.grid[0] * unit, look.grid, 1)
