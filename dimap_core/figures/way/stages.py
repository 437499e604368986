"""One image's way through two models as small SVG pictures: patches, windows, attention by head, energy.

Each is text of its own with an accessible name, drawn for a reader's `Look`; maps that stand for the two models share
one scale. Next door: `answers` draws what comes out of it, `svg` has the pieces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import groupby

from ...types import AtBlock, Way, WayStep
from ..look import Look
from .svg import WIDTH, Picture, box, cells, frame, picture, text, token_color

_MAP, _RIGHT = 108, 128  # side of one map; where the second one begins
_SHOWN = 20  # patches along an edge up to which all are outlined
_UNMIXED = {
    "linear": ("linear attention:", "it has no", "softmax to show"),
    "conv3": ("no attention here:", "a 3×3 convolution", "mixes the tokens"),
    "conv1": ("no attention here:", "a 1×1 convolution,", "tokens do not mix"),
    "skip": ("no attention here:", "nothing mixes", "the tokens"),
}
_PLACED = {
    "conv3": ("a convolution:", "every token sees", "its neighbours"),
    "conv1": ("a convolution:", "every token sees", "itself alone"),
    "skip": ("nothing here:", "every token sees", "itself alone"),
}


def image_picture(way: Way, look: Look) -> Picture:
    """The image with its patches, the followed one framed."""
    rows, columns = way.patches
    side = 168
    body = f'<image href="{escape(way.picture)}" width="{side}" height="{side}" style="image-rendering:pixelated"/>'
    if max(rows, columns) <= _SHOWN:
        lines = [f"M{side * k / columns:.2f} 0v{side}" for k in range(1, columns)]
        lines += [f"M0 {side * k / rows:.2f}h{side}" for k in range(1, rows)]
        body += f'<path d="{"".join(lines)}" stroke="#000" stroke-opacity="0.3" fill="none"/>'
    row, column = way.token
    if row >= 0:
        wide, high = side / columns, side / rows
        body += frame(column * wide, row * high, wide, high, token_color(look), 2.5)
    what = f"The image in {rows} by {columns} patches" + (
        f", row {row + 1}, column {column + 1} framed" if row >= 0 else ""
    )
    return picture(body, side, side, what)


def stage_picture(steps: Sequence[WayStep], shown: WayStep, name: str, look: Look) -> Picture:
    """One stage: its windows, and below what the dense and the pruned model do in its block `shown`.

    `steps`: the stage's blocks; `name`: what the stage is called.
    """
    heads = len(shown.dense.silent)
    rows, columns = shown.grid
    told = [f"{rows}×{columns} tokens", f"{len(steps)} block{'s' * (len(steps) > 1)}"]
    told += [f"{heads} heads"] if heads else []
    body = text(0, 15, name, look.ink, 15, 700) + text(0, 32, ", ".join(told), look.muted)
    body += _windows(steps, shown, 44, look)
    top = 44 + _MAP + 42
    for who, at in (("dense", shown.dense), ("pruned", shown.pruned)):
        body += text(0, top, who, look.ink, 13, 700)
        body += text(48, top, f"attention, block {shown.block + 1}" if who == "dense" else "", look.muted)
        body += text(_RIGHT + 60, top, "energy" if who == "dense" else "", look.muted)
        body += _heads(shown, at, top + 8, look)
        body += _energy(shown, at, top + 8, look)
        top += _MAP + 30
    return picture(body, WIDTH, top - 18, _stage_told(shown, name))


def _stage_told(shown: WayStep, name: str) -> str:
    loudest = [max(at.energy) for at in (shown.dense, shown.pruned)]
    looks = "no attention" if shown.dense.attention is None else "attention of the followed token by head"
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
    return body + box(x + column * wide, y + row * high, wide, high, token_color(look))


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


def _heads(step: WayStep, at: AtBlock, y: float, look: Look) -> str:
    """What the followed token gives each token that it meets, a small map a head; the same scale in both models."""
    if at.attention is None:
        lines = _UNMIXED.get(step.mixer, ("no map here",))
        return "".join(text(0, y + 40 + 18 * k, line, look.muted) for k, line in enumerate(lines))
    heard = [
        max(head)
        for part in (step.dense, step.pruned)
        for head, silent in zip(part.attention or (), part.silent, strict=True)
        if not silent
    ]
    most = max(heard, default=1.0)
    count = len(at.attention)
    across = math.ceil(math.sqrt(count))
    prefix = len(step.cells) - step.window[0] * step.window[1]
    side = (_MAP - 4 * (across - 1)) / across
    body = ""
    for number, head in enumerate(at.attention):
        left, top = (number % across) * (side + 4), y + (number // across) * (side + 4)
        if not at.silent[number]:
            body += _head(step, head, prefix, (left, top, side), most, look)
        else:
            body += frame(left, top, side, side, look.grid, 1)
            body += f'<path d="M{left:.2f} {top:.2f}l{side:.2f} {side:.2f}m{-side:.2f} 0l{side:.2f} {-side:.2f}" '
            body += f'stroke="{look.muted}" stroke-width="1.5"/>'
    return body


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
    return body + frame(
        left + column * unit, (top if before else below) + row * unit, unit, unit, token_color(look), 1.5
    )


def _energy(step: WayStep, at: AtBlock, y: float, look: Look) -> str:
    most = max(*step.dense.energy, *step.pruned.energy)
    unit = _MAP / max(step.grid)
    found = cells(at.energy, step.grid[1], (_RIGHT, y, unit), most, look)
    return found + frame(_RIGHT, y, step.grid[1] * unit, step.grid[0] * unit, look.grid, 1)
