"""The map as SVG: in each band what a cut takes away stands left with a dashed edge, what it keeps right and filled.

One direction everywhere, as on the sliders: pushing right eats blocks from the left. Next door: `layout` has the
places, `blocks` the numbers in words.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...types import AUX, MLP, PRUNABLE_MODULES, QKV, Anatomy
from ..look import FILLS, MODULE_LABELS, Look
from ..way.svg import LEVELS, Picture, picture, ramp, text
from .blocks import BandKey, Fill, Place, finding, kept_of, place_name, places, share
from .layout import NARROW, WIDE, Band, Column, Drawn, Layout, narrow, wide

BAND_NAMES = {**MODULE_LABELS, "conv3": "3×3 conv", "conv1": "1×1 conv", "skip": "nothing"}
_MANY = 10  # blocks of a stage from which only every third has its number
_LINE, _APART = 16, 14  # px from one line of words to the next, and at least between two names of modules
_SLIT = 2.5  # between what is gone and what is kept where both have one colour
_OUTSIDE = 4  # px from a block to its frame
_CELLS = 14  # lines at most across the image's grid


def model_picture(
    anatomy: Anatomy, kept: Mapping[BandKey, float], look: Look, fill: Fill | None = None, width: int = WIDE,
    selected: Place | None = None, smaller: bool = False,
) -> Picture:  # fmt: skip
    """The model with `kept`, the share 0..1 of its weights that each band keeps; bands are filled by module, or whole
    by the numbers of `fill`. `width`: px that words are made for; `NARROW` has a row for each stage. `selected` is
    framed. `smaller`: structures are taken out, so that blocks are narrower than they were, which is dashed."""
    small = width == NARROW
    layout = narrow(anatomy) if small else wide(anatomy, width)
    other = any(block.mixer != "softmax" for block in anatomy.blocks)
    body = hatches(look) + _legend(layout, look, fill, other) + _order(look, small)
    body += _image(anatomy, layout, look) + ("" if small else mergings(layout, look))
    groups: dict[str, list[str]] = {}
    for column in layout.columns:
        members = places(anatomy, column.stage)
        for drawn in column.drawn:
            draw_block(anatomy, kept, drawn, members, look, fill, groups, smaller)
    body += "".join(f"<g {style}>{''.join(rects)}</g>" for style, rects in groups.items())
    for column in layout.columns:
        number = selected[1] if selected and selected[0] == column.stage.index else None
        body += _words(anatomy, kept, column, look, small) + _numbers(column, look, number)
    body += "" if small else _names(layout, look)
    body += "" if selected is None else _framed(layout.columns[selected[0]], selected[1], look)
    return picture(body, layout.width, layout.height, _told(anatomy, kept, fill, selected))


def band_colors(module: str, look: Look) -> tuple[str, str]:
    """Fill and edge of a module class, or of a mixer in the attention's place."""
    name = module if module in FILLS else AUX
    return look.fill(name), look.edge(name)


def _rect(x: float, y: float, across: float, down: float) -> str:
    return f'<rect x="{x:.2f}" y="{y:.2f}" width="{across:.2f}" height="{down:.2f}"/>'


def draw_block(
    anatomy: Anatomy, kept: Mapping[BandKey, float], drawn: Drawn, members: range, look: Look, fill: Fill | None,
    groups: dict[str, list[str]], smaller: bool,
) -> None:  # fmt: skip
    """Add the rectangles of a block's bands to those of their style."""
    among = [members[place] for place in drawn.blocks]
    if smaller and kept_of(anatomy, kept, among) < 1:
        was = f'class="was" fill="none" stroke="{band_colors(AUX, look)[1]}" stroke-dasharray="3 2.5"'
        groups.setdefault(was, []).append(_rect(drawn.x, drawn.y, drawn.wide, drawn.high))
    linear = any(anatomy.blocks[place].mixer == "linear" for place in among)
    for band in drawn.bands:
        left = kept_of(anatomy, kept, among, band.module) if band.module in PRUNABLE_MODULES else 1.0
        gone = band.wide * (1 - left)
        dashed, solid = _styles(band, linear, look, _level(among, band, fill), fill is not None)
        if gone > 0 and not smaller:
            slit = min(_SLIT, gone / 2) if fill and left > 0 else 0.0
            groups.setdefault(dashed, []).append(_rect(band.x, band.y, gone - slit, band.high))
        if left > 0:
            groups.setdefault(solid, []).append(_rect(band.x + gone, band.y, band.wide - gone, band.high))


def _level(among: list[int], band: Band, fill: Fill | None) -> int | None:
    """Step of the ramp of a band's mean number; None where it was not measured."""
    known = [fill.values[place, band.module] for place in among if (place, band.module) in fill.values] if fill else []
    most = max(fill.values.values(), default=0.0) if fill else 0.0
    return round(LEVELS * sum(known) / len(known) / most) if known and most else None


def _styles(band: Band, linear: bool, look: Look, level: int | None, by_number: bool) -> tuple[str, str]:
    """Attributes of what is gone and of what is kept in a band."""
    color, edge = band_colors(band.module, look)
    dashes = 'stroke-dasharray="3 2.5"' if band.high >= 9 else 'stroke-dasharray="2 2"'
    inside = f'fill="{color}"'
    if by_number:
        inside = 'fill="none"' if level is None else f'fill="{ramp(level, look)}"'
    elif band.module not in PRUNABLE_MODULES:
        inside = 'fill="none"' if band.module == "skip" else f'fill="url(#{AUX})"'
    elif linear and band.module == QKV:
        inside = f'fill="url(#{QKV})"'
    tint = inside if by_number else f'fill="{color}" fill-opacity="0.08"'
    solid = f'class="kept {band.module}" stroke="{edge}" {inside}'
    return f'class="gone {band.module}" stroke="{edge}" {dashes} {tint}', (
        f"{solid} {dashes}" if band.module == "skip" else solid
    )


def hatches(look: Look) -> str:
    """Patterns of what is no softmax attention: grey for convolutions, QKV's colour for linear attention."""
    return "<defs>" + "".join(
        f'<pattern id="{module}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<path d="M1.5 0v6" stroke="{band_colors(module, look)[0]}" stroke-width="3"/></pattern>'
        for module in (AUX, QKV)
    ) + "</defs>"  # fmt: skip


def _legend(layout: Layout, look: Look, fill: Fill | None, other: bool) -> str:
    """What fills and edges say, hatches too where there is an `other` mixer than softmax attention."""
    color, edge = band_colors(MLP, look)
    body, x = "", 0.0
    if fill is None:
        body += f'<rect x="0.5" y="3.5" width="20" height="11" fill="{color}" stroke="{edge}"/>'
        body += text(28, 14, "kept", look.muted)
        x = 72.5
    elif not fill.values:
        words = f"{fill.name}: not measured"
        body, x = body + text(0, 14, words, look.muted), 7.0 * len(words) + 16
    else:
        most = max(fill.values.values())
        body += text(0, 14, f"{fill.name}: 0", look.muted)
        x = 6.6 * len(f"{fill.name}: 0") + 10
        for step in range(0, LEVELS + 1, 4):
            body += (
                f'<rect x="{x:.1f}" y="3.5" width="16" height="11" fill="{ramp(step, look)}" stroke="{look.muted}"/>'
            )
            x += 16
        end = f"{most:.3g}{fill.unit}"
        body += text(x + 6, 14, end, look.muted)
        x += max(66, 7 * len(end) + 14)
    body += (
        f'<rect x="{x}" y="3.5" width="20" height="11" fill="{color if fill is None else "none"}" fill-opacity="0.08" '
        f'stroke="{edge}" stroke-dasharray="3 2.5"/>'
    )
    body += text(x + 28, 14, "gone", look.muted)
    return body + (text(x + 74, 14, "hatched: no softmax attention", look.muted) if other and fill is None else "")


def _order(look: Look, told: bool) -> str:
    """The bands' order, where no names stand beside them."""
    order = ", ".join(MODULE_LABELS[module] for module in PRUNABLE_MODULES)
    return text(0, 34, f"Each block from the top: {order}", look.muted) if told else ""


def _image(anatomy: Anatomy, layout: Layout, look: Look) -> str:
    """An empty grid of patches; of very many only some lines are drawn."""
    if layout.image is None:
        return ""
    left, top, side = layout.image
    patches = layout.columns[0].form.side
    body = f'<path d="{patch_grid(layout)}" stroke="{band_colors(AUX, look)[1]}" stroke-opacity="0.5" fill="none"/>'
    words = (f"{anatomy.input_size} px image", f"{patches}×{patches} patches")
    x, y = (left + side + 12, top + 22) if layout.width == NARROW else (left, top - 24)
    return body + text(x, y, words[0], look.ink, 13, 700) + text(x, y + _LINE, words[1], look.muted)


def patch_grid(layout: Layout) -> str:
    """The grid's path; of very many patches only some lines, "" where there is no image."""
    if layout.image is None:
        return ""
    left, top, side = layout.image
    patches = layout.columns[0].form.side
    every = -(-patches // _CELLS)
    lines = [f"M{left + side * k / patches:.2f} {top}v{side}" for k in range(0, patches + 1, every)]
    lines += [f"M{left} {top + side * k / patches:.2f}h{side}" for k in range(0, patches + 1, every)]
    return f"{''.join(lines)}M{left} {top}h{side}v{side}h{-side}z"


def mergings(layout: Layout, look: Look) -> str:
    """Grey trapezoids from top to top where tokens are merged between two stages."""
    lines = merging_lines(layout)
    return f'<path d="{lines}" fill="{band_colors(AUX, look)[0]}" fill-opacity="0.28"/>' if lines else ""


def merging_lines(layout: Layout) -> str:
    """The trapezoids' path; "" where nothing is merged."""
    lines = []
    for one, other in zip(layout.columns, layout.columns[1:], strict=False):
        if other.stage.merging:
            last, first = one.drawn[-1], other.drawn[0]
            base, x = last.y + last.high, last.x + last.wide
            lines.append(f"M{x + 3:.2f} {last.y:.2f}L{first.x - 3:.2f} {first.y:.2f}V{base:.2f}H{x + 3:.2f}z")
    return "".join(lines)


def _words(anatomy: Anatomy, kept: Mapping[BandKey, float], column: Column, look: Look, small: bool) -> str:
    """A stage's name, tokens, width, shares, and what is kept of it."""
    stage, own = column.stage, column.form
    shares = [f"{percent(share(anatomy, stage.layers, unit))} of {unit}" for unit in ("params", "MACs")]
    tokens, across = f"{own.side}×{own.side}{f'+{own.extra}' if own.extra else ''} tokens", f"width {own.width}"
    lines = [f"{tokens}, {across}", *shares] if small else [tokens, across, *shares]
    left = f"{percent(kept_of(anatomy, kept, places(anatomy, stage)))} kept"
    top = column.y + 16 if small else column.y - 10 - _LINE * (len(lines) + 1)
    body = text(column.x, top, f"{anatomy.stage_word} {stage.index + 1}".capitalize(), look.ink, 15, 700)
    body += "".join(text(column.x, top + _LINE * n, line, look.muted) for n, line in enumerate(lines, 1))
    return body + text(column.x, top + _LINE * (len(lines) + 1), left, look.ink, 13, 700)


def percent(value: float) -> str:
    """A share 0..1 in whole percent."""
    return "<1 %" if 0 < value < 0.005 else f"{100 * value:.0f} %"


def block_label(column: Column, drawn: Drawn) -> str:
    """A block's number, or how many it stands for; "" where numbers would touch."""
    first, count, many = drawn.blocks[0] + 1, len(drawn.blocks), len(column.drawn) >= _MANY
    return f"×{count}" if count > 1 else f"{first}" if not many or first == 1 or first % 3 == 0 else ""


def _numbers(column: Column, look: Look, selected: int | None) -> str:
    """Numbers below blocks; the selected block's own in any case, which those right beside it make room for where there
    are many."""
    body, many = "", len(column.drawn) >= _MANY
    for drawn in column.drawn:
        label, color, weight = block_label(column, drawn), look.muted, 400
        if selected in drawn.blocks:
            label, color, weight = f"{(selected or 0) + 1}", look.action, 700
        elif many and selected is not None and abs(drawn.blocks[0] - selected) == 1:
            label = ""
        body += text(drawn.x + drawn.wide / 2, drawn.y + drawn.high + 15, label, color, 12, weight, "middle")
    return body


def _framed(column: Column, block: int | None, look: Look) -> str:
    """A frame around a block, or a whole stage."""
    drawn = [drawn for drawn in column.drawn if block is None or block in drawn.blocks]
    left, right = max(drawn[0].x - _OUTSIDE, 0.0), drawn[-1].x + drawn[-1].wide + _OUTSIDE
    return (
        f'<rect class="selected" x="{left:.2f}" y="{drawn[0].y - _OUTSIDE:.2f}" width="{right - left:.2f}" '
        f'height="{drawn[0].high + 2 * _OUTSIDE:.2f}" rx="3" fill="none" stroke="{look.action}" stroke-width="2.5"/>'
    )


def _names(layout: Layout, look: Look) -> str:
    """Names of the last block's bands, beside it."""
    last = layout.columns[-1].drawn[-1]
    body, above = "", 0.0
    for band in last.bands:
        middle, x = band.y + band.high / 2, band.x + band.wide
        y = max(middle + 4, above + _APART)
        body += f'<path d="M{x + 3:.2f} {middle:.2f}L{x + 9:.2f} {y - 4:.2f}" stroke="{look.muted}"/>'
        body += text(x + 12, y, BAND_NAMES[band.module], look.ink)
        above = y
    return body


def _told(anatomy: Anatomy, kept: Mapping[BandKey, float], fill: Fill | None, selected: Place | None) -> str:
    """The finding, then stage by stage what is there and what is kept, and what is selected."""
    word = anatomy.stage_word
    stages = [
        f"{word} {stage.index + 1}: {len(stage.blocks)} block{'s' * (len(stage.blocks) > 1)}, "
        f"{percent(share(anatomy, stage.layers, 'params'))} of params, "
        f"{percent(share(anatomy, stage.layers, 'MACs'))} of MACs, "
        f"{percent(kept_of(anatomy, kept, places(anatomy, stage)))} kept"
        for stage in anatomy.stages
    ]
    by = "kept share" if fill is None else fill.name
    return (
        f"The model as a map, filled by {by}. {finding(anatomy, kept)} "
        + "; ".join(stages)
        + (f". Selected: {place_name(anatomy, selected)}." if selected else "")
    )
