"""Params and MACs, analytic: dense, and after a cut. MACs are multiply-accumulates of one image's forward pass.

For masks "after" counts the weights that are not zero and the MACs they take part in: a saving on paper, not in time.
For structures it counts the smaller layers. Next door: `anatomy` lists the parts, `plan.selection` says what goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from types import MappingProxyType

from ..anatomy import after_cut, kept_counts
from ..types import Anatomy, CostReport, Layer, Part, Selection


def cost_report(
    anatomy: Anatomy, selection: Selection | None = None, zeros: Mapping[str, int] = MappingProxyType({})
) -> CostReport:
    """Cost before and after `selection` (None: nothing removed) of the model, each stage x module and each layer.

    `zeros`: kept weights that are zero all the same, by layer; "after" does not count them where single weights go.
    """
    if selection is not None and selection.granularity == "structure":
        smaller = _smaller(anatomy, selection)
        layers = {layer.name: smaller.get(layer.name) or _part(layer, 0) for layer in anatomy.layers}
    else:
        removed = selection.removed if selection else {}
        layers = {
            layer.name: _part(layer, removed.get(layer.name, 0), zeros.get(layer.name, 0)) for layer in anatomy.layers
        }
    cells: dict[tuple[int | None, str], Part] = {}
    for layer in anatomy.layers:
        key = (layer.stage, layer.module)
        part = layers[layer.name]
        cells[key] = _sum(cells[key], part) if key in cells else part
    return CostReport(add(cells.values()), cells, layers)


def kept_by_band(anatomy: Anatomy, report: CostReport) -> dict[tuple[int, str], float]:
    """Kept share of the weights that can go, 0..1, of each block's module: keyed (block in forward order, module)."""
    bands: dict[tuple[int, str], Part] = {}
    for place, block in enumerate(anatomy.blocks):
        for layer in block.layers:
            if layer.prunable:
                key = (place, layer.module)
                bands[key] = _sum(bands.get(key, Part()), report.layers[layer.name])
    return {key: 1 - part.ratio for key, part in bands.items()}


def place_cost(anatomy: Anatomy, report: CostReport, stage: int, block: int | None = None) -> dict[str, Part]:
    """Cost of one stage, with the merging before it, or of one of its blocks, by module class."""
    place = anatomy.stages[stage] if block is None else anatomy.stages[stage].blocks[block]
    found: dict[str, Part] = {}
    for layer in place.layers:
        found[layer.module] = _sum(found.get(layer.module, Part()), report.layers[layer.name])
    return found


def add(parts: Iterable[Part]) -> Part:
    """The sum of disjoint parts."""
    return reduce(_sum, parts, Part())


def _sum(a: Part, b: Part) -> Part:
    return Part(
        a.params + b.params,
        a.macs + b.macs,
        a.params_after + b.params_after,
        a.macs_after + b.macs_after,
        a.prunable + b.prunable,
        a.removed + b.removed,
    )


def _part(layer: Layer, removed: int, zeros: int = 0) -> Part:
    gone = removed + zeros
    saved = round(gone * layer.macs_per_unit)
    prunable = layer.size if layer.prunable else 0
    return Part(layer.params, layer.macs, layer.params - gone, layer.macs - saved, prunable, removed)


def _smaller(anatomy: Anatomy, selection: Selection) -> dict[str, Part]:
    """Parts of the layers that a structured cut shrinks."""
    parts = {}
    for block in anatomy.blocks:
        for layer, params, macs, weights in after_cut(block, kept_counts(block, selection)):
            prunable = layer.size if layer.prunable else 0
            parts[layer.name] = Part(layer.params, layer.macs, params, macs, prunable, prunable - weights)
    return parts
