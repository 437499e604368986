"""Intervals on one scale: where they are drawn, and that all of them lie within the picture."""

import re

import pytest

from dimap_core.figures import Interval, Look, intervals

ROWS = [Interval("few", 0.7, 0.55, 0.82), Interval("all", 0.74, 0.71, 0.77, mark=0.9)]


def bars(svg):
    """(left, right) of every interval drawn."""
    return [(float(a), float(b)) for a, b in re.findall(r'd="M([\d.]+) [\d.]+H([\d.]+)"', svg)]


@pytest.mark.parametrize("width", [350, 700])
@pytest.mark.parametrize("rows", [ROWS, ROWS * 10])
def test_bars_keep_their_proportions_and_the_picture(rows, width):
    drawn = intervals(rows, "{:.0%}".format, width, Look(), within=(0, 1))
    found = bars(drawn.svg)
    assert len(found) == len(rows) and all(0 <= left < right <= width for left, right in found)
    (a, b), (c, d) = found[:2]
    assert (b - a) / (d - c) == pytest.approx(0.27 / 0.06, rel=0.02) and a < c < d < b
    assert "few: 70% (55% to 82%)" in drawn.told


def test_a_line_lies_on_the_scale_of_the_bars():
    svg = intervals([Interval("", 0.0, -0.1, 0.1)], str, 700, Look(), (0.0, "no difference")).svg
    ((left, right),) = bars(svg)
    line = float(re.search(r'd="M([\d.]+) [\d.]+V[\d.]+" stroke="[^"]+" stroke-width="2"', svg)[1])
    assert line == pytest.approx((left + right) / 2, abs=0.11) and "no difference" in svg


def test_a_miss_is_drawn_as_one():
    hit, miss = (intervals([Interval("", 0.5, 0.4, 0.6, missed=out)], str, 700, Look()).svg for out in (False, True))
    assert Look().cut in miss and Look().cut not in hit
