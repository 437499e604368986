"""Groups: sums against loops, what a cut keeps, and costs against the masked model's own tensors."""

import numpy as np
import pytest
import torch

from dimap_core.anatomy.groups import block_cut, group_sets, group_sums, kept_counts, kept_units, parameter_masks
from dimap_core.criteria.arrays import block_parameters, group_energies
from dimap_core.criteria.registry import CRITERIA
from dimap_core.cut.masks import masked_weights
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.types.model import KINDS
from dimap_core.types.plan import PruningPlan
from dimap_core.types.scores import LayerScores, rank_groups
from tests.helpers import mask_model

EVERY_KIND = tuple(((None, kind), ratio) for kind, ratio in zip(KINDS, (0.5, 0.5, 0.25, 0.75), strict=True))
PLAN = PruningPlan(granularity="structure", ratio=0.0, overrides=EVERY_KIND)


def energies_by_loop(model, block):
    """Squares of everything each group owns, added one tensor slice at a time."""
    part = model.get_submodule(block.name)
    heads, dim = block.heads, block.head_dim
    square = {name: p.detach().double().square() for name, p in part.named_parameters()}
    qkv, bias, proj = square["attn.qkv.weight"], square.get("attn.qkv.bias"), square["attn.proj.weight"]

    def row(third, head, d):
        at = (third * heads + head) * dim + d
        return qkv[at].sum() + (0 if bias is None else bias[at])

    def column(head, d):
        return proj[:, head * dim + d].sum()

    table = square.get("attn.relative_position_bias_table")
    fc1, fc1_bias, fc2 = square["mlp.fc1.weight"], square["mlp.fc1.bias"], square["mlp.fc2.weight"]
    return {
        "mlp_neuron": [float(fc1[i].sum() + fc1_bias[i] + fc2[:, i].sum()) for i in range(len(fc1))],
        "head": [
            float(
                sum(row(t, h, d) for t in range(3) for d in range(dim))
                + sum(column(h, d) for d in range(dim))
                + (0 if table is None else table[:, h].sum())
            )
            for h in range(heads)
        ],
        "qk_dim": [[float(row(0, h, d) + row(1, h, d)) for d in range(dim)] for h in range(heads)],
        "v_dim": [[float(row(2, h, d) + column(h, d)) for d in range(dim)] for h in range(heads)],
    }


def test_a_groups_energy_is_the_sum_over_all_it_owns(tiny):
    found = dict(group_energies(tiny.model, tiny.anatomy))
    assert list(found) == [group.name for group in group_sets(tiny.anatomy)]
    for block in tiny.anatomy.blocks:
        for kind, expected in energies_by_loop(tiny.model, block).items():
            np.testing.assert_allclose(found[f"{block.name}:{kind}"], expected, rtol=1e-12)


def test_dims_and_hidden_units_share_nothing_and_leave_only_the_bias_table_to_heads(tiny):
    for block in tiny.anatomy.blocks:
        ones = {name: np.ones_like(value) for name, value in block_parameters(tiny.model, block)}
        sums = group_sums(block, ones)
        owned = sum(v.size for n, v in ones.items() if n.startswith(("attn.qkv", "attn.proj.weight")))
        assert sums["qk_dim"].sum() + sums["v_dim"].sum() == owned
        table = ones.get("attn.relative_position_bias_table", np.zeros(0)).size
        assert sums["head"].sum() == owned + table
        assert sums["mlp_neuron"].sum() == sum(ones[f"mlp.{n}"].size for n in ("fc1.weight", "fc1.bias", "fc2.weight"))


def test_costs_of_sets_are_those_of_removing_them_whole(tiny):
    for group in group_sets(tiny.anatomy):
        weights = [layer for layer in tiny.anatomy.layers if layer.name in group.layers]
        assert 0 < group.params <= sum(layer.params for layer in weights) + 1000
        assert group.macs_per_unit * group.size == group.macs > 0


def test_each_head_gives_its_own_lowest_dimensions_ties_by_index():
    keys = np.array([[3.0, 1.0, 2.0, 1.0], [0.0, 5.0, 0.0, 7.0]])
    keep = kept_units(LayerScores(keys, np.sort(keys).sum(0)), 2)
    assert keep.tolist() == [[True, False, True, False], [False, True, False, True]]
    keep = kept_units(LayerScores(keys, np.sort(keys).sum(0)), 1)
    assert keep.tolist() == [[True, False, True, True], [False, True, True, True]]


def test_a_slot_is_worth_what_the_heads_lowest_are_worth_together():
    worth = np.array([[9.0, 1.0], [4.0, 16.0]])  # lowest 1 and 4, then 9 and 16
    plain = rank_groups("magnitude", 0, [("b:qk_dim", worth)], root=True).layers["b:qk_dim"]
    np.testing.assert_allclose(plain.ranked, [5**0.5, 5.0])
    relative = rank_groups("dimap", 0, [("b:qk_dim", worth)], relative=True).layers["b:qk_dim"]
    np.testing.assert_allclose(relative.ranked, [5 / 30, 1.0])  # Eq. 10 on slots of 5 and 25


def test_dimap_of_groups_is_equation_10_on_their_energies(tiny):
    scores = score(tiny, PruningPlan(granularity="structure", ratio=0.5))
    for name, energy in group_energies(tiny.model, tiny.anatomy):
        slots = np.sort(energy, axis=-1) if energy.ndim == 1 else np.sort(energy, axis=-1).sum(0)
        expected = [slots[i] / slots[i:].sum() for i in range(len(slots))]
        np.testing.assert_allclose(scores.layers[name].ranked, expected, rtol=1e-9)


@pytest.mark.parametrize("criterion", [c.key for c in CRITERIA if "structure" in c.scores and c.needs == {"weights"}])
def test_a_cut_keeps_as_many_as_the_selection_says_and_the_best_of_them(tiny, criterion):
    plan = PruningPlan(criterion, "structure", ratio=0.0, overrides=EVERY_KIND)
    selection, _ = apply_plan(tiny, plan)
    scores = score(tiny, plan)
    for block in tiny.anatomy.blocks:
        cut = block_cut(block, scores, selection)
        hidden, heads, qk, v = kept_counts(block, selection)
        assert (len(cut.hidden), len(cut.heads)) == (hidden, heads)
        assert cut.qk.shape == (heads, qk) and cut.v.shape == (heads, v)
        keys = np.abs(scores.layers[f"{block.name}:mlp_neuron"].keys)
        gone = np.setdiff1d(np.arange(len(keys)), cut.hidden)
        assert keys[gone].max() <= keys[cut.hidden].min()


def test_masks_zero_all_of_a_group_and_nothing_else(tiny):
    selection, cost = apply_plan(tiny, PLAN)
    scores = score(tiny, PLAN)
    pruned = mask_model(tiny.model, tiny.anatomy, scores, selection)
    for layer in tiny.anatomy.prunable:
        zeros = int((pruned.get_parameter(f"{layer.name}.weight") == 0).sum())
        assert zeros == cost.layers[layer.name].removed, layer.name
    for block in tiny.anatomy.blocks:
        masks = parameter_masks(block, block_cut(block, scores, selection))
        for name, keep in masks.items():
            whole = tiny.model.get_parameter(f"{block.name}.{name}")
            left = pruned.get_parameter(f"{block.name}.{name}")
            assert torch.equal(left, whole * torch.from_numpy(keep))


def test_nothing_removed_masks_nothing(tiny):
    plan = PruningPlan(granularity="structure", ratio=0.0)
    selection, cost = apply_plan(tiny, plan)
    assert masked_weights(tiny.model, tiny.anatomy, score(tiny, plan), selection) == {}
    assert cost.total.params_after == cost.total.params and cost.total.macs_after == cost.total.macs
