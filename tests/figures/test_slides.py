"""Figures of slides: read from the last row, no letter over another, the star's place is the figure's own."""

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from dimap_core.anatomy.build import build_anatomy
from dimap_core.figures.findings.slides import kind, numbers, statement
from dimap_core.figures.look import Look
from dimap_core.figures.model_map.large import large_picture
from dimap_core.figures.slides.path import path_picture
from dimap_core.figures.tradeoff import Curve, Point, Tradeoff
from dimap_core.measure.intervals import paired_difference, wilson
from dimap_core.models.named_models import skeleton
from dimap_core.types.cost import Part
from dimap_core.types.estimates import AccuracyEstimate
from dimap_core.types.model import PRUNABLE_MODULES

SVG = "{http://www.w3.org/2000/svg}"
READABLE = 24  # px in a picture made for 1280 x 720
WIDE, HIGH = 1152, 452


def pinned(*places):
    """Cuts at those places, by letter."""
    return {letter: Point(x, y, y - 0.02, y + 0.01, 500) for letter, (x, y) in zip("ABCDEFGHI", places, strict=False)}


def drawn(pins, look=None, here=""):
    curve = Curve("DIMAP, module", [Point(x / 10, 0.9, 0.88, 0.92, 500) for x in range(3, 10)])
    rival = Curve("uniform magnitude", curve.points, reference=True)
    data = Tradeoff(Point(1, 0.98, 0.97, 0.99, 500), [curve, rival], pins=pins, chance=0.1)
    names = {letter: f"Cut number {letter} with a rather long name of its own" for letter in pins}
    return path_picture(data, names, look or Look(), WIDE, HIGH, here)


def sizes(svg):
    return [float(size) for size in re.findall(r'font-size="([\d.]+)"', svg)]


@pytest.mark.parametrize("look", [Look(), Look(dark=True)], ids=["light", "dark"])
def test_letters_can_be_read_and_stand_apart_even_where_cuts_lie_close(look):
    pins = pinned(*((0.5 + 0.002 * k, 0.95 - 0.001 * k) for k in range(9)))
    picture, frame = drawn(pins, look)
    root = ET.fromstring(picture.svg)
    assert min(sizes(picture.svg)) >= READABLE
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{SVG}circle") if float(c.get("r")) > 10]
    assert len(circles) == 9
    nearest = min(math.dist(a, b) for k, a in enumerate(circles) for b in circles[:k])
    assert nearest >= 34  # the letters' own width
    assert all(frame.left <= x <= frame.right and 0 < y < frame.bottom for x, y in circles)
    for letter in pins:
        assert f"{letter}, Cut number {letter}" in picture.told and f">{letter}</text>" in picture.svg


def test_the_axis_begins_at_nothing_unless_all_there_is_to_see_is_high():
    high, low = drawn(pinned((0.4, 0.95)))[1], drawn(pinned((0.4, 0.3)))[1]
    assert high.low == pytest.approx(0.7) and low.low == 0
    assert low.y(0.0) == low.bottom and low.x(0.0) == low.left and low.x(1.05) == low.right
    assert low.y(0.5) == pytest.approx(low.bottom - (low.bottom - low.top) * 0.5 / 1.02)


def test_only_the_cut_that_is_spoken_of_has_the_cuts_colour():
    look = Look()
    plain, marked = (drawn(pinned((0.5, 0.9), (0.3, 0.8)), look, here)[0].svg for here in ("", "B"))
    assert f'fill="{look.cut}" stroke="{look.surface}"/><text' not in plain
    assert marked.count(f'fill="{look.cut}"') == plain.count(f'fill="{look.cut}"') + 3  # circle, letter, name


@pytest.mark.parametrize("name", ["swin-textured", "deit-digits", "swin_base_patch4_window7_224"])
def test_the_large_map_says_of_every_stage_what_is_kept(name):
    model, info = skeleton(name)
    anatomy = build_anatomy(model, info.family)
    kept = {(place, module): 0.25 for place in range(len(anatomy.blocks)) for module in PRUNABLE_MODULES}
    svg = large_picture(anatomy, kept, Look(), 720, 250).svg
    words = [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]
    assert min(sizes(svg)) >= READABLE and words.count("25 % kept") == len(anatomy.stages)
    ends = [float(text.get("x")) + 12 * len(text.text) for text in ET.fromstring(svg).iter(f"{SVG}text")]
    assert max(ends) <= 724 + 60  # a stage's words may reach beyond its column, not far out of the picture


def test_a_statement_says_what_is_gone_and_what_is_left_and_never_more():
    total, right = Part(1000, 2000, 290, 820, 900, 710), [True] * 950 + [False] * 50
    assert statement(total, None) == ("71\u00a0% of the weights and 59\u00a0% of the MACs gone.", "")
    dense = np.array([True] * 960 + [False] * 40)
    drop = paired_difference(np.array(right), dense)
    found = AccuracyEstimate(1000, 1000, {"joint": wilson(950, 1000)}, None, {"joint": drop})
    assert statement(total, found)[1] == "95.0\u00a0% of the images still right."
    assert numbers(found).startswith("95.0 % right, 93.5 to 96.2, n = 1,000; −1.0 points against dense (")
    assert numbers(found).endswith("beyond chance" if drop.high < 0 else "could be luck")
    same = AccuracyEstimate(1000, 1000, {"joint": wilson(960, 1000)}, None, {"joint": paired_difference(dense, dense)})
    assert numbers(same).endswith("could be luck")
    assert kind("structure") == "really smaller" and "not faster" in kind("weight") and "not faster" in kind("nm")
