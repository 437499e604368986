"""Criteria that look at images: hand values, and what each promises checked by brute force in float64."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from dimap_core.anatomy.activations import LayerInputs
from dimap_core.criteria import arrays
from dimap_core.criteria.gates import Attributions
from dimap_core.criteria.registry import criterion
from dimap_core.criteria.statistics import Statistics, collect
from dimap_core.criteria.wanda import within_rows
from dimap_core.cut.keep import weight_mask
from dimap_core.data.batches import balanced_subset, normalised
from dimap_core.data.registry import load_data
from dimap_core.pipeline import chain
from dimap_core.pipeline.chain import apply_plan, prepare_scores, prune, score
from dimap_core.types.errors import UnsupportedModel
from dimap_core.types.model import KINDS
from dimap_core.types.plan import PruningPlan
from tests.helpers import SINGLE, same

IMAGES = 12


@pytest.fixture(scope="module")
def statistics(tiny):
    steps = collect(tiny.model, tiny.info, load_data("digits", "train"), tiny.anatomy, images=IMAGES)
    *_, (_, _, found) = steps
    return found


@pytest.fixture(scope="module")
def seen(tiny):
    """Layer name -> (inputs, outputs), float64, tokens in rows (of qkv [windows, tokens, 3 * channels])."""
    data = load_data("digits", "train")
    model, found = copy.deepcopy(tiny.model).double(), {}
    for layer in tiny.anatomy.prunable:
        model.get_submodule(layer.name).register_forward_hook(
            lambda _, inputs, output, name=layer.name: found.update({name: (inputs[0].numpy(), output.numpy())})
        )
    with torch.no_grad():
        model(normalised(tiny.info, data.images[balanced_subset(data.labels, IMAGES, 0)]).double())
    return found


def rows(array):
    return array.reshape(-1, array.shape[-1])


def weight_in(opened, name):
    return opened.model.get_parameter(f"{name}.weight").detach().double().numpy()


def groups_of(opened, key, found):
    return criterion(key).fn(opened.model, opened.anatomy, "structure", found, 0).layers


def weights_of(opened, key, found):
    return criterion(key).fn(opened.model, opened.anatomy, "weight", found, 0).layers


def by_hand(opened, **values):
    """Statistics with the same small values for every set of a kind; `values`: field -> kind -> array."""
    sets = {
        field: {f"{block.name}:{kind}": value for block in opened.anatomy.blocks for kind, value in kinds.items()}
        for field, kinds in values.items()
    }
    return Statistics("digits", 1, 0, **sets)


def test_taylor_by_hand_a_slot_of_dimensions_is_worth_its_heads_lowest(tiny):
    """Two heads of three dimensions: each gives its own lowest, so the slots are worth 1 + 2, 3 + 5 and 9 + 6."""
    dims = np.array([[3.0, 1.0, 9.0], [5.0, 6.0, 2.0]])
    worths = {"mlp_neuron": np.array([4.0, 0.25, 1.0]), "head": np.ones(2), "qk_dim": dims, "v_dim": dims}
    layers = groups_of(tiny, "taylor", by_hand(tiny, taylor=worths))
    name = tiny.anatomy.blocks[0].name
    assert layers[f"{name}:mlp_neuron"].ranked.tolist() == [0.25, 1.0, 4.0]
    assert layers[f"{name}:qk_dim"].ranked.tolist() == [3.0, 8.0, 15.0]
    np.testing.assert_array_equal(layers[f"{name}:qk_dim"].keys, dims)


def test_taylor_of_single_weights_is_the_statistics_sum_of_squares(tiny, statistics):
    for name, layer in weights_of(tiny, "taylor", statistics).items():
        np.testing.assert_array_equal(layer.keys, statistics.squares[name])
        assert layer.ranked[-1] == statistics.squares[name].max() > 0


def test_nvit_by_hand(tiny):
    """Sums are divided by 2 (dimensions) and 12 (heads) before they are squared; an index is shared by all heads."""
    dim = tiny.anatomy.blocks[0].head_dim
    squares = {"mlp_neuron": np.array([4.0, 1.0]), "head": np.array([144.0, 288.0]),
               "qk_dim": np.arange(dim, dtype=float) * 4, "v_dim": np.ones(dim) * 8}  # fmt: skip
    layers = groups_of(tiny, "nvit", by_hand(tiny, nvit=squares))
    for block in tiny.anatomy.blocks:
        assert layers[f"{block.name}:mlp_neuron"].ranked.tolist() == [1.0, 4.0]
        assert layers[f"{block.name}:head"].ranked.tolist() == [1.0, 2.0]
        np.testing.assert_allclose(layers[f"{block.name}:qk_dim"].ranked, np.arange(dim))
        np.testing.assert_allclose(layers[f"{block.name}:v_dim"].ranked, 2)
        order = np.argsort(layers[f"{block.name}:qk_dim"].keys, axis=1, kind="stable")
        assert (order == order[0]).all() and len(order) == block.heads


def test_nvit_takes_the_same_dimensions_from_every_head(tiny):
    plan = PruningPlan("nvit", "structure", "layer", 0.5, images=IMAGES)
    selection, _ = apply_plan(tiny, plan)
    for block in tiny.anatomy.blocks:
        qkv = block.part("attn.qkv")
        keep = weight_mask(tiny.anatomy, score(tiny, plan), selection, qkv)[:, 0]
        keep = keep.reshape(3, block.heads, block.head_dim)
        assert (keep == keep[:, :1]).all() and not keep.all()


def test_wanda_by_hand():
    """|W| * ||x|| = [[4, 3, 2], [2, 6, 8]]: ranks 3, 2, 1 and 1, 2, 3 of three."""
    scores = np.abs(np.array([[-4.0, 1.0, 0.5], [2.0, -2.0, 2.0]])) * np.sqrt([1.0, 9.0, 16.0])
    np.testing.assert_allclose(within_rows(scores), np.array([[5, 3, 1], [1, 3, 5]]) / 6)
    np.testing.assert_allclose(within_rows(np.zeros((1, 2))), [[0.25, 0.75]])  # ties by column


@pytest.mark.parametrize("scope", ["layer", "module", "model"])
@pytest.mark.parametrize("ratio", [0.13, 0.5, 0.87])
def test_wanda_takes_the_same_share_from_every_output_row(tiny, scope, ratio):
    plan = PruningPlan("wanda", scope=scope, ratio=ratio, images=IMAGES)
    selection, _ = apply_plan(tiny, plan)
    for layer in tiny.anatomy.prunable:
        gone = (~weight_mask(tiny.anatomy, score(tiny, plan), selection, layer)).sum(axis=1)
        assert gone.max() - gone.min() <= 1
        assert abs(gone.mean() / layer.shape[1] - ratio) <= 1 / layer.shape[1] + 1e-9


def test_wanda_orders_a_row_by_weight_times_norm_of_the_input(tiny, statistics, seen):
    for name, layer in weights_of(tiny, "wanda", statistics).items():
        scores = np.abs(weight_in(tiny, name)) * np.linalg.norm(rows(seen[name][0]), axis=0)
        ordered = np.take_along_axis(scores, np.argsort(layer.keys, axis=1), axis=1)
        assert (np.diff(ordered, axis=1) >= -1e-4 * scores.max()).all()


def test_wandas_groups_are_worth_the_energy_they_alone_add_to_the_output(tiny, statistics, seen):
    layers = groups_of(tiny, "wanda", statistics)
    for block in tiny.anatomy.blocks:
        for part, kind in (("mlp.fc2", "mlp_neuron"), ("attn.proj", "v_dim")):
            name = f"{block.name}.{part}"
            x, weight = rows(seen[name][0]), weight_in(tiny, name)
            alone = [np.square(np.outer(x[:, j], weight[:, j])).sum(1).mean() for j in range(x.shape[1])]
            assert same(layers[f"{block.name}:{kind}"].keys.ravel(), np.array(alone), SINGLE)
        v = layers[f"{block.name}:v_dim"].keys
        np.testing.assert_allclose(layers[f"{block.name}:head"].keys, v.sum(1))


def logit_shares(block, seen):
    """f [pairs of tokens, heads, head_dim]: what each dimension adds to each logit, keys centred over the window."""
    packed = seen[f"{block.name}.attn.qkv"][1]
    q, k, _ = np.moveaxis(packed.reshape(*packed.shape[:2], 3, block.heads, block.head_dim), 2, 0)
    shares = block.head_dim**-0.5 * q[:, :, None] * (k - k.mean(1, keepdims=True))[:, None]
    return shares.reshape(-1, block.heads, block.head_dim)


def test_activation_energies_are_mean_squares_of_what_units_answer(tiny, statistics, seen):
    layers = groups_of(tiny, "activation", statistics)
    for block in tiny.anatomy.blocks:
        hidden, v = (np.square(rows(seen[f"{block.name}.{part}"][0])).mean(0) for part in ("mlp.fc2", "attn.proj"))
        v = v.reshape(block.heads, block.head_dim)
        qk = np.square(logit_shares(block, seen)).mean(0)
        for kind, expected in zip(KINDS, (hidden, v.sum(1), qk, v), strict=True):
            assert same(layers[f"{block.name}:{kind}"].keys, expected, SINGLE)


def test_snip_is_a_share_of_all_sensitivities(tiny, statistics):
    layers = weights_of(tiny, "snip", statistics)
    products = {name: np.abs(statistics.gradients[name] * weight_in(tiny, name)) for name in layers}
    total = sum(product.sum() for product in products.values())
    for name, layer in layers.items():
        assert same(layer.keys, products[name] / total)
    assert sum(layer.keys.sum(dtype=float) for layer in layers.values()) == pytest.approx(1, rel=SINGLE)


def test_snips_groups_by_hand_and_nothing_where_nothing_moves(tiny):
    dims = np.zeros((2, 2))
    values = {"mlp_neuron": np.array([-3.0, 1.0]), "head": np.zeros(2), "qk_dim": dims, "v_dim": dims}
    blocks = len(tiny.anatomy.blocks)
    layers = groups_of(tiny, "snip", by_hand(tiny, effects=values))
    for block in tiny.anatomy.blocks:
        np.testing.assert_allclose(layers[f"{block.name}:mlp_neuron"].keys, np.array([0.75, 0.25]) / blocks)
    still = groups_of(tiny, "snip", by_hand(tiny, effects={kind: 0 * value for kind, value in values.items()}))
    assert all((layer.keys == 0).all() for layer in still.values())


def test_obs_by_hand(monkeypatch):
    """S = [[2, 1], [1, 2]] has [S^-1]_jj = 2/3: w^2 / (2 * 2/3) = 0.75 w^2; damping 0.5 adds 1 to the diagonal."""
    square = np.array([[2.0, 1.0], [1.0, 2.0]])
    monkeypatch.setattr(arrays, "DAMPING", 0.0)
    np.testing.assert_allclose(arrays.inverse(arrays.damped(square)).diagonal(), 2 / 3)
    monkeypatch.setattr(arrays, "DAMPING", 0.5)
    np.testing.assert_allclose(arrays.inverse(arrays.damped(square)), np.linalg.inv([[3.0, 1.0], [1.0, 3.0]]))
    assert np.isfinite(arrays.inverse(arrays.damped(np.zeros((3, 3))))).all()


def refitted(x, y, kept):
    """Mean squared distance of y [n, out] from the best fit by x[:, kept] and a constant."""
    design = np.column_stack([x[:, kept], np.ones(len(x))])
    return np.square(y - design @ np.linalg.lstsq(design, y, rcond=None)[0]).sum() / len(x)


@pytest.fixture
def exact(monkeypatch, statistics, seen):
    """Moments in float64, for OBS next to without damping."""
    monkeypatch.setattr(arrays, "DAMPING", 0.0)
    monkeypatch.setattr(arrays, "_RESOLUTION", 1e-9)
    moments = {name: LayerInputs(rows(x).mean(0), rows(x).T @ rows(x) / len(rows(x))) for name, (x, _) in seen.items()}
    with threadpool_limits(1):  # least squares on busy cores
        yield replace(statistics, inputs=moments)


def test_obs_scores_are_the_errors_that_the_best_refit_of_the_rest_leaves(tiny, seen, exact):
    """Least squares with a unit, a whole head or a single weight taken out, each alone, against the scores."""
    block, layers = tiny.anatomy.blocks[1], groups_of(tiny, "obs", exact)
    for part, kind, size in (("mlp.fc2", "mlp_neuron", 1), ("attn.proj", "v_dim", 1), ("attn.proj", "head", 0)):
        x, y = map(rows, seen[f"{block.name}.{part}"])
        keys = layers[f"{block.name}:{kind}"].keys.ravel()
        owner = np.arange(x.shape[1]) // (size or block.head_dim)
        left = [refitted(x, y, owner != unit) for unit in range(len(keys))]
        np.testing.assert_allclose(keys, left, rtol=1e-3, err_msg=kind)
    x, y = map(rows, seen[f"{block.name}.mlp.fc2"])
    keys = weights_of(tiny, "obs", exact)[f"{block.name}.mlp.fc2"].keys
    for i, j in ((0, 0), (3, 5), (7, 30)):
        left = refitted(x, y[:, [i]], np.arange(x.shape[1]) != j)
        assert keys[i, j] == pytest.approx(left / 2, rel=1e-3)


def test_obs_of_a_qk_dimension_is_the_logit_energy_that_no_rescaling_restores(tiny, seen, exact):
    layers = groups_of(tiny, "obs", exact)
    for block in tiny.anatomy.blocks[:2]:
        shares, keys = logit_shares(block, seen), layers[f"{block.name}:qk_dim"].keys
        for head in range(block.heads):
            f = shares[:, head]
            for i in range(block.head_dim):
                rest = np.delete(f, i, axis=1)
                left = f[:, i] - rest @ np.linalg.lstsq(rest, f[:, i], rcond=None)[0]
                assert keys[head, i] == pytest.approx(np.square(left).mean(), rel=1e-3)


def test_conductance_ranks_mean_absolute_attributions(tiny):
    some, dims = np.array([0.5, 0.25]), np.array([[1.0, 3.0], [4.0, 2.0]])
    units = {
        f"{block.name}:{kind}": dims if kind.endswith("dim") else some
        for block in tiny.anatomy.blocks
        for kind in KINDS
    }
    layers = groups_of(tiny, "conductance", Attributions("digits", 1, 0, units))
    name = tiny.anatomy.blocks[0].name
    assert layers[f"{name}:head"].ranked.tolist() == [0.25, 0.5] and layers[f"{name}:v_dim"].ranked.tolist() == [
        3.0,
        7.0,
    ]


def test_an_input_that_is_always_zero_is_the_first_to_go(tiny, statistics):
    """Dead inputs must not make a score infinite, nor a covariance singular."""
    name = tiny.anatomy.blocks[0].part("mlp.fc2").name
    width = tiny.anatomy.blocks[0].part("mlp.fc2").shape[1]
    alive = np.arange(width) > 2
    moments = statistics.inputs[name]
    dead = LayerInputs(moments.mean * alive, moments.products * np.outer(alive, alive).astype(np.float32))
    found = Statistics("digits", 1, 0, inputs={**statistics.inputs, name: dead}, logits=statistics.logits)
    for key in ("wanda", "activation", "obs"):
        keys = groups_of(tiny, key, found)[f"{tiny.anatomy.blocks[0].name}:mlp_neuron"].keys
        assert np.isfinite(keys).all() and keys[:3].max() < np.median(keys[3:]), key
    assert (weights_of(tiny, "wanda", found)[name].keys[:, :3] <= 3 / width).all()


@pytest.mark.parametrize("key", ["taylor", "snip", "wanda", "obs"])
def test_single_weights_of_a_sliced_model_can_be_ranked_and_its_structures_cannot(tiny, opened, key):
    pruned, _, _ = prune(tiny, PruningPlan("magnitude", "structure", "layer", 0.0, (((None, "qk_dim"), 0.5),)))
    smaller = opened(pruned, tiny.info.family)
    _, cost = apply_plan(smaller, PruningPlan(key, scope="layer", ratio=0.5, images=4))
    assert cost.total.ratio == pytest.approx(0.5, abs=0.01)
    with pytest.raises(UnsupportedModel, match="sliced already"):
        apply_plan(smaller, PruningPlan(key, "structure", ratio=0.5, images=4))


def test_what_is_read_once_serves_every_criterion(tiny_swin, opened, monkeypatch):
    fresh = opened(tiny_swin.model, "swin")
    assert list(prepare_scores(fresh, PruningPlan("taylor", images=8)))
    for key in ("taylor", "snip", "wanda", "obs", "nvit", "activation"):
        assert not list(prepare_scores(fresh, PruningPlan(key, "structure", images=8)))
    assert list(prepare_scores(fresh, PruningPlan("taylor", images=16)))
    assert list(prepare_scores(fresh, PruningPlan("taylor", images=8, seed=1)))
    assert len(fresh.statistics) == 3  # of a small model
    monkeypatch.setattr(chain, "_BYTES_KEPT", 0)
    assert list(prepare_scores(fresh, PruningPlan("taylor", images=8, seed=2)))
    assert [key[2] for key in fresh.statistics] == [1, 2]  # the last ones
