"""One image's way through two models as small SVG pictures: patches, windows, attention by head, energy.

Each is text of its own with an accessible name, drawn for a reader's `Look`; maps that stand for the two models share
one scale. Next door: `answers` draws what comes out of it, `svg` has the
pieces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from ...types import AtBlock, Way, WayStep
from ..look import Look
from .svg import WIDTH, Picture, cells, frame, picture, text, token_color

_MAP, _RIGHT = 108, 128  # side of one map; where the second one begins
_SHOWN = 20  # patches along an edge up to which all are outlined
_UNMIXED = {
    "linear": ("linear attention:", "it has no", "softmax to show"),
    "conv3": ("no attention here:", "a 3×3 convolution", "mixes the tokens"),
    "conv1": ("no attention here:", "a 1×1 convolution,", "tokens do not mix"),
    "skip": ("no attention here:", "nothing mixes", "the tokens"),
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
    return (
        f"{name}: windows of {shown.window[0]} by {shown.window[1]} on a map of {shown.grid[0]} by {shown.grid[1]} "
        f"tokens; attention of the followed token by head and the energy of the feature map, dense above pruned. "
        f"Highest energy {loudest[0]:.3g} dense, {loudest[1]:.3g} pruned."
    )


def _windows(steps: Sequence[WayStep], shown: WayStep, top: float, look: Look) -> str:
    """The stage's ways to cut its map, plain and shifted, with what the followed token may look at."""
    kinds: dict[tuple, WayStep] = {}
    for step in steps:
        kinds.setdefault((step.window, step.shift), step)
    if len(kinds) == 1 and shown.window == shown.grid:
        extra = ("", "+ class token")[prefix] if (prefix := shown.cells.count(-1)) < 2 else f"+ {prefix} more"
        lines = ["one window:", "every token sees", f"all {shown.grid[0] * shown.grid[1]}", extra]
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
    body = f'<rect x="{x}" y="{y}" width="{_MAP}" height="{_MAP}" fill="{look.shade}"/>'
    row, column = divmod(cell, columns) if cell >= 0 else (0, 0)
    down = [k for k in range(rows) if cell < 0 or step.row_bands[k] == step.row_bands[row]]
    across = [k for k in range(columns) if cell < 0 or step.column_bands[k] == step.column_bands[column]]
    soft, line = ("#173247", "#6DBBEA") if look.dark else ("#DCEBF6", "#0067A3")
    box = (x + across[0] * wide, y + down[0] * high, len(across) * wide, len(down) * high)
    body += '<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" '.format(*box) + f'fill="{soft}"/>'
    if max(rows, columns) <= _SHOWN:
        fine = [f"M{x + k * wide:.2f} {y}v{_MAP}" for k in range(1, columns)]
        fine += [f"M{x} {y + k * high:.2f}h{_MAP}" for k in range(1, rows)]
        body += f'<path d="{"".join(fine)}" stroke="{look.grid}" fill="none"/>'
    cuts = [f"M{x + k * wide:.2f} {y}v{_MAP}" for k in _cuts(step.column_bands)]
    cuts += [f"M{x} {y + k * high:.2f}h{_MAP}" for k in _cuts(step.row_bands)]
    body += f'<path d="{"".join(cuts)}" stroke="{look.ink}" stroke-width="1.5" fill="none"/>'
    body += frame(x, y, _MAP, _MAP, look.ink, 1.5) + frame(*box, line, 2.5)
    if cell >= 0:
        body += (
            f'<rect x="{x + column * wide:.2f}" y="{y + row * high:.2f}" width="{wide:.2f}" height="{high:.2f}" '
            f'fill="{token_color(look)}"/>'
        )
    return body


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
    step: WayStep, head: Sequence[float], prefix: int, box: tuple[float, float, float], most: float, look: Look
) -> str:
    """One head's map in a square; tokens before the map stand in a row of their own above it."""
    left, top, side = box
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
