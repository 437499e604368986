"""Ratios in force: of stages, kinds and cells, against counts unit by unit and against ratios that were asked for."""

import pytest

from dimap_core.anatomy.groups import group_sets
from dimap_core.cut.keep import keep_mask
from dimap_core.pipeline.chain import score
from dimap_core.plan.selection import select
from dimap_core.plan.shares import ratios_in_force
from dimap_core.types.model import KINDS, PRUNABLE_MODULES
from dimap_core.types.plan import PruningPlan


def in_force(opened, plan, cells):
    selection = select(score(opened, plan), opened.anatomy, plan)
    return dict(ratios_in_force(opened.anatomy, selection, plan, cells))


def test_a_stages_ratio_is_the_share_of_zeros_in_its_masks(tiny_swin):
    first = tiny_swin.anatomy.prunable[0].name
    plan = PruningPlan(criterion="magnitude", scope="model", ratio=0.6, protected=(first,))
    scores = score(tiny_swin, plan)
    selection = select(scores, tiny_swin.anatomy, plan)
    layers = [layer for layer in tiny_swin.anatomy.prunable if layer.name != first]
    kept = {layer.name: keep_mask(scores.layers[layer.name], selection.removed[layer.name]) for layer in layers}
    found = in_force(tiny_swin, plan, [(0, None), (1, None), (None, None), (9, None)])
    for cell in ((0, None), (1, None), (None, None)):
        masks = [kept[layer.name] for layer in layers if cell[0] in (None, layer.stage)]
        zeros = sum(int((~mask).sum()) for mask in masks) / sum(mask.size for mask in masks)
        assert found.pop(cell) == round(zeros, 3)
    assert not found  # there is no stage 9


@pytest.mark.parametrize("granularity", ["weight", "structure"])
def test_own_ratios_of_every_cell_are_what_is_in_force_there(tiny_swin, granularity):
    modules = KINDS if granularity == "structure" else PRUNABLE_MODULES
    units = group_sets(tiny_swin.anatomy) if granularity == "structure" else tiny_swin.anatomy.prunable
    cells = {(unit.stage, unit.module): 0.1 + 0.03 * place for place, unit in enumerate(units)}
    plan = PruningPlan(criterion="magnitude", granularity=granularity, ratio=0.0, overrides=tuple(cells.items()))
    found = in_force(tiny_swin, plan, [(stage, module) for stage in (0, 1) for module in modules])
    assert found.keys() == cells.keys()
    for cell, ratio in found.items():
        size = sum(unit.size for unit in units if (unit.stage, unit.module) == cell)
        assert abs(ratio - cells[cell]) <= 0.5 / size + 0.0005


def test_heads_count_only_where_a_cell_names_them(tiny_swin):
    plan = PruningPlan(criterion="magnitude", granularity="structure", scope="model", ratio=0.5)
    found = in_force(tiny_swin, plan, [(None, None), *((None, kind) for kind in KINDS)])
    assert found[None, "head"] == 0.0
    assert abs(found[None, None] - 0.5) < 0.02
