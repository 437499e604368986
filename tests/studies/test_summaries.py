"""What pictures are drawn from: every count agrees with the weights, the masks and the selection it was made from."""

from types import SimpleNamespace

import numpy as np
import pytest

from dimap_core import pipeline
from dimap_core.cut.keep import keep_mask
from dimap_core.plan.selection import select
from dimap_core.studies import summaries
from dimap_core.types.model import MLP, PRJ, PRUNABLE_MODULES, QKV
from dimap_core.types.plan import PruningPlan
from dimap_core.types.scores import LayerScores


def seen(opened, criterion="dimap", **plan):
    """Everything a page has when it draws."""
    plan = PruningPlan(criterion, **{"ratio": 0.6, "scope": "model", **plan})
    scores = pipeline.score(opened, plan)
    weights, selection = pipeline.weight_arrays(opened), select(scores, opened.anatomy, plan)
    return SimpleNamespace(anatomy=opened.anatomy, weights=weights, scores=scores, selection=selection)


@pytest.fixture
def view(tiny):
    return seen(tiny)


def of_row(view, row):
    stage, name = row.label.split(" · ")
    return [layer for layer in view.anatomy.prunable if layer.stage == int(stage) - 1 and layer.name.endswith(name)]


@pytest.mark.parametrize("signed", [False, True])
def test_rows_count_every_weight_once_and_what_is_removed(view, signed):
    rows = summaries.weight_rows(view.anatomy, view.weights, view.scores, view.selection, signed)
    assert [row.label for row in rows[:4]] == ["1 · qkv", "1 · proj", "1 · fc1", "1 · fc2"]
    assert len(rows) == 4 * len(view.anatomy.stages)
    for row in rows:
        layers = of_row(view, row)
        assert row.counts.sum() == sum(layer.size for layer in layers)
        assert row.removed.sum() == sum(view.selection.removed[layer.name] for layer in layers)
        assert (row.removed <= row.counts).all() and len(row.edges) == len(row.counts) + 1
        assert row.removed_share == pytest.approx(row.removed.sum() / row.counts.sum())
        assert {layer.module for layer in layers} == {row.module}


def test_bins_hold_the_weights_between_their_edges(view):
    row = summaries.weight_rows(view.anatomy, view.weights, view.scores, view.selection)[2]
    values = np.concatenate([np.abs(view.weights[layer.name]).reshape(-1) for layer in of_row(view, row)])
    counts, _ = np.histogram(np.log10(values), row.edges)
    inside = slice(1, -1)  # the end bins also hold what lies beyond
    assert np.abs(counts - row.counts)[inside].max() <= 1  # a weight on an edge


@pytest.mark.parametrize("criterion", ["dimap", "magnitude"])
def test_thresholds_separate_what_is_kept_from_what_goes(tiny, criterion):
    view = seen(tiny, criterion)
    for row in summaries.weight_rows(view.anatomy, view.weights, view.scores, view.selection):
        layers = [layer for layer in of_row(view, row) if view.selection.removed[layer.name]]
        assert len(row.thresholds) == len(layers)
        for threshold, layer in zip(row.thresholds, layers, strict=True):
            magnitudes = np.abs(view.weights[layer.name])
            gone = view.selection.removed[layer.name]
            assert np.count_nonzero(magnitudes < threshold) <= gone <= np.count_nonzero(magnitudes <= threshold)
            assert np.count_nonzero(magnitudes >= threshold) >= layer.size - gone


def test_random_scores_and_untouched_layers_have_no_threshold(tiny):
    view = seen(tiny, "random")
    assert all(
        r.thresholds == () for r in summaries.weight_rows(view.anatomy, view.weights, view.scores, view.selection)
    )
    view = seen(tiny, ratio=0.0)
    assert all(
        r.thresholds == () for r in summaries.weight_rows(view.anatomy, view.weights, view.scores, view.selection)
    )


def test_zeros_are_counted_apart(tiny_ties):
    view = seen(tiny_ties)
    rows = summaries.weight_rows(view.anatomy, view.weights, view.scores, view.selection)
    zeros = sum(int((weight == 0).sum()) for weight in view.weights.values())
    assert sum(row.zeros for row in rows) == zeros > 0


def test_the_blocks_of_a_row_sum_to_the_row(view):
    for row in summaries.weight_rows(view.anatomy, view.weights, view.scores, view.selection):
        parts = summaries.block_rows(view.anatomy, view.weights, view.scores, view.selection, row.label)
        assert [part.label for part in parts] == [f"block {i + 1}" for i in range(len(parts))]
        np.testing.assert_array_equal(sum(part.counts for part in parts), row.counts)
        np.testing.assert_array_equal(sum(part.removed for part in parts), row.removed)


def test_unit_norms_are_those_of_the_weight_rows(view):
    for row in summaries.unit_norms(view.anatomy, view.weights):
        norms = np.concatenate([np.sqrt((view.weights[lay.name] ** 2).sum(1)) for lay in of_row(view, row)])
        assert row.counts.sum() == len(norms) and row.removed.sum() == 0
        shown = np.repeat((row.edges[:-1] + row.edges[1:]) / 2, row.counts)
        np.testing.assert_allclose(np.sort(np.log10(norms)), shown, atol=(row.edges[1] - row.edges[0]) * 0.51)


def test_tables_by_block_agree_with_the_layers(view):
    names, tables = summaries.blocks(view.anatomy), summaries.kept_by_block(view.anatomy, view.selection)
    assert names[0][0] == "1.1" and tables.shape == (len(names), 3)
    means = summaries.score_by_block(view.anatomy, view.scores)
    lost = summaries.lost_per_mac(view.anatomy, view.scores, view.selection)
    for place, (name, block) in enumerate(names):
        assert name == f"{block.stage + 1}.{block.index + 1}"
        for column, module in enumerate(PRUNABLE_MODULES):
            layers = [layer for layer in block.layers if layer.module == module]
            keep = np.concatenate(
                [keep_mask(view.scores.layers[n.name], view.selection.removed[n.name]).ravel() for n in layers]
            )
            values = np.concatenate([view.scores.layers[layer.name].ranked for layer in layers])
            gone = [view.scores.layers[n.name].ranked[: view.selection.removed[n.name]].sum() for n in layers]
            saved = sum(view.selection.removed[n.name] * n.macs / n.size for n in layers)
            assert tables[place, column] == pytest.approx(keep.mean())
            assert means[place, column] == pytest.approx(values.mean())
            assert lost[place, column] == pytest.approx(1e6 * sum(gone) / saved if saved else np.nan, nan_ok=True)


def test_nothing_lost_for_nothing_saved_is_no_number(tiny):
    view = seen(tiny, ratio=0.0)
    assert np.isnan(summaries.lost_per_mac(view.anatomy, view.scores, view.selection)).all()


def test_heads_keep_what_a_loop_over_their_weights_counts(view):
    for _, block in summaries.blocks(view.anatomy):
        layers = {summaries.kind(layer): layer.name for layer in block.layers if layer.prunable}
        mask = {k: keep_mask(view.scores.layers[n], view.selection.removed[n]) for k, n in layers.items()}
        kept = summaries.kept_by_head(view.anatomy, block, view.scores, view.selection)
        width, d = len(mask["proj"]), block.head_dim
        assert list(kept) == ["Q", "K", "V", "out"]
        for head in range(block.heads):
            own = slice(head * d, (head + 1) * d)
            for third, name in enumerate("QKV"):
                rows = mask["qkv"][third * width : (third + 1) * width][own]
                assert kept[name][head] == pytest.approx(rows.mean())
            assert kept["out"][head] == pytest.approx(mask["proj"][:, own].mean())


@pytest.mark.parametrize("shape", [(5, 9), (384, 384), (385, 96), (2, 1000), (1, 1)])
def test_a_masks_picture_keeps_the_share_of_every_tile(shape):
    keys = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    scores, removed = LayerScores(keys, np.sort(np.abs(keys), axis=None)), keys.size // 3
    keep = keep_mask(scores, removed)
    picture = summaries.mask_picture(keep)
    assert max(picture.shape) <= 384 and not np.isnan(picture).any()
    if max(shape) <= 384:
        np.testing.assert_array_equal(picture, keep)
    step = -(-max(shape) // 384)
    for row in range(picture.shape[0]):
        tile = keep[row * step : (row + 1) * step, :step]
        assert picture[row, 0] == pytest.approx(tile.mean())


def test_structures_have_kinds_for_columns_and_kept_shares_of_their_units(tiny):
    plan = PruningPlan(
        granularity="structure", ratio=0.0, overrides=(((None, "mlp_neuron"), 0.5), ((None, "head"), 0.5))
    )
    selection, _ = pipeline.apply_plan(tiny, plan)
    scores = pipeline.score(tiny, plan)
    kept = summaries.kept_by_block(tiny.anatomy, selection)
    assert kept.shape == (len(tiny.anatomy.blocks), 4) and (kept[:, 2:] == 1).all()
    for row, block in enumerate(tiny.anatomy.blocks):
        heads = summaries.kept_by_head(tiny.anatomy, block, scores, selection)
        whole = [bool(v == k == q == o) for q, k, v, o in zip(*(heads[n] for n in ("Q", "K", "V", "out")), strict=True)]
        assert all(whole) and np.mean(heads["V"]) == kept[row, 1]
    assert (summaries.score_by_block(tiny.anatomy, scores) > 0).all()
    lost = summaries.lost_per_mac(tiny.anatomy, scores, selection)
    assert np.isnan(lost[:, 2:]).all() and np.nanmin(lost) > 0


def test_the_score_of_a_band_is_the_mean_over_its_weights(view):
    found = summaries.score_by_band(view.anatomy, view.scores)
    for place, block in enumerate(view.anatomy.blocks):
        for module in PRUNABLE_MODULES:
            own = [view.scores.layers[x.name].ranked for x in block.layers if x.prunable and x.module == module]
            assert found.pop((place, module)) == pytest.approx(np.concatenate(own).mean(), rel=1e-9)
    assert found == {}


def test_the_score_of_a_band_of_structures_is_that_of_what_heads_and_hidden_units_own(tiny):
    view = seen(tiny, granularity="structure", ratio=0.3)
    found = summaries.score_by_band(view.anatomy, view.scores)
    for place, block in enumerate(view.anatomy.blocks):
        size = {layer.name.removeprefix(f"{block.name}."): layer for layer in block.layers}
        hidden = size["mlp.fc1"].params + size["mlp.fc2"].size
        heads = size["attn.qkv"].params + size["attn.proj"].size + size["attn"].params
        for kind, modules, owned in (("mlp_neuron", (MLP,), hidden), ("head", (QKV, PRJ), heads)):
            total = sum(view.scores.layers[f"{block.name}:{kind}"].ranked)
            assert [found.pop((place, module)) * owned for module in modules] == pytest.approx([total] * len(modules))
    assert found == {}
