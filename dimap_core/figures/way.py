"""One image's way through two models as small SVG pictures: patches, windows, attention by head, energy, answers.

Each is text of its own with an accessible name, drawn for a reader's `Look`; maps that stand for the two models share
one scale. Next door: `parting` draws what happens from block to block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from ..types import AtBlock, Way, WayStep, answer
from .look import FONT, Look

WIDTH = 236  # of a stage's picture; pages let it grow with their columns
_MAP, _RIGHT = 108, 128  # side of one map; where the second one begins
_LEVELS = 16  # steps of a ramp
_BARS = 4  # answers that are listed where classes have no cues
_SHOWN = 20  # patches along an edge up to which all are outlined
_UNMIXED = {
    "linear": ("linear attention:", "it has no", "softmax to show"),
    "conv3": ("no attention here:", "a 3×3 convolution", "mixes the tokens"),
    "conv1": ("no attention here:", "a 1×1 convolution,", "tokens do not mix"),
    "skip": ("no attention here:", "nothing mixes", "the tokens"),
}


def image_picture(way: Way, look: Look) -> str:
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
        body += _frame(column * wide, row * high, wide, high, token_color(look), 2.5)
    what = f"The image in {rows} by {columns} patches" + (
        f", row {row + 1}, column {column + 1} framed" if row >= 0 else ""
    )
    return _svg(body, side, side, what, side)


def stage_picture(way: Way, steps: Sequence[WayStep], shown: WayStep, name: str, look: Look) -> str:
    """One stage: its windows, and below what the dense and the pruned model do in its block `shown`.

    `steps`: the stage's blocks; `name`: what the stage is called.
    """
    heads = len(shown.dense.silent)
    rows, columns = shown.grid
    told = [f"{rows}×{columns} tokens", f"{len(steps)} block{'s' * (len(steps) > 1)}"]
    told += [f"{heads} heads"] if heads else []
    body = _text(0, 15, name, look.ink, 15, 700) + _text(0, 32, ", ".join(told), look.muted)
    body += _windows(steps, shown, 44, look)
    top = 44 + _MAP + 32
    for who, at in (("dense", shown.dense), ("pruned", shown.pruned)):
        body += _text(0, top, who, look.ink, 13, 700)
        body += _text(48, top, f"attention, block {shown.block + 1}" if who == "dense" else "", look.muted)
        body += _text(_RIGHT + 60, top, "energy" if who == "dense" else "", look.muted)
        body += _heads(way, shown, at, top + 8, look)
        body += _energy(shown, at, top + 8, look)
        top += _MAP + 30
    return _svg(body, WIDTH, top - 18, _stage_told(shown, name))


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
        extra = f"and {shown.cells.count(-1)} more" if -1 in shown.cells else ""
        lines = ["one window:", "every token sees", f"all {shown.grid[0] * shown.grid[1]}", extra]
        return _grid(shown, 0, top, look) + "".join(
            _text(_RIGHT, top + 34 + 18 * k, line, look.muted) for k, line in enumerate(lines)
        )
    body = ""
    for x, step in zip((0, _RIGHT), kinds.values(), strict=False):
        down, right = step.shift
        by = f"{down}" if down == right else f"{down}, {right}"
        label = f"shifted by {by}" if any(step.shift) else f"windows {step.window[0]}×{step.window[1]}"
        body += _grid(step, x, top, look) + _text(x, top + _MAP + 15, label, look.muted)
    return body


def _grid(step: WayStep, x: float, y: float, look: Look) -> str:
    """A map of tokens, parted where they may not look at each other; what the followed one sees is filled."""
    rows, columns = step.grid
    wide, high = _MAP / columns, _MAP / rows
    cell = step.cells[step.token]
    body = f'<rect x="{x}" y="{y}" width="{_MAP}" height="{_MAP}" fill="{look.shade}"/>'
    if max(rows, columns) <= _SHOWN:
        fine = [f"M{x + k * wide:.2f} {y}v{_MAP}" for k in range(1, columns)]
        fine += [f"M{x} {y + k * high:.2f}h{_MAP}" for k in range(1, rows)]
        body += f'<path d="{"".join(fine)}" stroke="{look.grid}" fill="none"/>'
    row, column = divmod(cell, columns) if cell >= 0 else (0, 0)
    down = [k for k in range(rows) if cell < 0 or step.row_bands[k] == step.row_bands[row]]
    across = [k for k in range(columns) if cell < 0 or step.column_bands[k] == step.column_bands[column]]
    soft, line = ("#173247", "#6DBBEA") if look.dark else ("#DCEBF6", "#0067A3")
    box = (x + across[0] * wide, y + down[0] * high, len(across) * wide, len(down) * high)
    body += '<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" '.format(*box) + f'fill="{soft}"/>'
    cuts = [f"M{x + k * wide:.2f} {y}v{_MAP}" for k in _cuts(step.column_bands)]
    cuts += [f"M{x} {y + k * high:.2f}h{_MAP}" for k in _cuts(step.row_bands)]
    body += f'<path d="{"".join(cuts)}" stroke="{look.ink}" stroke-width="1.5" fill="none"/>'
    body += _frame(x, y, _MAP, _MAP, look.ink, 1.5) + _frame(*box, line, 2.5)
    if cell >= 0:
        body += (
            f'<rect x="{x + column * wide:.2f}" y="{y + row * high:.2f}" width="{wide:.2f}" height="{high:.2f}" '
            f'fill="{token_color(look)}"/>'
        )
    return body


def _cuts(bands: Sequence[int]) -> list[int]:
    return [place for place in range(1, len(bands)) if bands[place] != bands[place - 1]]


def _heads(way: Way, step: WayStep, at: AtBlock, y: float, look: Look) -> str:
    """What the followed token gives each token that it meets, a small map a head; the same scale in both models."""
    if at.attention is None:
        lines = _UNMIXED.get(step.mixer, ("no map here",))
        return "".join(_text(0, y + 40 + 18 * k, line, look.muted) for k, line in enumerate(lines))
    both = [head for part in (step.dense, step.pruned) for head in part.attention or ()]
    most = max(max(head) for head in both)
    count = len(at.attention)
    across = math.ceil(math.sqrt(count))
    prefix = len(step.cells) - step.window[0] * step.window[1]
    side = (_MAP - 4 * (across - 1)) / across
    body = ""
    for number, head in enumerate(at.attention):
        left, top = (number % across) * (side + 4), y + (number // across) * (side + 4)
        body += _head(step, head, prefix, (left, top, side), most, look)
        if at.silent[number]:
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
    body = cells([head[prefix:]], columns, (left, below, unit), most, look)
    body += cells([head[:prefix]], prefix, (left, top, unit), most, look) if prefix else ""
    body += _frame(left, below, columns * unit, rows * unit, look.grid, 1)
    before = step.token < prefix
    row, column = divmod(step.token - (0 if before else prefix), prefix if before else columns)
    return body + _frame(
        left + column * unit, (top if before else below) + row * unit, unit, unit, token_color(look), 1.5
    )


def _energy(step: WayStep, at: AtBlock, y: float, look: Look) -> str:
    most = max(*step.dense.energy, *step.pruned.energy)
    unit = _MAP / max(step.grid)
    found = cells([at.energy], step.grid[1], (_RIGHT, y, unit), most, look)
    return found + _frame(_RIGHT, y, step.grid[1] * unit, step.grid[0] * unit, look.grid, 1)


def cells(
    values: Sequence[Sequence[float]], columns: int, box: tuple[float, float, float], most: float, look: Look
) -> str:
    """Squares filled by value, `columns` in a row: one path a level of the ramp, neighbours in one stroke.

    `box`: x, y and the side of one square. Zero has the ground's colour, `most` the ramp's end.
    """
    x, y, unit = box
    flat = [value for part in values for value in part]
    paths: dict[int, list[str]] = {}
    for start in range(0, len(flat), columns):
        levels = [round(_LEVELS * value / most) if most else 0 for value in flat[start : start + columns]]
        first = 0
        for place in range(1, len(levels) + 1):
            if place == len(levels) or levels[place] != levels[first]:
                if levels[first]:
                    long, down = (place - first) * unit, y + start // columns * unit
                    path = f"M{x + first * unit:.2f} {down:.2f}h{long:.2f}v{unit:.2f}h{-long:.2f}z"
                    paths.setdefault(levels[first], []).append(path)
                first = place
    return "".join(
        f'<path d="{"".join(lines)}" fill="{_ramp(level, look)}"/>' for level, lines in sorted(paths.items())
    )


def _ramp(level: int, look: Look) -> str:
    ends = ((15, 20, 25), (86, 180, 233)) if look.dark else ((255, 255, 255), (0, 52, 92))
    return "#" + "".join(f"{round(a + (b - a) * level / _LEVELS):02X}" for a, b in zip(*ends, strict=True))


def answer_picture(way: Way, who: str, look: Look) -> str:
    """What one model ("dense" or "pruned") says: the shares of all classes by their two cues, or the largest ones."""
    shares = way.dense if who == "dense" else way.pruned
    said = answer(shares)
    color = look.ink if said == way.wanted else loss_color(look)
    names = [*way.cues]
    square = len(names) == 2 and math.prod(len(way.cue_names[cue]) for cue in names) == len(way.classes)
    body, height = _by_cues(way, shares, look) if square else _by_class(way, shares, look)
    body = _text(0, 15, who.capitalize(), look.ink, 15, 700) + body
    told = f"says {way.classes[said]}, {100 * shares[said]:.0f} %"
    body += _text(0, height + 18, told, color, 14, 700)
    right = "" if way.label is None else ", right" if said == way.label else ", wrong"
    return _svg(body, WIDTH, height + 26, f"The {who} model {told}{right}")


def _by_cues(way: Way, shares: Sequence[float], look: Look) -> tuple[str, float]:
    """A square for each class: values of the first cue across, of the second one down."""
    across, down = way.cues
    left, top, unit = 62, 40, 16.8
    body = "".join(_text(left + unit * (k + 0.5), 34, name[:2], look.muted, 12, 400, "middle")
                   for k, name in enumerate(way.cue_names[across]))  # fmt: skip
    for row, name in enumerate(way.cue_names[down]):
        body += _text(left - 6, top + unit * (row + 0.72), name[:9], look.muted, 12, 400, "end")
    table = [[0.0] * len(way.cue_names[across]) for _ in way.cue_names[down]]
    for share, column, row in zip(shares, way.cues[across], way.cues[down], strict=True):
        table[row][column] = share
    wide, high = unit * len(table[0]), unit * len(table)
    body += f'<rect x="{left}" y="{top}" width="{wide:.2f}" height="{high:.2f}" fill="{look.shade}"/>'
    body += cells(table, len(table[0]), (left, top, unit), 1.0, look)
    lines = [f"M{left + unit * k:.2f} {top}v{high:.2f}" for k in range(1, len(table[0]))]
    lines += [f"M{left} {top + unit * k:.2f}h{wide:.2f}" for k in range(1, len(table))]
    body += f'<path d="{"".join(lines)}" stroke="{look.surface}" fill="none"/>'
    column, row = way.cues[across][way.wanted], way.cues[down][way.wanted]
    return body + _frame(left + column * unit, top + row * unit, unit, unit, token_color(look), 2), top + high


def _by_class(way: Way, shares: Sequence[float], look: Look) -> tuple[str, float]:
    """A bar for each of the largest shares, the wanted class always among them."""
    best = sorted(range(len(shares)), key=lambda place: -shares[place])[:_BARS]
    best = best if way.wanted in best else [*best[:-1], way.wanted]
    body = ""
    for row, place in enumerate(best):
        color = token_color(look) if place == way.wanted else look.muted
        body += _bar(30 + 22 * row, way.classes[place], shares[place], color, look)
    return body, 30 + 22 * len(best)


def survival_picture(way: Way, look: Look) -> str:
    """What each model gives the wanted class, or its value of each cue."""
    body, top = _text(0, 15, "What survives", look.ink, 15, 700), 38.0
    told = []
    for by in way.by:
        body += _text(0, top, f"{by}: {way.name(by)}"[:32], look.ink, 13, 700)
        for who, color in (("dense", look.ink), ("pruned", token_color(look))):
            share = way.share(way.dense if who == "dense" else way.pruned, by)
            body += _bar(top + 8, who, share, color, look)
            told.append(f"{by} {way.name(by)}, {who}: {100 * share:.0f} %")
            top += 22
        top += 28
    return _svg(body, WIDTH, top - 18, "What survives: " + "; ".join(told))


def _bar(top: float, name: str, share: float, color: str, look: Look) -> str:
    """A name, a bar of a share on its track, and the share."""
    body = _text(0, top + 11, name if len(name) < 11 else f"{name[:9]}…", look.muted)
    body += f'<rect x="70" y="{top}" width="110" height="13" rx="2" fill="{look.shade}"/>'
    body += f'<rect x="70" y="{top}" width="{110 * share:.1f}" height="13" rx="2" fill="{color}"/>'
    return body + _text(WIDTH - 4, top + 11, f"{100 * share:.0f} %", look.ink, 13, 700, "end")


def token_color(look: Look) -> str:
    """Of what is followed, and of the cut."""
    return "#FF8A3D" if look.dark else "#D55E00"


def loss_color(look: Look) -> str:
    """Of words on what went wrong."""
    return "#FF9E66" if look.dark else "#A33F00"


def _text(x: float, y: float, text: str, color: str, size: int = 13, weight: int = 400, anchor: str = "start") -> str:
    if not text:
        return ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _frame(x: float, y: float, wide: float, high: float, color: str, line: float) -> str:
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{wide:.2f}" height="{high:.2f}" fill="none" stroke="{color}" '
        f'stroke-width="{line}"/>'
    )


def _svg(body: str, width: float, height: float, told: str, most: int = 300) -> str:
    """A picture that is as wide as its place, up to `most` px, with a name for those who do not see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {width + 4:.0f} {height + 4:.0f}" role="img" '
        f'aria-label="{escape(told)}" font-family="{escape(FONT)}" '
        f'style="width:100%;max-width:{most}px;height:auto;display:block">{body}</svg>'
    )
