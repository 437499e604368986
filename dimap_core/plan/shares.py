"""Which ratios a cut in force has in stages, kinds or cells: where own ratios start from, so that nothing jumps.

Next door: `selection` goes the other way, from ratios to what is removed.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..anatomy import group_sets
from ..types import Anatomy, Cell, GroupSet, Layer, PruningPlan, Selection
from .recipe import sort_overrides

_DECIMALS = 3  # of a ratio, as it is shown in %
_MOST = 0.999


def ratios_in_force(
    anatomy: Anatomy, selection: Selection, plan: PruningPlan, cells: Iterable[Cell]
) -> tuple[tuple[Cell, float], ...]:
    """The overrides that say what `selection` removes of each of `cells`: removed units / units that may go, rounded.

    `plan`: the one the selection is of; what it protects counts nowhere, and heads only where a cell names them, as an
    override of that cell would have it. A cell without units is left out; (None, None) is the whole model.
    """
    free = [unit for unit in _units(anatomy, selection) if unit.stage is not None and not _protected(unit, plan)]
    ratios = {}
    for stage, module in cells:
        mine = [
            unit
            for unit in free
            if stage in (None, unit.stage) and (unit.module != "head" if module is None else unit.module == module)
        ]
        if size := sum(unit.size for unit in mine):
            removed = sum(selection.removed[unit.name] for unit in mine)
            ratios[stage, module] = min(round(removed / size, _DECIMALS), _MOST)
    return sort_overrides(ratios)


def _units(anatomy: Anatomy, selection: Selection) -> Iterable[Layer | GroupSet]:
    return group_sets(anatomy) if selection.granularity == "structure" else anatomy.prunable


def _protected(unit: Layer | GroupSet, plan: PruningPlan) -> bool:
    names = unit.layers if isinstance(unit, GroupSet) else (unit.name,)
    return bool(set(names) & set(plan.protected))
