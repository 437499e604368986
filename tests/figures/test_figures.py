"""Figures: built from plain data in light and dark, with every number where it belongs."""

import itertools
import re
from collections.abc import Mapping

import numpy as np
import pytest

from dimap_core import pipeline
from dimap_core.figures import agreement, distribution, importance, kept, sensitivity
from dimap_core.figures.look import Look, rgba
from dimap_core.figures.tradeoff import Curve, Point, Tradeoff, difference, pareto_front, tradeoff
from dimap_core.plan.selection import select
from dimap_core.studies import summaries
from dimap_core.types.estimates import AccuracyEstimate, Difference, Proportion
from dimap_core.types.findings import CellCut, Compared, Disagreement, Effect, Piece
from dimap_core.types.model import PRUNABLE_MODULES
from dimap_core.types.plan import PruningPlan

LOOKS = [Look(), Look(dark=True, size=20)]


def point(x, y, n=540, key=-1, label="", smaller=False):
    return Point(x, y, max(y - 0.02, 0), min(y + 0.01, 1), n, label, key, smaller)


def picture(**more):
    """A whole trade-off: curves, a history, two pins and the current point."""
    given = {
        "dense": point(1, 0.97),
        "curves": [Curve("DIMAP", [point(0.5, 0.9), point(0.2, 0.4)]), Curve("uniform", [point(0.6, 0.8)], True)],
        "history": [point(0.9, 0.96, key=0, label="first"), point(0.7, 0.95, key=2)],
        "pins": {"A": point(0.9, 0.96), "B": point(0.45, 0.948)},
        "current": point(0.4, 0.8),
        "chance": 0.1,
    }
    return Tradeoff(**{**given, **more})


def compared():
    """Two criteria on fifty units, one of them named."""
    ranks = np.random.default_rng(0).random((50, 2)).astype(np.float32) * 100
    return Compared(ranks, 50, (Disagreement("block 1.1, head 2", 90.0, 10.0),))


def effects(count):
    """Heads and tenths by turns, each costlier than the one before."""
    drop = Difference(540, -0.02, -0.03, 0.0)
    kinds = ["head", "mlp_neuron"]
    rises = [Difference(540, 0.1 * i, 0.1 * i - 0.05, 0.1 * i + 0.05) for i in range(count)]
    return [Effect(Piece(0, kinds[i % 2], i, i + 1), drop, rises[i], 0.0) for i in range(count)]


def cut(stage, removed, top1):
    """The MLP of one stage cut alone; the dense model is right on 99.5 %."""
    drop = Difference(200, top1 - 0.995, top1 - 1, 0.0)
    share = Proportion(200, round(200 * top1), max(top1 - 0.05, 0), min(top1 + 0.05, 1))
    estimate = AccuracyEstimate(200, 200, {"joint": share}, share, {"joint": drop})
    return CellCut(stage, "MLP-M", removed, removed, 0.1, 0.1, estimate, Difference(200, 0.1, 0.0, 0.2), 0.0)


def texts(figure):
    return [note.text for note in figure.layout.annotations]


def stars(figure):
    return [t for t in figure.data if isinstance(t.marker.symbol, str) and t.marker.symbol.startswith("star")]


@pytest.fixture(scope="module")
def seen(tiny_swin):
    plan = PruningPlan(ratio=0.6, scope="model")
    selection, cost = pipeline.apply_plan(tiny_swin, plan)
    return tiny_swin, pipeline.score(tiny_swin, plan), selection, cost


@pytest.fixture(scope="module")
def rows(seen):
    opened, scores, selection, _ = seen
    return summaries.weight_rows(opened.anatomy, pipeline.weight_arrays(opened), scores, selection)


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
def test_every_figure_is_built_in_both_looks_without_legend_or_zoom_by_mouse(seen, rows, look):
    opened, scores, selection, cost = seen
    block = opened.anatomy.stages[0].blocks[0]
    table = summaries.kept_by_block(opened.anatomy, selection)
    figures = [
        tradeoff(picture(), look),
        tradeoff(Tradeoff(dense=None), look, zoom=True),
        kept.kept_bars(cost.cells, "stage", look),
        distribution.ridgeline(rows, look, "|w|"),
        distribution.plain_against_plan(rows, rows, "DIMAP", look),
        importance.block_heatmap(table, ["1.1", "2.1", "2.2"], "kept, %", look),
        importance.head_heatmap(summaries.kept_by_head(opened.anatomy, block, scores, selection), look),
        importance.mask_heatmap(np.eye(12), (12, 12), look, thirds=True),
        importance.score_bars(np.linspace(0, 1, 12), 5, look),
        importance.score_bars(np.linspace(0, 1, 500), 0, look),
        agreement.agreement_heatmap({"stage 1": np.array([0.5, -0.001, 1])}, look),
        agreement.rank_scatter(compared(), ("DIMAP", "Random"), "MLP-M", look),
        agreement.truth_scatter(np.arange(8.0), effects(8), [f"piece {i}" for i in range(8)], "DIMAP", look),
        sensitivity.stage_curves([cut(0, 0.5, 0.9), cut(1, 0.8, 0.3)], "MLP-M", ["stage 1", "stage 2"], look),
    ]
    for figure in figures:
        written = figure.to_json()
        assert figure.layout.showlegend is False and figure.layout.dragmode is False
        assert figure.layout.font.color == look.ink and figure.layout.font.size == look.size
        assert "http" not in written and len(written) < 400_000


def test_rgba_reads_hex():
    assert rgba("#0A10FF", 0.5) == "rgba(10,16,255,0.5)"


def test_the_pareto_front_is_what_nothing_else_beats():
    rng = np.random.default_rng(1)
    for _ in range(200):
        points = [point(*np.round(rng.random(2), 1)) for _ in range(rng.integers(1, 9))]
        best = {
            (p.x, p.y)
            for p in points
            if not any(q.x <= p.x and q.y >= p.y and (q.x, q.y) != (p.x, p.y) for q in points)
        }
        front = pareto_front(points)
        assert {(p.x, p.y) for p in front} == best and len(front) == len(best)
        assert all(a.x < b.x and a.y < b.y for a, b in itertools.pairwise(front))


def test_the_difference_is_a_share_of_a_and_points_of_accuracy():
    assert difference(point(0.5, 0.95), point(0.31, 0.938), "MACs") == "−38 % MACs, −1.2 points"
    assert difference(point(0.4, 0.9), point(0.6, 0.95), "params") == "+50 % params, +5.0 points"
    assert difference(point(0, 0.9), point(0.6, 0.9), "MACs") == "+0 % MACs, +0.0 points"


def test_the_axes_are_fixed_from_below_chance_to_above_dense_and_the_zoom_shows_the_top():
    whole, zoomed = (tradeoff(picture(), Look(), zoom=zoom) for zoom in (False, True))
    assert tuple(whole.layout.xaxis.range) == (0, 107)
    assert tuple(whole.layout.yaxis.range) == pytest.approx((6, 100))
    assert tuple(zoomed.layout.yaxis.range) == pytest.approx((82, 98))
    assert any("guessing, 10.0 %" in text for text in texts(whole))
    assert not any("guessing" in text for text in texts(zoomed))


def test_the_star_is_hollow_until_enough_images_were_seen_and_has_its_interval():
    for n, symbol in ((63, "star-open"), (64, "star")):
        (star,) = stars(tradeoff(picture(current=point(0.4, 0.8, n)), Look()))
        assert star.marker.symbol == symbol
        assert (star.x, star.y) == ((40,), (80,))
        assert star.error_y.array[0] == pytest.approx(1) and star.error_y.arrayminus[0] == pytest.approx(2)
    assert not stars(tradeoff(picture(current=None), Look()))


def test_squares_are_really_smaller_models():
    figure = tradeoff(picture(history=[point(0.5, 0.9), point(0.4, 0.8, smaller=True)]), Look())
    (tried,) = [trace for trace in figure.data if trace.mode == "markers+text"]
    assert list(tried.marker.symbol) == ["circle", "square"]
    (star,) = stars(tradeoff(picture(current=point(0.5, 0.9, smaller=True)), Look()))
    assert star.marker.symbol == "star-square"


def test_units_that_go_are_told_from_those_that_stay():
    few = importance.score_bars(np.array([0.1, 0.2, 0.5, 1.0]), 1, Look())
    assert [list(bar.y) for bar in few.data] == [[0.1], [0.2, 0.5, 1.0]]
    assert few.data[0].marker.color.endswith(",0.0)") and not few.data[1].marker.color.endswith(",0.0)")


def test_circles_are_told_and_count_from_one():
    figure = tradeoff(picture(), Look())
    (circles,) = [trace for trace in figure.data if trace.mode == "markers+text"]
    assert list(circles.text) == ["1", "3"]
    assert list(circles.marker.opacity) == sorted(circles.marker.opacity)
    assert "n = 540" in circles.customdata[0] and "first" in circles.customdata[0]


def test_one_pin_is_a_letter_and_two_are_joined():
    label = "−50 % MACs, −1.2 points"
    assert {"<b>A</b>", "<b>B</b>", label} <= set(texts(tradeoff(picture(), Look())))
    alone = texts(tradeoff(picture(pins={"B": point(0.5, 0.9)}), Look()))
    assert "<b>B</b>" in alone and not any("points" in text for text in alone)


def test_the_front_needs_a_third_point_that_was_seen_well_enough():
    def shaded(**given):
        return any(trace.fill == "tonexty" for trace in tradeoff(picture(**given), Look()).data)

    assert shaded()
    assert not shaded(history=[])
    assert not shaded(history=[point(0.9, 0.96, n=60)])


def test_curves_are_named_beside_them_and_empty_ones_are_left_out():
    figure = tradeoff(picture(curves=[Curve("DIMAP", [point(0.5, 0.9)]), Curve("none", [])]), Look())
    assert any(text.startswith("DIMAP") for text in texts(figure))
    assert not any(text.startswith("none") for text in texts(figure))


def test_bars_show_the_kept_share_of_each_cell(seen):
    _, _, _, cost = seen
    figure = kept.kept_bars(cost.cells, "block group", Look())
    solid = [bar for bar in figure.data if isinstance(bar.marker.color, str) and bar.marker.color.startswith("#")]
    assert [bar.marker.color for bar in solid] == [Look().fill(module) for module in PRUNABLE_MODULES]
    for bar, module in zip(solid, PRUNABLE_MODULES, strict=True):
        for stage, height in enumerate(bar.y):
            part = cost.cells[stage, module]
            assert height == pytest.approx(100 * (part.prunable - part.removed) / part.prunable)
    assert list(figure.layout.xaxis.ticktext) == ["block group 1", "block group 2"]


def test_a_ridge_says_what_was_removed_and_can_be_clicked(rows):
    figure = distribution.ridgeline(rows, Look(), "|w|")
    removed = [row for row in rows if row.removed.any()]
    assert sum(text.startswith("−") for text in texts(figure) if text) == len(removed) > 0
    (targets,) = [trace for trace in figure.data if trace.mode == "markers"]
    assert {data[0] for data in targets.customdata} == {row.label for row in rows}
    assert list(figure.layout.yaxis.ticktext) == [row.label for row in reversed(rows)]


def test_thresholds_are_strokes_on_both_sides_of_a_signed_axis(seen):
    opened, scores, selection, _ = seen
    weights = pipeline.weight_arrays(opened)
    for signed in (False, True):
        rows = summaries.weight_rows(opened.anatomy, weights, scores, selection, signed)
        figure = distribution.ridgeline(rows, Look(), "w", log=not signed)
        strokes = next(t for t in figure.data if t.mode == "lines" and t.line.color == Look().ink)
        expected = [t for row in rows for t in row.thresholds]
        shown = sorted({x for x in strokes.x if x is not None})
        known = {-t for t in expected} | set(expected) if signed else {np.log10(t) for t in expected}
        np.testing.assert_allclose(shown, sorted(known))


def test_the_argument_sets_both_shares_of_each_row_side_by_side(seen, rows):
    opened, scores, _, _ = seen
    weights = pipeline.weight_arrays(opened)
    other = select(scores, opened.anatomy, PruningPlan(ratio=0.3, scope="layer"))
    plain = summaries.weight_rows(opened.anatomy, weights, scores, other)
    figure = distribution.plain_against_plan(plain, rows, "DIMAP", Look())
    circle, dot = [trace for trace in figure.data if trace.mode == "markers"]
    np.testing.assert_allclose(circle.x, [100 * row.removed_share for row in plain])
    np.testing.assert_allclose(dot.x, [100 * row.removed_share for row in rows])


def test_heatmaps_write_the_number_into_the_cell():
    figure = importance.block_heatmap(np.array([[0.5, 1, 0], [0.123, np.nan, 0.999]]), ["1.1", "2.1"], "kept", Look())
    assert [list(row) for row in figure.data[0].text] == [["50", "100", "0"], ["12", "–", "100"]]
    assert len(figure.layout.shapes) == 1  # a line between the stages
    heads = importance.head_heatmap({"Q": np.array([0.0, 0.4])}, Look())
    assert [list(row) for row in heads.data[0].text] == [["✕", "40"]]
    pairs: Mapping = {"stage 1": np.array([0.914, -0.001, 1]), "all": np.array([-0.5, np.nan, 0])}
    agreed = agreement.agreement_heatmap(pairs, Look())
    assert [list(row) for row in agreed.data[0].text] == [["0.91", "0.00", "1.00"], ["−0.50", "–", "0.00"]]
    assert list(agreed.layout.yaxis.ticktext) == ["stage 1", "all"]


def test_units_ranked_furthest_apart_are_ringed():
    *_, rings = agreement.rank_scatter(compared(), ("DIMAP", "Random"), "QKV-M", Look()).data
    assert (list(rings.x), list(rings.y), list(rings.customdata)) == ([90.0], [10.0], ["block 1.1, head 2"])


def test_pieces_lie_at_both_ranks_and_tell_what_was_measured():
    figure = agreement.truth_scatter(np.array([3.0, 1.0, 2.0, 4.0]), effects(4), list("abcd"), "DIMAP", Look())
    heads, tenths = (next(t for t in figure.data if t.name == name) for name in agreement.KIND_NAMES.values())
    assert (list(heads.x), list(heads.y)) == ([62.5, 37.5], [12.5, 62.5])  # ranks 3 and 2 of 4, rises 1 and 3 of 4
    assert (list(tenths.x), list(tenths.y)) == ([12.5, 87.5], [37.5, 87.5])
    assert heads.customdata[1].startswith("c<br>loss +0.2000") and "−2.0 points, n = 540" in heads.customdata[1]


def test_panels_share_the_axis_that_their_lowest_interval_needs():
    high, low = [cut(0, 0.5, 0.99)], [cut(0, 0.5, 0.99), cut(1, 0.9, 0.4)]
    assert [sensitivity.floor_of(rows) for rows in (high, low)] == [0.9, 0.0]
    figure = sensitivity.stage_curves(low, "MLP-M", ["stage 1", "stage 2", "stage 3"], Look())
    assert {"−0.5 points at 50 %", "−59.5 points at 90 %", "nothing can be removed here"} <= set(texts(figure))
    assert list(figure.layout.yaxis.ticktext[:3]) == ["0", "50", "100"]
    curve = next(trace for trace in figure.data if trace.mode == "lines+markers")
    assert list(curve.x) == [0, 50] and list(curve.y) == pytest.approx([0.995, 0.99])
    waiting = sensitivity.stage_curves(low, "MLP-M", ["stage 1", "stage 2", "stage 3"], Look(), waiting=True)
    assert not any("nothing" in text for text in texts(waiting))


def test_a_mask_is_marked_in_thirds_where_it_holds_q_k_and_v():
    marked = importance.mask_heatmap(np.eye(12), (1200, 400), Look(), thirds=True)
    assert [re.sub("<.*?>", "", text) for text in texts(marked)] == ["Q", "K", "V"] and len(marked.layout.shapes) == 2
    assert marked.layout.yaxis.title.text == "1,200 outputs"
    assert texts(importance.mask_heatmap(np.eye(12), (12, 12), Look())) == []


def test_a_point_worse_than_guessing_is_on_the_figure():
    for y, bottom in ((0.3, 26), (0.9, 46)):
        figure = tradeoff(Tradeoff(None, chance=0.5, current=point(0.4, y)), Look())
        assert figure.layout.yaxis.range[0] == pytest.approx(bottom)
