"""N:M masks: exact in every group of M inputs, counted, and told apart from free masks."""

import numpy as np
import pytest

from dimap_core.cut.keep import nm_mask
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.plan.recipe import from_recipe
from dimap_core.plan.validation import PATTERNS, validate
from dimap_core.types.errors import InvalidPlan
from dimap_core.types.plan import PruningPlan
from tests.helpers import mask_model


def test_by_hand():
    keys = np.array([[4.0, -1, 2, -3, 9, 9, 9, 9, 5, 6]])
    assert nm_mask(keys, "2:4").tolist() == [[True, False, False, True, False, False, True, True, True, True]]
    assert nm_mask(keys, "4:8").tolist() == [[False, False, False, False, True, True, True, True, True, True]]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("criterion", ["dimap", "magnitude", "random"])
def test_every_whole_group_keeps_n_of_m_and_the_highest(tiny, criterion, pattern):
    n, m = map(int, pattern.split(":"))
    plan = PruningPlan(criterion, "nm", ratio=None, nm=pattern)
    selection, cost = apply_plan(tiny, plan)
    scores, pruned = score(tiny, plan), mask_model(tiny.model, tiny.anatomy, score(tiny, plan), selection)
    for layer in tiny.anatomy.prunable:
        kept = pruned.get_parameter(f"{layer.name}.weight").numpy(force=True) != 0
        whole = layer.shape[1] // m * m
        groups = kept[:, :whole].reshape(-1, m)
        assert (groups.sum(axis=1) == n).all() and kept[:, whole:].all(), layer.name
        keys = np.abs(scores.layers[layer.name].keys[:, :whole]).reshape(-1, m)
        lowest_kept = np.where(groups, keys, np.inf).min(axis=1)
        assert (np.where(groups, -np.inf, keys).max(axis=1) <= lowest_kept).all()
        assert cost.layers[layer.name].removed == (~kept).sum()
    assert selection.ratio == pytest.approx(cost.total.ratio)


def test_a_protected_layer_stays_whole(tiny):
    name = tiny.anatomy.prunable[2].name
    selection, _ = apply_plan(tiny, PruningPlan(granularity="nm", nm="2:4", ratio=None, protected=(name,)))
    assert selection.removed[name] == 0 and sum(selection.removed.values()) > 0


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"nm": None}, "needs a pattern; choose one of 2:4, 4:8"),
        ({"nm": "3:4"}, "needs a pattern"),
        ({"nm": "2:4", "ratio": 0.5}, "fixes every ratio"),
        ({"nm": "2:4", "overrides": (((0, None), 0.1),)}, "fixes every ratio"),
    ],
)
def test_what_a_pattern_cannot_have_is_refused(fields, told):
    with pytest.raises(InvalidPlan, match=told):
        validate(PruningPlan(**{"granularity": "nm", "ratio": None, **fields}))
    with pytest.raises(InvalidPlan, match="Only where N of every M weights go is there a pattern"):
        validate(PruningPlan(nm="2:4"))


def test_a_recipe_without_a_ratio_is_a_pattern():
    assert from_recipe({"version": 1, "granularity": "nm", "nm": "4:8"}).ratio is None
