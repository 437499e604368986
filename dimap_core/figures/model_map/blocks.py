"""What an anatomy says of the things that the map draws: a block's form, a stage's shares, what of it a cut keeps.

Next door: `layout` places what is counted here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ...types import MLP, PRJ, PRUNABLE_MODULES, QKV, Anatomy, Block, Layer, Stage

BandKey = tuple[int, str]
"""A block's place in forward order, from 0, and a module class."""

Place = tuple[int, int | None]
"""A stage, and a block in it, from 0; None: all of the stage."""


class Form(NamedTuple):
    """What gives a block its form: `side` tokens along an edge of its feature map and `extra` ones beside the map,
    `width` channels, and the `weights` of each band from top to bottom."""

    side: int
    extra: int
    width: int
    weights: Mapping[str, int]


class Fill(NamedTuple):
    """Numbers >= 0 that bands are filled by, `unit` behind them; a band without one was not measured."""

    name: str
    values: Mapping[BandKey, float]
    unit: str = ""


def form(block: Block) -> Form:
    """A block's form. What stands in place of an attention takes a band of its mixer's name, as large as the attention
    of that width would be."""
    hidden = block.part("mlp.fc1")
    tokens, width = round(hidden.macs_per_unit), hidden.shape[1]
    side = math.isqrt(tokens)
    weights = {module: sum(layer.size for layer in _of(block, module)) for module in PRUNABLE_MODULES}
    weights = {module: count for module, count in weights.items() if count}
    if QKV not in weights:
        weights = {block.mixer: 4 * width**2, **weights}
    return Form(side, tokens - side**2, width, weights)


def weights_of(blocks: Iterable[Block]) -> dict[str, int]:
    """Weights of each band of blocks drawn as one; what stands in the attention's place between it and the MLP."""
    found: dict[str, int] = {}
    for block in blocks:
        for band, count in form(block).weights.items():
            found[band] = found.get(band, 0) + count
    order = (QKV, PRJ, "conv3", "conv1", "skip", MLP)
    return {band: found[band] for band in order if band in found}


def _of(block: Block, module: str) -> Iterable[Layer]:
    return (layer for layer in block.layers if layer.module == module)


def places(anatomy: Anatomy, stage: Stage) -> range:
    """Places in forward order of a stage's blocks."""
    first = sum(len(other.blocks) for other in anatomy.stages[: stage.index])
    return range(first, first + len(stage.blocks))


def place_name(anatomy: Anatomy, place: Place) -> str:
    """ "stage 3, block 11", counted from 1 as people read it."""
    stage, block = place
    return f"{anatomy.stage_word} {stage + 1}" + ("" if block is None else f", block {block + 1}")


def share(anatomy: Anatomy, layers: Iterable[Layer], unit: str) -> float:
    """Share of the dense model's "params" or "MACs" that some of its layers hold, 0..1."""
    what = unit.lower()
    return sum(getattr(layer, what) for layer in layers) / sum(getattr(layer, what) for layer in anatomy.layers)


def cost_fill(anatomy: Anatomy, unit: str) -> Fill:
    """Each band's share of the dense model's "params" or "MACs", in %; the attention product is in no band."""
    values = {
        (place, module): 100 * share(anatomy, _of(block, module), unit)
        for place, block in enumerate(anatomy.blocks)
        for module in PRUNABLE_MODULES
        if any(_of(block, module))
    }
    return Fill(f"share of {unit}", values, " %")


def kept_of(anatomy: Anatomy, kept: Mapping[BandKey, float], among: Iterable[int], module: str = "") -> float:
    """Kept share of the weights in some blocks' bands, those of one module or all; 1 where there are none."""
    left, size = 0.0, 0
    for place in among:
        for layer in anatomy.blocks[place].layers:
            if layer.prunable and module in ("", layer.module):
                left, size = left + kept[place, layer.module] * layer.size, size + layer.size
    return left / size if size else 1.0


def finding(anatomy: Anatomy, kept: Mapping[BandKey, float]) -> str:
    """Where a cut falls, in a sentence; `kept`: share of the weights that can go that each band keeps, 0..1."""
    word = anatomy.stage_word
    found = [(kept_of(anatomy, kept, places(anatomy, stage)), stage.index + 1) for stage in anatomy.stages]
    (least, low), (most, high) = min(found), max(found)
    if least == 1:
        return "Nothing is cut."
    if most - least < 0.01:
        everywhere = f"every {word}" if len(found) > 1 else f"the {word}"
        return f"{everywhere} keeps {100 * most:.0f} % of its weights that can go.".capitalize()
    return (
        f"{word.capitalize()} {low} keeps least, {100 * least:.0f} % of its weights that can go; {word} {high} most, "
        f"{100 * most:.0f} %."
    )
