"""Criteria: Eq. 10 against brute force, and one contract that every row of CRITERIA keeps.

Next door: `test_evidence_criteria` for the values of those that look at images.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from dimap_core.anatomy.groups import group_sets
from dimap_core.criteria.gates import attribute
from dimap_core.criteria.reconstruction.moments import observe
from dimap_core.criteria.reconstruction.outputs import feel
from dimap_core.criteria.registry import CRITERIA, criterion
from dimap_core.criteria.statistics import collect
from dimap_core.cut.keep import keep_mask
from dimap_core.data.registry import load_data
from dimap_core.types.errors import DataError, InvalidPlan
from dimap_core.types.scores import rank

KEYS = [info.key for info in CRITERIA if "weight" in info.scores]
GROUP_KEYS = [info.key for info in CRITERIA if "structure" in info.scores]
float32s = st.floats(-1e4, 1e4, width=32, allow_nan=False)


@pytest.fixture(scope="module")
def evidence(tiny):
    """What data-driven criteria need, of the tiny model, by the pass that gathers it."""
    passes = {"statistics": collect, "attributions": attribute, "moments": observe, "fisher": feel}
    return {name: last(gather(tiny.model, tiny.info, load_data("digits", "train"), tiny.anatomy, images=20))
            for name, gather in passes.items()}  # fmt: skip


def last(steps):
    *_, (_, _, found) = steps
    return found


def scores_of(opened, key, evidence=None, seed=0, granularity="weight"):
    """A criterion's scores; it gets what was gathered from images only if it says that it needs it."""
    info = criterion(key)
    found = evidence[info.evidence] if info.evidence else None
    return info.fn(opened.model, opened.anatomy, granularity, found, seed)


def group_scores(opened, key, evidence, seed=0):
    return scores_of(opened, key, evidence, seed, "structure")


def ascending(weights):
    return np.sort(np.abs(np.asarray(weights, dtype=np.float32)))


def relative_distortion(magnitudes):
    """Eq. 10 as the index computes it."""
    return rank("dimap", 0, [("layer", magnitudes)], relative=True).layers["layer"].ranked


def eq_10(weights):
    """Eq. 10 as printed, one exact sum a weight: descending magnitudes p_1, p_2, ...; result ascending."""
    squares = sorted((float(np.float32(w)) ** 2 for w in weights), reverse=True)
    scores = [s / math.fsum(squares[: j + 1]) if s else 0.0 for j, s in enumerate(squares)]
    return np.array(scores[::-1])


def test_eq_10_by_hand():
    assert relative_distortion(ascending([3, -1, 2])) == pytest.approx([1 / 14, 4 / 13, 9 / 9], rel=1e-15)


@settings(max_examples=150)
@given(st.lists(float32s, min_size=1, max_size=60))
def test_eq_10_equals_brute_force_on_any_weights(weights):
    np.testing.assert_allclose(relative_distortion(ascending(weights)), eq_10(weights), rtol=1e-12)


@pytest.mark.parametrize(
    "weights",
    [
        [5.0],
        [0.0],
        [0.0] * 9,
        [0.0, 0.0, 1.0],
        [-2.0, 2.0, 2.0, -2.0, 1.0, 1.0, 0.0],
        [1e-45, 1e-30, 1.0, 1e30],
        [1.0] + [1e-8] * 500,
        [float(2**-k) for k in range(100)],
    ],
    ids=["one", "one zero", "all zero", "zeros", "ties", "extremes", "one giant", "halving"],
)
def test_eq_10_equals_brute_force_on_adversarial_weights(weights):
    scores = relative_distortion(ascending(weights))
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores, eq_10(weights), rtol=1e-12, atol=0)


def test_eq_10_stays_exact_on_ten_million_weights():
    magnitudes = ascending(np.random.default_rng(0).standard_normal(10_000_000, dtype=np.float32))
    scores = relative_distortion(magnitudes)
    squares = magnitudes.astype(np.float64) ** 2
    for place in (0, 1, 777, 100_000, 4_500_000, 9_000_000, 9_999_998, 9_999_999):
        # numpy sums pairwise: an order of addition other than the running sum, with an error of about 1e-15.
        assert scores[place] == pytest.approx(squares[place] / squares[place:].sum(), rel=1e-12)
    last = squares[-100_000:].tolist()
    assert scores[-100_000] == pytest.approx(last[0] / math.fsum(last), rel=1e-13)
    assert (np.diff(scores) >= 0).all()


@settings(max_examples=60)
@given(st.lists(float32s.filter(lambda w: abs(w) > 1e-6), min_size=1, max_size=60), st.integers(-30, 30))
def test_eq_10_does_not_change_when_a_layer_is_scaled(weights, power):
    scaled = np.asarray(weights, dtype=np.float32) * np.float32(2.0**power)  # exact, so equality is too
    np.testing.assert_array_equal(relative_distortion(ascending(scaled)), relative_distortion(ascending(weights)))
    thrice = np.asarray(weights, dtype=np.float64) * 3
    np.testing.assert_allclose(
        relative_distortion(np.sort(np.abs(thrice))), relative_distortion(ascending(weights)), rtol=1e-12
    )


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_n_equal_weights_score_one_half_third_and_so_on(n):
    scores = relative_distortion(ascending(np.full(n, -0.37)))
    np.testing.assert_allclose(scores, 1 / np.arange(n, 0, -1), rtol=1e-12)


def test_the_largest_weight_of_every_layer_scores_exactly_one(tiny, tiny_ties):
    for model in (tiny, tiny_ties):
        for name, layer in scores_of(model, "dimap").layers.items():
            assert layer.ranked[-1] == 1.0, name


def test_dimap_ranks_each_layer_of_a_model_by_eq_10(tiny):
    scores = scores_of(tiny, "dimap")
    for layer in tiny.anatomy.prunable[:4]:
        weights = tiny.model.get_parameter(f"{layer.name}.weight").detach().numpy().ravel()
        np.testing.assert_allclose(scores.layers[layer.name].ranked, eq_10(weights), rtol=1e-12)


def test_dimap_equals_magnitude_within_a_layer(tiny_ties):
    dimap, magnitude = scores_of(tiny_ties, "dimap"), scores_of(tiny_ties, "magnitude")
    for name, layer in dimap.layers.items():
        for removed in (1, layer.keys.size // 3, layer.keys.size - 1):
            np.testing.assert_array_equal(keep_mask(layer, removed), keep_mask(magnitude.layers[name], removed))


def test_magnitude_is_the_sorted_absolute_value(tiny):
    for name, layer in scores_of(tiny, "magnitude").layers.items():
        weights = tiny.model.get_parameter(f"{name}.weight").detach().numpy()
        assert layer.ranked.tolist() == sorted(abs(float(w)) for w in weights.ravel())


def test_random_depends_on_the_seed_and_not_on_the_weights(tiny, tiny_ties):
    first, second, other = (
        scores_of(tiny, "random"),
        scores_of(tiny, "random", seed=1),
        scores_of(tiny_ties, "random"),
    )
    for name, layer in first.layers.items():
        np.testing.assert_array_equal(layer.keys, other.layers[name].keys)
        assert not np.array_equal(layer.keys, second.layers[name].keys)
        assert 0.3 < layer.keys.mean() < 0.7
    # Two layers of one shape draw their own lots.
    twins = [
        layer.keys for layer in first.layers.values() if layer.keys.shape == list(first.layers.values())[-1].keys.shape
    ]
    assert len(twins) > 1 and not np.array_equal(twins[0], twins[1])


def test_an_unknown_criterion_is_refused_with_the_list():
    with pytest.raises(
        InvalidPlan, match=r"There is no criterion 'nope'; choose one of dimap, magnitude, random, .*conductance, .*\.$"
    ):
        criterion("nope")


@pytest.mark.parametrize("info", [info for info in CRITERIA if info.reads_images], ids=lambda info: info.key)
def test_a_criterion_without_its_images_is_refused_in_one_sentence(tiny, info):
    for granularity in info.scores:
        with pytest.raises(DataError, match=r"^[\w ]+ scores need training images; .* or another criterion\.$"):
            info.fn(tiny.model, tiny.anatomy, granularity, None, 0)


@pytest.mark.parametrize("info", CRITERIA, ids=lambda info: info.key)
def test_a_row_says_what_the_criterion_is(info):
    assert info.needs <= {"weights", "gradients", "activations", "attributions", "moments", "fisher"}
    assert {"weight", "structure"} >= info.scores > set()
    assert info.label and info.paper and info.equation and info.summary.endswith(".")
    assert info.evidence in ("", "statistics", "attributions", "moments", "fisher") and info.reads_images == (
        info.needs > {"weights"}
    )


# The contract.


@pytest.mark.parametrize("key", GROUP_KEYS)
def test_group_scores_cover_every_set_of_groups_in_forward_order(tiny, evidence, key):
    scores = group_scores(tiny, key, evidence)
    sets = group_sets(tiny.anatomy)
    assert (scores.criterion, scores.granularity) == (key, "structure")
    assert list(scores.layers) == [group.name for group in sets]
    for group in sets:
        got = scores.layers[group.name]
        assert got.ranked.shape == (group.size,) and got.keys.shape[-1] == group.size
        assert got.keys.ndim == (2 if group.module in ("qk_dim", "v_dim") else 1)
        assert np.isfinite(got.ranked).all() and (np.diff(got.ranked) >= 0).all() and (got.keys >= 0).all()


@pytest.mark.parametrize("key", GROUP_KEYS)
def test_group_scores_are_deterministic(tiny, evidence, key):
    first, second = group_scores(tiny, key, evidence, 3), group_scores(tiny, key, evidence, 3)
    for name, layer in first.layers.items():
        np.testing.assert_array_equal(layer.keys, second.layers[name].keys)


@pytest.mark.parametrize("key", KEYS)
def test_scores_cover_every_prunable_layer_in_forward_order(tiny, evidence, key):
    scores = scores_of(tiny, key, evidence)
    assert scores.criterion == key
    assert list(scores.layers) == [layer.name for layer in tiny.anatomy.prunable]
    for layer in tiny.anatomy.prunable:
        got = scores.layers[layer.name]
        assert (got.keys.shape, got.keys.dtype) == (layer.shape, np.float32)
        assert (got.ranked.shape, got.ranked.dtype) == ((layer.size,), np.float64)


@pytest.mark.parametrize(("low", "high"), [(0, 5000), (0, 1), (1023, 1025), (1500, 1600), (2048, 4096), (4999, 5000)])
def test_scores_of_some_ranks_are_those_of_all(low, high):
    """Summed from stored sums of blocks of ranks, against every weight's Eq. 10 alone."""
    weights = np.random.default_rng(5).standard_normal(5000).astype(np.float32)
    layer = rank("dimap", 0, [("layer", weights)], relative=True).layers["layer"]
    np.testing.assert_allclose(layer.between(low, high), eq_10(ascending(weights))[low:high], rtol=1e-12)


@pytest.mark.parametrize("key", KEYS)
def test_scores_are_finite_ascending_and_agree_with_their_keys(tiny, tiny_ties, evidence, key):
    for model in (tiny, tiny_ties):
        scores = scores_of(model, key, evidence)
        for name, layer in scores.layers.items():
            assert np.isfinite(layer.ranked).all()
            assert (np.diff(layer.ranked) >= 0).all()
            if scores.by_magnitude:
                weights = model.model.get_parameter(f"{name}.weight").detach().numpy()
                np.testing.assert_array_equal(layer.keys, weights)


@pytest.mark.parametrize("key", KEYS)
def test_scores_are_deterministic(tiny, evidence, key):
    first, second = scores_of(tiny, key, evidence, 3), scores_of(tiny, key, evidence, 3)
    for name, layer in first.layers.items():
        np.testing.assert_array_equal(layer.ranked, second.layers[name].ranked)
        np.testing.assert_array_equal(layer.keys, second.layers[name].keys)


@pytest.mark.parametrize("info", CRITERIA, ids=lambda info: info.key)
def test_scoring_leaves_no_trace(tiny, quantised, evidence, info):
    model = quantised(tiny.model).train()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for granularity in info.scores:
        info.fn(model, tiny.anatomy, granularity, evidence[info.evidence] if info.evidence else None, 0)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(torch.equal(p.grad, torch.full_like(p, 0.5)) and p.requires_grad for p in model.parameters())
    for module in model.modules():
        assert module.training
        assert not module._forward_hooks and not module._forward_pre_hooks and not module._backward_hooks
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
