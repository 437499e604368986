"""Agreement: correlations, ranks and names against loops over all units, and sums of what a piece's units are worth."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from dimap_core import pipeline
from dimap_core.anatomy.groups import group_sets
from dimap_core.studies import agreement, summaries
from dimap_core.studies.effort import pieces
from dimap_core.types.estimates import Difference
from dimap_core.types.findings import Effect, Piece
from dimap_core.types.model import PRUNABLE_MODULES
from dimap_core.types.plan import PruningPlan

PAIR = ("dimap", "random")


def scored(opened, granularity, *keys):
    return [pipeline.score(opened, PruningPlan(key, granularity=granularity, ratio=0.5)) for key in keys]


def own_scores(layer):
    """Every unit's score in flat order, by its place in its layer's (or its head's) own ranking."""
    keys = np.abs(layer.keys).reshape(-1, layer.size)
    return np.concatenate([layer.ranked[rankdata(row, method="ordinal") - 1] for row in keys])


@pytest.mark.parametrize("granularity", ["weight", "structure"])
def test_every_cell_correlates_as_a_loop_over_its_units_says(tiny, granularity):
    first, second = scored(tiny, granularity, "dimap", "magnitude")
    table = agreement.by_cell(first, second, tiny.anatomy)
    stages = [[stage.index] for stage in tiny.anatomy.stages]
    assert table.shape == (len(stages) + 1, len(summaries.columns(granularity)))
    for row, chosen in enumerate([*stages, [stage.index for stage in tiny.anatomy.stages]]):
        for column, name in enumerate(summaries.columns(granularity)):
            units = summaries.units(tiny.anatomy, granularity)
            found = [unit.name for unit in units if unit.module == name and unit.stage in chosen]
            pair = [np.concatenate([own_scores(scores.layers[n]) for n in found]) for scores in (first, second)]
            known = np.nan if len(pair[0]) < 4 else spearmanr(*pair).statistic
            assert table[row, column] == pytest.approx(known, abs=1e-9, nan_ok=True)


def test_a_criterion_ranks_like_itself_and_unlike_a_lottery(tiny):
    dimap, other = scored(tiny, "weight", *PAIR)
    np.testing.assert_allclose(agreement.by_cell(dimap, dimap, tiny.anatomy), 1)
    assert np.abs(agreement.by_cell(dimap, other, tiny.anatomy)).max() < 0.3


def test_equal_weights_share_a_score(tiny_ties):
    (scores,) = scored(tiny_ties, "weight", "magnitude")
    layer = next(iter(scores.layers.values()))
    at = np.arange(layer.keys.size)
    np.testing.assert_array_equal(agreement.unit_scores(layer, at), np.abs(layer.keys).ravel())


@pytest.mark.parametrize("granularity", ["weight", "structure"])
def test_the_units_furthest_apart_are_named_with_their_ranks(tiny_swin, granularity):
    first, second = scored(tiny_swin, granularity, *PAIR)
    for name in summaries.columns(granularity):
        found = agreement.place_units(tiny_swin.anatomy, granularity, [0, 1], name)
        compared = agreement.compare(first, second, found, tiny_swin.anatomy)
        ranks, names = [], []
        for scores in (first, second):
            values = np.concatenate([own_scores(scores.layers[unit.name]) for unit in found])
            ranks.append((rankdata(values) - 0.5) / len(values) * 100)
        for unit in found:
            size = first.layers[unit.name].keys.size
            names += [agreement.unit_name(tiny_swin.anatomy, unit, position) for position in range(size)]
        assert len(set(names)) == len(names) == compared.all
        apart = [abs(far.first - far.second) for far in compared.furthest]
        assert all(a >= b for a, b in pairwise(apart))
        np.testing.assert_allclose(apart, np.sort(np.abs(ranks[0] - ranks[1]))[::-1][: len(apart)])
        for far in compared.furthest:
            place = names.index(far.unit)
            assert (far.first, far.second) == pytest.approx((ranks[0][place], ranks[1][place]))
        assert len(compared.ranks) == min(len(names), 4000)


def test_units_have_names_that_people_read(tiny_swin):
    anatomy = tiny_swin.anatomy
    sets = {group.name: group for group in group_sets(anatomy)}
    layer = anatomy.stages[1].blocks[1].part("mlp.fc1")
    told = {
        agreement.unit_name(anatomy, layer, 16 * 4 + 2): "block 2.2, fc1: output 5, input 3",
        agreement.unit_name(anatomy, sets["layers.0.blocks.0:mlp_neuron"], 16): "block 1.1, hidden unit 17",
        agreement.unit_name(anatomy, sets["layers.1.blocks.0:head"], 3): "block 2.1, head 4",
        agreement.unit_name(anatomy, sets["layers.1.blocks.0:qk_dim"], 5): "block 2.1, head 2, Q/K dimension 2",
        agreement.piece_name(anatomy, Piece(2, "head", 1, 2)): "block 2.2, head 2",
        agreement.piece_name(anatomy, Piece(0, "mlp_neuron", 4, 7)): "block 1.1, hidden units 5 to 7",
    }
    assert list(told) == list(told.values())


def test_a_sample_correlates_nearly_as_the_whole(tiny_swin, monkeypatch):
    first, second = scored(tiny_swin, "weight", "dimap", "magnitude")
    whole = agreement.by_cell(first, second, tiny_swin.anatomy)
    monkeypatch.setattr(agreement, "_SAMPLE", 400)
    part = agreement.by_cell(first, second, tiny_swin.anatomy)
    assert np.abs(part - whole).max() < 0.1 and (part != whole).any()
    found = agreement.place_units(tiny_swin.anatomy, "weight", [0, 1], PRUNABLE_MODULES[2])
    compared = agreement.compare(first, second, found, tiny_swin.anatomy)
    assert len(compared.ranks) == pytest.approx(400, abs=10) and compared.all == sum(unit.size for unit in found)


def test_what_is_foretold_of_a_piece_is_the_sum_over_its_units(tiny):
    (scores,) = scored(tiny, "structure", "magnitude")
    found = list(pieces(tiny.anatomy))
    for piece, sum_ in zip(found, agreement.foretold(scores, tiny.anatomy, found), strict=True):
        keys = scores.layers[f"{tiny.anatomy.blocks[piece.block].name}:{piece.kind}"].keys
        assert sum_ == pytest.approx(keys[piece.first : piece.last].sum())


def test_foresight_is_judged_over_all_pieces_and_over_each_kind():
    none = Difference(10, 0.0, 0.0, 0.0)
    effects = [
        Effect(Piece(0, kind, place, place + 1), none, replace(none, value=float(rise)), 0.0)
        for kind, rises in (("head", [1, 2, 3, 4, 5]), ("mlp_neuron", [9, 8, 7, 6]))
        for place, rise in enumerate(rises)
    ]
    found = agreement.with_truth(np.arange(9.0), effects)
    assert {kind: (c.n, c.value) for kind, c in found.items()} == {
        "all": (9, pytest.approx(spearmanr(np.arange(9), [1, 2, 3, 4, 5, 9, 8, 7, 6]).statistic)),
        "head": (5, 1.0),
        "mlp_neuron": (4, -1.0),
    }
    assert agreement.with_truth(np.arange(5.0), effects[:5])["mlp_neuron"] is None
