"""A sweep's figures: every cut where it belongs, the front as brute force finds it, and what their titles claim."""

import numpy as np
import pytest

from dimap_core.figures import findings
from dimap_core.figures.look import Look
from dimap_core.figures.sweep import SweptBy, SweptCurve, SweptPoint, sweep_curves, sweep_front, undominated
from dimap_core.types.estimates import Difference

LOOKS = [Look(), Look(dark=True, size=20)]


def points(count, seed=0):
    """Cuts at random, some alike in one number or in both."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(1, 12, (count, 2)) / 12
    return [
        SweptPoint(float(x), float(y), max(0.0, y - 0.05), min(1.0, y + 0.02), 540, f"cut {key}", bool(key % 2), key)
        for key, (x, y) in enumerate(drawn)
    ]


def beaten(one, others):
    """Whether another removes as much or more, is right as often or more, and does better in one of them."""
    return any(o.x >= one.x and o.y >= one.y and (o.x, o.y) != (one.x, one.y) for o in others)


@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_what_no_other_cut_beats(seed):
    cuts = points(40, seed)
    front = undominated(cuts)
    assert {(one.x, one.y) for one in front} == {(one.x, one.y) for one in cuts if not beaten(one, cuts)}
    assert [one.x for one in front] == sorted({one.x for one in front})
    unbeaten = [one for one in cuts if not beaten(one, cuts)]
    images = sum(one.images for one in unbeaten)
    assert findings.unbeaten(cuts) == (
        f"{len(unbeaten)} of 40 cuts are beaten by no other, {images} of them by rules that read images"
    )
    assert findings.unbeaten(cuts[:1]) == "1 of 1 cuts are beaten by no other"


@pytest.mark.parametrize("look", LOOKS)
def test_the_shade_lies_under_the_front_and_both_ways_have_their_own(look):
    cuts = points(30)
    figure = sweep_front(cuts, SweptBy("MACs", force=7), look)
    shade, *others = figure.data
    for one in cuts:  # the stair at its place is as high as the best that removes as much
        best = max(o.y for o in cuts if o.x >= one.x)
        there = max(y for x, y in zip(shade.x, shade.y, strict=True) if x >= 100 * one.x - 1e-9)
        assert there == pytest.approx(100 * best)
    marks = [trace for trace in others if trace.mode == "markers" and trace.customdata]
    assert sorted(key for trace in marks for key in trace.customdata) == list(range(30))
    (star,) = (trace for trace in others if trace.name == "in force")
    assert (star.x[0], star.y[0]) == (100 * cuts[7].x, 100 * cuts[7].y)
    lines = [trace for trace in others if trace.mode == "lines" and trace.visible]
    assert len(lines) == 2 and len({trace.line.color for trace in lines}) == 2
    alone = sweep_front([one for one in cuts if not one.images], SweptBy("MACs"), look)
    assert sum(bool(trace.visible) for trace in alone.data if trace.mode == "lines" and trace.name) == 1


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("look", LOOKS)
def test_a_curve_a_setting_with_its_intervals(look, paired):
    cuts = points(12)
    curves = [SweptCurve("one", cuts[:6], 0, 0), SweptCurve("other", cuts[6:], 1, 1)]
    figure = sweep_curves(curves, SweptBy("params", "top-1", 0.97, paired), look)
    first, second = figure.data
    assert [*first.x] == sorted(100 * one.x for one in cuts[:6])
    low = {one.key: 100 * (one.y - one.low) for one in cuts}
    assert [*second.error_y.arrayminus] == pytest.approx([low[key] for key in second.customdata])
    assert (first.line.color, first.line.dash) != (second.line.color, second.line.dash)
    assert figure.layout.shapes[0].y0 == (0.0 if paired else 97.0)
    assert ("paired" in figure.layout.yaxis.title.text) == paired and "params" in figure.layout.xaxis.title.text
    assert ("points" in first.text[0]) == paired


def test_the_title_names_the_most_that_went_without_a_loss_beyond_chance():
    tried = [
        ("a", 0.4, Difference(540, -0.01, -0.02, 0.0)),
        ("b", 0.8, Difference(540, -0.05, -0.08, -0.02)),
        ("c", 0.3, Difference(540, 0.01, -0.01, 0.03)),
    ]
    assert findings.deepest(tried, "MACs") == "Most that went without a loss beyond chance: 40\u00a0% of MACs (a)"
    assert findings.deepest(tried[1:2], "MACs") == "Every cut so far loses more than chance explains"
