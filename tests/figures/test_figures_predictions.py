"""Figures of the Predictions page: every number where it belongs, one scale for both maps."""

import numpy as np
import pytest

from dimap_core.figures.look import Look
from dimap_core.figures.predictions import confusion_chart, drop_chart, explanation_chart
from dimap_core.measure.intervals import wilson
from dimap_core.types.estimates import Difference
from dimap_core.types.findings import Share

LOOKS = [Look(), Look(dark=True, size=20)]
SHARES = [
    Share("seven", wilson(50, 50), wilson(40, 50), Difference(50, -0.2, -0.33, -0.08)),
    Share("two", wilson(49, 50), wilson(48, 50), Difference(50, -0.02, -0.1, 0.05)),
    Share("one", wilson(40, 50), wilson(49, 50), Difference(50, 0.18, 0.06, 0.3)),
]


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
def test_losses_are_dots_with_their_intervals_in_the_given_order(look):
    figure = drop_chart(SHARES, look)
    for row, (trace, share) in enumerate(zip(figure.data, SHARES, strict=True)):
        assert list(trace.x) == [100 * share.drop.low, 100 * share.drop.value, 100 * share.drop.high]
        assert set(trace.y) == {row} and share.name in trace.hovertemplate and "n = 50" in trace.hovertemplate
    assert [trace.line.color for trace in figure.data] == [look.cut, look.muted, look.done]
    assert list(figure.layout.yaxis.ticktext) == ["seven", "two", "one"]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # the first one on top
    assert [note.text for note in figure.layout.annotations] == [
        "100 → <b>80</b> %", "98 → <b>96</b> %", "80 → <b>98</b> %",
    ]  # fmt: skip


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
def test_the_confusions_change_has_signs_where_something_changed(look):
    change = np.array([[-3, 3, 0], [0, 0, 0], [1, -1, 0]])
    figure = confusion_chart(change, ["a", "b", "c"], look)
    (trace,) = figure.data
    assert [list(row) for row in trace.text] == [["−3", "+3", ""], ["", "", ""], ["+1", "−1", ""]]
    assert (trace.zmin, trace.zmax) == (-3, 3)
    assert trace.customdata[2][0] == "c → a: +1"


def test_many_classes_have_no_numbers_and_few_names():
    figure = confusion_chart(np.zeros((40, 40), int), [f"class {i}" for i in range(40)], Look())
    assert figure.data[0].texttemplate is None and len(figure.layout.xaxis.ticktext) == 10
    assert figure.data[0].zmax == 1  # nothing changed: no division by zero, no colours either


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
@pytest.mark.parametrize("signed", [True, False])
def test_both_maps_lie_over_the_image_in_one_scale(look, signed):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (3, 8, 8), dtype=np.uint8)
    dense, pruned = rng.random((8, 8)), 5 * rng.random((8, 8))
    figure = explanation_chart(image, dense, pruned, signed, "for class 7", look)
    grey, first, other, second = figure.data
    np.testing.assert_allclose(grey.z, image.mean(0))
    np.testing.assert_allclose(other.z, image.mean(0))
    np.testing.assert_array_equal(first.z, dense)
    np.testing.assert_array_equal(second.z, pruned)
    assert first.zmax == second.zmax == np.percentile([dense, pruned], 99)
    assert first.zmin == second.zmin == (-first.zmax if signed else 0)
    notes = [note.text for note in figure.layout.annotations]
    assert notes[:2] == ["<b>dense</b>", "<b>pruned</b>"] and "for class 7" in notes[2]
    assert ("against it" in notes[2]) == signed
    assert (figure.layout.xaxis.visible, figure.layout.xaxis2.visible) == (False, False)
    assert figure.layout.showlegend is False and figure.layout.dragmode is False


def test_a_photograph_is_smooth_and_its_maps_keep_their_places():
    image, values = np.zeros((3, 4, 4), np.uint8), np.ones((4, 4))
    smooth = explanation_chart(image, values, values, True, "for x", Look(), smooth=True)
    assert [trace.zsmooth for trace in smooth.data] == ["best", None, "best", None]
    drawn = explanation_chart(image, values, values, True, "for x", Look())
    assert not any(trace.zsmooth for trace in drawn.data)


def test_maps_without_a_value_are_drawn_too():
    figure = explanation_chart(
        np.zeros((3, 4, 4), np.uint8), np.zeros((4, 4)), np.zeros((4, 4)), False, "for x", Look()
    )
    assert figure.data[1].zmax == 1
