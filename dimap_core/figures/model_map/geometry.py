"""The map's places as plain data, for a page that draws and moves it in the browser.

Next door: `layout` finds the places, `drawing` makes a still picture of the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...types import QKV, Anatomy
from ..look import Look
from .blocks import BandKey, form, places, share
from .drawing import BAND_NAMES, band_colors, block_label, merging_lines, patch_grid, percent
from .layout import NARROW, Column, Drawn, brief, narrow, wide


def geometry(
    anatomy: Anatomy, keys: Sequence[BandKey], width: int, low: bool = False, opened: int | None = None
) -> dict[str, Any]:
    """Where everything lies, in px of a picture `width` across (`NARROW`: a row for each stage, unless `low`, which
    stands above another figure and says less). Of the stage `opened` each block is drawn.

    `keys`: order of the numbers that bands will be filled by; a band says the places in it (`of`) of those that it
    stands for, and how many weights each has (`weights`). `blocks` are [stage, first block, how many it stands for, x,
    y, width, height, label].
    """
    small = width == NARROW and not low
    layout = (
        brief(anatomy, width, opened) if low else narrow(anatomy, opened) if small else wide(anatomy, width, opened)
    )
    order = {key: place for place, key in enumerate(keys)}
    blocks: list[list[Any]] = []
    bands: list[dict[str, Any]] = []
    for column in layout.columns:
        members = places(anatomy, column.stage)
        for drawn in column.drawn:
            for band in drawn.bands:
                mine = [(members[place], band.module) for place in drawn.blocks]
                mine = [key for key in mine if key in order]
                bands.append({
                    "block": len(blocks), "module": band.module, "at": _rounded(band.x, band.y, band.wide, band.high),
                    "heads": _heads(column, drawn) if band.module == QKV else 0,
                    "of": [order[key] for key in mine], "weights": [_weights(anatomy, key) for key in mine],
                    "linear": band.module == QKV and anatomy.blocks[members[drawn.blocks[0]]].mixer == "linear",
                })  # fmt: skip
            place = _rounded(drawn.x, drawn.y, drawn.wide, drawn.high)
            blocks.append([column.stage.index, drawn.blocks[0], len(drawn.blocks), *place, block_label(column, drawn)])
    return {
        "width": layout.width, "height": layout.height,
        "stages": [_stage(anatomy, column, low) for column in layout.columns], "blocks": blocks, "bands": bands,
        "mergings": "" if small else merging_lines(layout),
        "image": layout.image, "grid": patch_grid(layout),
    }  # fmt: skip


def labels(anatomy: Anatomy) -> dict[str, Any]:
    """What the map writes: names of bands and of stages, and what the image is cut into."""
    side = form(anatomy.blocks[0]).side
    return {
        "word": anatomy.stage_word,
        "modules": BAND_NAMES,
        "image": [f"{anatomy.input_size} px image", f"{side}×{side} patches"],
        "stages": [len(stage.blocks) for stage in anatomy.stages],
        "heads": [[block.heads for block in stage.blocks] for stage in anatomy.stages],
    }


def colors(anatomy: Anatomy, look: Look) -> dict[str, tuple[str, str]]:
    """Fill and edge of each band's name that the model has."""
    names = {band.module for column in wide(anatomy).columns for drawn in column.drawn for band in drawn.bands}
    return {name: band_colors(name, look) for name in sorted(names)}


def _stage(anatomy: Anatomy, column: Column, low: bool) -> dict[str, Any]:
    own, stage = column.form, column.stage
    tokens = f"{own.side}×{own.side}{f'+{own.extra}' if own.extra else ''} tokens"
    params, macs = (percent(share(anatomy, stage.layers, unit)) for unit in ("params", "MACs"))
    return {
        "x": column.x, "y": column.y, "room": column.room, "left": column.drawn[0].x,
        "right": column.drawn[-1].x + column.drawn[-1].wide,
        "words": [] if low else [tokens, f"width {own.width}", f"{params} of weights", f"{macs} of MACs"],
    }  # fmt: skip


def _heads(column: Column, drawn: Drawn) -> int:
    """Heads of a block that is drawn alone."""
    return column.stage.blocks[drawn.blocks[0]].heads if len(drawn.blocks) == 1 else 0


def _weights(anatomy: Anatomy, key: BandKey) -> int:
    place, module = key
    return sum(layer.size for layer in anatomy.blocks[place].layers if layer.module == module)


def _rounded(*numbers: float) -> list[float]:
    return [round(number, 2) for number in numbers]
