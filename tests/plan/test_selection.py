"""Selection against brute force, weight by weight; `lowest` against a plain sort; overrides and protection."""

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from dimap_core.cut.keep import keep_mask
from dimap_core.pipeline.chain import score
from dimap_core.plan import lookup
from dimap_core.plan.budget import count_to_remove
from dimap_core.plan.lookup import below_edges, lowest
from dimap_core.plan.selection import select
from dimap_core.plan.validation import SCOPES
from dimap_core.types.plan import PruningPlan
from dimap_core.types.scores import BINS, OCTAVES, LayerScores, rank as rank_layers

OVERRIDES = {
    "none": (),
    "stage": (((0, None), 0.7),),
    "stage x module": (((1, "MLP-M"), 0.1),),
    "both": (((0, None), 0.25), ((0, "QKV-M"), 0.65), ((1, "PRJ-M"), 0.0)),
}


def magnitudes_of(opened, name):
    return np.abs(opened.model.get_parameter(f"{name}.weight").detach().numpy().astype(np.float64).ravel())


def brute_force(opened, plan):
    """Layer name -> keep mask: every weight scored on its own, every competition set sorted outright."""
    sets = defaultdict(list)
    for place, layer in enumerate(opened.anatomy.prunable):
        if layer.name in plan.protected:
            continue
        ratio, alone = plan.ratio, None
        for cell, own in plan.overrides:
            if (cell == (layer.stage, None) and alone is None) or cell == (layer.stage, layer.module):
                ratio, alone = own, cell
        arena = {
            "layer": layer.name,
            "stage-module": (layer.stage, layer.module),
            "module": layer.module,
            "model": "all",
        }[plan.scope]
        sets[arena, alone, ratio].append((place, layer))
    masks = {layer.name: np.ones(layer.size, bool) for layer in opened.anatomy.prunable}
    for (_, _, ratio), members in sets.items():
        values, places, ranks, indices = [], [], [], []
        for place, layer in members:
            magnitudes = magnitudes_of(opened, layer.name)
            order = np.lexsort((np.arange(layer.size), magnitudes))  # by magnitude, then by flat index
            value = magnitudes[order]
            if plan.criterion == "dimap":
                squares = value**2
                larger = squares[::-1].cumsum()[::-1]
                value = np.where(squares > 0, squares / np.maximum(larger, 1e-300), 0.0)
            values.append(value * (layer.macs / layer.size) ** -plan.cost_exponent)
            places.append(np.full(layer.size, place))
            ranks.append(np.arange(layer.size))
            indices.append(order)
        value, place, rank, index = map(np.concatenate, (values, places, ranks, indices))
        for i in np.lexsort((rank, place, value))[: math.floor(ratio * len(value) + 0.5)]:
            masks[opened.anatomy.prunable[place[i]].name][index[i]] = False
    return masks


def masks_of(opened, plan):
    scores = score(opened, plan)
    removed = select(scores, opened.anatomy, plan).removed
    return {name: keep_mask(scores.layers[name], gone).ravel() for name, gone in removed.items()}


def assert_same(opened, plan):
    masks, expected = masks_of(opened, plan), brute_force(opened, plan)
    assert masks.keys() == expected.keys()
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, expected[name], err_msg=f"{name} under {plan}")


@pytest.mark.parametrize("exponent", [0, 0.5, 1])
@pytest.mark.parametrize("overrides", OVERRIDES)
@pytest.mark.parametrize("scope", SCOPES)
def test_selection_equals_brute_force_weight_by_weight(tiny, tiny_ties, scope, overrides, exponent):
    for model in (tiny, tiny_ties):
        for ratio in (0.37, 0.8):
            assert_same(
                model, PruningPlan(scope=scope, ratio=ratio, overrides=OVERRIDES[overrides], cost_exponent=exponent)
            )


@pytest.mark.parametrize("scope", SCOPES)
def test_selection_with_protected_layers_equals_brute_force(tiny, tiny_ties, scope):
    names = [layer.name for layer in tiny.anatomy.prunable]
    for protected in ((names[0],), (names[2], names[5]), tuple(names[:-1])):
        for model in (tiny, tiny_ties):
            plan = PruningPlan(scope=scope, ratio=0.6, protected=protected, overrides=OVERRIDES["stage x module"])
            assert_same(model, plan)
            assert all(masks_of(model, plan)[name].all() for name in protected)


@pytest.mark.parametrize("scope", SCOPES)
def test_selection_by_magnitude_equals_brute_force(tiny, scope):
    for exponent in (0, 1):
        assert_same(tiny, PruningPlan("magnitude", scope=scope, ratio=0.3, cost_exponent=exponent))


@pytest.mark.parametrize("scope", SCOPES)
def test_a_ratio_removes_that_share_of_every_competition_set(tiny, scope):
    removed = select(score(tiny, PruningPlan()), tiny.anatomy, PruningPlan(scope=scope, ratio=0.3)).removed
    sizes, gone = defaultdict(int), defaultdict(int)
    for layer in tiny.anatomy.prunable:
        arena = {"layer": layer.name, "stage-module": (layer.stage, layer.module), "module": layer.module}.get(scope)
        sizes[arena] += layer.size
        gone[arena] += removed[layer.name]
    assert {a: round(size * 0.3) for a, size in sizes.items()} == pytest.approx(dict(gone), abs=1)


def test_ratio_zero_removes_nothing(tiny):
    assert set(select(score(tiny, PruningPlan()), tiny.anatomy, PruningPlan(ratio=0.0)).removed.values()) == {0}


def test_half_a_unit_rounds_up():
    assert [count_to_remove(ratio, 10) for ratio in (0.04, 0.05, 0.14, 0.15, 0.999)] == [0, 1, 1, 2, 10]


# keep_mask and lowest.


@settings(max_examples=100)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=40), st.data())
def test_keep_mask_removes_the_smallest_and_of_equals_the_first(weights, data):
    removed = data.draw(st.integers(0, len(weights)))
    keys = np.array(weights, dtype=np.float32)
    mask = keep_mask(LayerScores(keys, np.sort(np.abs(keys)).astype(float)), removed)
    gone = sorted(range(len(weights)), key=lambda i: (abs(weights[i]), i))[:removed]
    assert [i for i in range(len(weights)) if not mask[i]] == sorted(gone)


def plain(ranked, factors, count):
    """All values in one list, sorted stably; how many of the first `count` come from each array."""
    values = np.concatenate([v * f for v, f in zip(ranked, factors, strict=True)])
    owner = np.repeat(np.arange(len(ranked)), [len(v) for v in ranked])
    return np.bincount(owner[np.argsort(values, kind="stable")[:count]], minlength=len(ranked))


def lowest_of(arrays, factors, count, relative=False):
    scores = rank_layers("any", 0, [(str(i), keys) for i, keys in enumerate(arrays)], relative)
    ranked = [layer.ranked for layer in scores.ordered_layers]
    np.testing.assert_array_equal(
        lowest(scores, range(len(arrays)), factors, count), plain(ranked, factors, count), f"relative={relative}"
    )


FACTORS = st.sampled_from([1.0, 0.5, 2.0, 3.0**-0.5, 1 / 3136, 49.0**-0.5])


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 6).map(float), min_size=1, max_size=30), FACTORS), min_size=1, max_size=6
    ),
    st.data(),
)
def test_lowest_equals_a_plain_sort_on_small_arrays_with_ties(arrays, data):
    ranked = [np.array(values, np.float32) for values, _ in arrays]
    factors = np.array([factor for _, factor in arrays])
    count = data.draw(st.integers(0, sum(map(len, ranked))))
    for relative in (False, True):
        lowest_of(ranked, factors, count, relative)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.sampled_from([1, 2, 500, 3000, 9000]), min_size=1, max_size=5),
    levels=st.sampled_from([1, 2, 12, 900, 10**9]),
    factors=st.lists(FACTORS, min_size=6, max_size=6),
    where=st.sampled_from([0.0, 1e-4, 0.1, 0.5, 0.9, 0.9999, 1.0]),
)
def test_lowest_equals_a_plain_sort_where_it_has_to_narrow(seed, sizes, levels, factors, where):
    rng = np.random.default_rng(seed)
    # The first array is always too large to be sorted outright.
    ranked = [np.sort(rng.integers(0, levels, size) / 7 * 10.0 ** rng.integers(-6, 3)) for size in [6000, *sizes]]
    factors = np.array(factors[: len(ranked)])
    count = round(where * sum(map(len, ranked)))
    for relative in (False, True):
        lowest_of(ranked, factors, count, relative)


@pytest.mark.parametrize("shifts", [(0, 0, 0), (0, 40, -71), (200, -3, 7)])
def test_the_curve_that_budgets_start_from_counts_at_common_edges(shifts):
    rng = np.random.default_rng(1)
    keys = {str(n): rng.lognormal(n - 2, 1.5, 400).astype(np.float32) for n in range(3)}
    scores = rank_layers("magnitude", 0, keys.items(), relative=False)
    curve = below_edges(scores, range(3), 2.0 ** (np.array(shifts) / BINS))
    own = [layer.between(0, layer.size) for layer in scores.ordered_layers]
    assert (curve[:, 0] == 0).all() and (curve[:, -1] == 400).all()
    start = scores.used[0] + min(shifts) - lookup._STEP
    for column in range(1, curve.shape[1] - 1):
        for row, shift in enumerate(shifts):
            at = start + column * lookup._STEP - shift
            edge = 2.0 ** (scores.top - OCTAVES + at / BINS)
            assert curve[row, column] == (own[row] < edge).sum()
