"""Cost: parts sum to the whole, and "after" is what counting zeros and watching the forward pass give."""

import pytest
import torch
from torch import nn

from dimap_core.measure.cost import add, cost_report, kept_by_band, place_cost
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.types.cost import Part
from dimap_core.types.model import MODULES
from dimap_core.types.plan import PruningPlan, Selection
from tests.helpers import mask_model

PLAN = PruningPlan(ratio=0.5, overrides=(((1, "MLP-M"), 0.8),))


def seen_by_each_linear(model, size):
    """Module name -> how many vectors pass through it in one image's forward pass."""
    seen, hooks = {}, []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):

            def count(module, inputs, _, name=name):
                seen[name] = inputs[0].numel() // module.in_features

            hooks.append(module.register_forward_hook(count))
    with torch.no_grad():
        model(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return seen


def test_after_equals_counting_zeros_and_watching_the_forward_pass(tiny):
    selection, cost = apply_plan(tiny, PLAN)
    pruned = mask_model(tiny.model, tiny.anatomy, score(tiny, PLAN), selection)
    seen = seen_by_each_linear(pruned, 32)
    zeros = {
        layer.name: int((pruned.get_parameter(f"{layer.name}.weight") == 0).sum()) for layer in tiny.anatomy.prunable
    }
    assert cost.total.params - cost.total.params_after == sum(zeros.values()) == cost.total.removed
    assert cost.total.macs - cost.total.macs_after == sum(count * seen[name] for name, count in zeros.items())
    for name, count in zeros.items():
        part = cost.layers[name]
        assert (part.removed, part.params - part.params_after) == (count, count)
        assert part.macs - part.macs_after == count * seen[name]


@pytest.mark.parametrize("plan", [PruningPlan(), PLAN], ids=["nothing", "a cut"])
def test_layers_and_cells_sum_to_the_total(tiny, plan):
    _, cost = apply_plan(tiny, plan)
    assert add(cost.layers.values()) == add(cost.cells.values()) == cost.total
    assert set(cost.layers) == {layer.name for layer in tiny.anatomy.layers}
    stages = {stage.index for stage in tiny.anatomy.stages}
    assert set(cost.cells) == {(stage, module) for stage in stages for module in MODULES} | {(None, "AUX-M")}


@pytest.mark.parametrize("granularity", ["weight", "structure"])
def test_what_a_band_keeps_is_what_its_cell_keeps_shared_out(tiny, granularity):
    _, cost = apply_plan(tiny, PruningPlan(ratio=0.5, granularity=granularity))
    kept, left = kept_by_band(tiny.anatomy, cost), {}
    for place, block in enumerate(tiny.anatomy.blocks):
        for layer in block.layers:
            if layer.prunable:
                key = (block.stage, layer.module)
                left[key] = left.get(key, 0.0) + kept[place, layer.module] * layer.size
    assert len(kept) == 3 * len(tiny.anatomy.blocks) and min(kept.values()) < 1
    assert {key: round(count) for key, count in left.items()} == {
        key: part.prunable - part.removed for key, part in cost.cells.items() if part.prunable
    }


def test_without_a_selection_nothing_is_removed(tiny):
    cost = cost_report(tiny.anatomy)
    assert cost == cost_report(tiny.anatomy, Selection({}, 0.0))
    assert (cost.total.params_after, cost.total.macs_after) == (cost.total.params, cost.total.macs)
    assert cost.total.prunable == sum(layer.size for layer in tiny.anatomy.prunable)
    assert cost.total.params == sum(parameter.numel() for parameter in tiny.model.parameters())


def test_a_cells_ratio_is_that_of_its_override(tiny):
    _, cost = apply_plan(tiny, PLAN)
    assert cost.cells[1, "MLP-M"].ratio == pytest.approx(0.8, abs=1e-3)
    assert cost.cells[0, "AUX-M"].ratio == cost.cells[None, "AUX-M"].ratio == 0


def test_adding_no_parts_gives_zero():
    assert add([]) == Part() and Part().ratio == 0


def test_the_cost_of_a_place_is_that_of_its_layers(tiny):
    _, cost = apply_plan(tiny, PLAN)
    outer = [cost.layers[layer.name] for layer in tiny.anatomy.outer]
    stages = [place_cost(tiny.anatomy, cost, stage.index) for stage in tiny.anatomy.stages]
    assert add([*outer, *(part for found in stages for part in found.values())]) == cost.total
    for stage, found in zip(tiny.anatomy.stages, stages, strict=True):
        merging = [cost.layers[layer.name] for layer in stage.merging]
        blocks = [place_cost(tiny.anatomy, cost, stage.index, block.index) for block in stage.blocks]
        assert add(found.values()) == add([*merging, *(part for block in blocks for part in block.values())])
        for module in ("QKV-M", "PRJ-M", "MLP-M"):
            assert found[module] == cost.cells[stage.index, module] == add(block[module] for block in blocks)
