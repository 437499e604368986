"""Pictures of lessons: well-formed, named, true to their numbers, and no answer before it is worked out."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from dimap_core.figures.lessons.by_hand import by_hand, shown
from dimap_core.figures.lessons.fit import fitted
from dimap_core.figures.look import Look
from dimap_core.types.model import PRJ

LOOKS = [Look(), Look(dark=True)]
WIDTHS = [700.0, 350.0]
LINES = [(-0.5, 0.25, 0.25, 1.0), (0.4, 0.16, 0.41, 0.16 / 0.41), (0.2, 0.04, 0.45, 0.04 / 0.45)]
WORDS = ("before <b>", "after & all", "lost")


def pieces(svg, name):
    return [element for element in ET.fromstring(svg).iter() if element.tag.endswith(f"}}{name}")]


def words(svg):
    return [element.text for element in pieces(svg, "text")]


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pictures_are_whole_named_and_as_wide_as_asked(look, width):
    dense, made = [-1.0, 0.5, 0.5], [-0.5, 0.1, 9.0]
    for svg, told in (
        by_hand(LINES, {1: False, 2: True}, (1,), PRJ, width, look),
        fitted(dense, made, (0.4, 0.2, None), WORDS, width, look),
    ):
        root = ET.fromstring(svg)
        assert root.get("role") == "img" and root.get("aria-label") == told and told
        assert float(root.get("width")) <= width + 4 and "nan" not in svg.lower().replace("sans", "")
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "g", "rect", "path", "text", "circle"}
    assert look.cut in svg and "1 points lie beyond the edge" in told


@pytest.mark.parametrize("width", WIDTHS)
def test_a_score_that_is_asked_for_stands_nowhere_before_it_is_right(width):
    svg, told = by_hand(LINES, {1: False, 2: False}, (2,), PRJ, width, Look())
    assert words(svg).count("?") == 3  # two scores and a sum
    for hidden in (shown(LINES[1][3]), shown(LINES[2][3]), shown(LINES[2][2])):
        assert hidden not in svg and hidden not in told
    svg, told = by_hand(LINES, {1: True, 2: True}, (2,), PRJ, width, Look())
    assert "?" not in words(svg) and all(shown(value) in told and shown(value) in svg for value in LINES[2])


def test_each_bar_is_the_sum_with_the_weights_own_part_at_its_end():
    look = Look()
    svg, _ = by_hand(LINES, {}, (), PRJ, 700, look)
    before = [rect for rect in pieces(svg, "rect") if rect.get("fill") == look.line]
    own = [rect for rect in pieces(svg, "rect") if rect.get("fill") == look.fill(PRJ)]
    scale = float(own[0].get("width")) / LINES[0][1]
    for line, first, last in zip(LINES, before, own, strict=True):
        assert float(first.get("width")) == pytest.approx((line[2] - line[1]) * scale, abs=0.02)
        assert float(last.get("width")) == pytest.approx(line[1] * scale, abs=0.02)
        end = float(first.get("x")) + float(first.get("width"))
        assert float(last.get("x")) == pytest.approx(end, abs=0.02)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, "0.2500"), (1.0, "1.000"), (-12.34567, "−12.35"), (0.0123456, "0.01235"), (1234.0, "1234")],
)
def test_numbers_stand_there_to_four_digits(value, text):
    assert shown(value) == text


def test_points_lie_on_the_diagonal_where_nothing_was_lost():
    rng = np.random.default_rng(0)
    dense = rng.standard_normal(20).tolist()
    svg, told = fitted(dense, dense, (0.4, 0.0, 0.0), WORDS, 420, Look())
    places = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in pieces(svg, "circle")]
    (line,) = [path for path in pieces(svg, "path") if path.get("stroke-dasharray")]
    left, bottom = map(float, re.findall(r"[\d.]+", line.get("d"))[:2])
    assert len(places) == 20 and all(abs((x - left) - (bottom - y)) < 0.15 for x, y in places)
    assert "lost: 0.0 %, at first 40 %, at least 0.0 %" in told


def test_the_least_is_told_only_once_it_is_known():
    dense = [1.0, -1.0]
    kept = [fitted(dense, dense, (0.4, 0.2, least), WORDS, 420, Look()) for least in (None, 0.016)]
    assert "1.6 %" not in kept[0].svg + kept[0].told and all("1.6 %" in part for part in kept[1])
