"""Pictures of an image's way: well-formed, named, on one scale, and free of what a class may be called."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from dimap_core.figures.look import Look
from dimap_core.figures.way.answers import answer_picture, handing_chart, parting_chart, survival_picture
from dimap_core.figures.way.stages import stage_picture
from dimap_core.figures.way.svg import cells
from dimap_core.types.way import AtBlock, Spread, Way, WayStep

LOOKS = [Look(), Look(dark=True)]
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def step(block, dense, pruned, shift=(0, 0), mixer="softmax"):
    """A block of a map of 2 x 4 tokens in windows of 2 x 2, the followed one at (1, 1)."""
    bands = ((0, 0), (1, 2, 2, 4) if shift[1] else (0, 0, 1, 1))
    cells = (1, 2, 5, 6) if shift[1] else (0, 1, 4, 5)
    place = 2 if shift[1] else 3
    return WayStep(0, block, mixer, (2, 4), (2, 2), shift, *bands, cells, place, dense, pruned, 0.25 * (block + 1),
                   {"digit": 0.9 - 0.4 * block, "texture": 0.95, "class": 0.8})  # fmt: skip


LOUD = AtBlock(((0.1, 0.2, 0.3, 0.4), (0.0, 0.0, 0.0, 1.0)), (False, False), (1.0, 2.0, 3.0, 4.0) * 2)
QUIET = AtBlock(((0.25,) * 4,) * 2, (False, True), (0.5,) * 8)
NONE = AtBlock(None, (), (1.0,) * 8)
WAY = Way(
    "stage", 3, 9, PIXEL, (2, 4), 0, (1, 1), 1, ("<b>0", "1", "2", "3"),
    {"digit": (0, 1, 0, 1), "texture": (0, 0, 1, 1)},
    {"digit": ("0", "1"), "texture": ("rows", "checks & more")}, (0.1, 0.8, 0.05, 0.05), (0.6, 0.2, 0.1, 0.1),
    (step(0, LOUD, QUIET), step(1, LOUD, QUIET, (0, 1))),
)  # fmt: skip
PLAIN = replace(WAY, cues={}, cue_names={})


def all_pictures(way, look):
    yield from (stage_picture(way.steps, way.steps[-1], "Stage 1", look, view) for view in ("mean", "rollout"))
    yield stage_picture(way.steps, way.steps[-1], "Stage 1", look)
    yield survival_picture(way, look)
    yield from (answer_picture(way, who, look) for who in ("dense", "pruned"))


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
@pytest.mark.parametrize("way", [WAY, PLAIN, replace(PLAIN, classes=("a very long <name> & more", *"bcd"))])
def test_pictures_are_whole_named_and_hold_no_markup_of_names(way, look):
    for svg, told in all_pictures(way, look):
        root = ET.fromstring(svg)
        assert root.get("role") == "img" and root.get("aria-label") == told and told
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "g", "rect", "path", "text", "image"} and "NaN" not in svg and "nan" not in svg
        for element in root.iter():
            assert not any(name.startswith("on") for name in element.attrib)


def fills(svg):
    """Fills of the squares in the order they are drawn."""
    return re.findall(r'<path d="[^"]*z" fill="(#\w+)"', svg)


def test_dense_and_pruned_share_one_scale():
    loud, both, swapped = (
        fills(stage_picture([step(0, *pair)], step(0, *pair), "Stage 1", Look()).svg)
        for pair in ((LOUD, LOUD), (LOUD, QUIET), (QUIET, LOUD))
    )
    half = len(loud) // 2
    assert loud[:half] == loud[half:] == both[:half] == swapped[-half:] and "#00345C" in loud[:half]
    assert both[half:] == swapped[:-half] and "#00345C" not in both[half:]
    alone = stage_picture([step(0, QUIET, QUIET)], step(0, QUIET, QUIET), "Stage 1", Look()).svg
    assert "#00345C" in fills(alone) and len(set(fills(alone))) == 1  # the only values are the largest ones


def test_squares_stand_for_values_and_zero_is_the_ground():
    drawn = cells([0.0, 1.0, 1.0, 0.5], 2, (10, 20, 5), 1.0, Look())
    assert re.findall(r'd="([^"]*)" fill="(#\w+)"', drawn) == [
        ("M15.00 25.00h5.00v5.00h-5.00z", "#809AAE"),
        ("M15.00 20.00h5.00v5.00h-5.00zM10.00 25.00h5.00v5.00h-5.00z", "#00345C")
    ]  # fmt: skip
    assert cells([0.0, 0.0], 2, (0, 0, 1), 0.0, Look()) == '<g shape-rendering="crispEdges"></g>'


def test_windows_are_parted_where_tokens_do_not_meet_and_both_kinds_are_shown():
    svg = stage_picture(WAY.steps, WAY.steps[1], "Stage 1", Look()).svg
    assert "windows 2×2" in svg and "shifted by 0, 1" in svg and "attention, block 2" in svg
    assert len(re.findall(r"l46\.00 46\.00m", svg)) == 1  # one head is crossed out
    whole = replace(WAY.steps[0], window=(2, 4), row_bands=(0, 0), column_bands=(0,) * 4, cells=tuple(range(8)),
                    token=5, dense=NONE, pruned=NONE, mixer="linear")  # fmt: skip
    svg = stage_picture([whole], whole, "Stage 1", Look()).svg
    assert "every token sees" in svg and "all 8" in svg and svg.count("softmax to show") == 2
    before = replace(whole, cells=(-1, *range(8)), token=0, dense=replace(LOUD, attention=((1 / 9,) * 9,) * 2),
                     pruned=QUIET, mixer="softmax")  # fmt: skip
    before = replace(before, pruned=before.dense)
    assert "+ class token" in stage_picture([before], before, "Stage 1", Look()).svg


@pytest.mark.parametrize(
    ("mixer", "boxes", "words"),
    [
        ("softmax", ["48.00"], "windows 2×2"),
        ("conv3", ["72.00"], "its neighbours"),
        ("skip", ["24.00"], "itself alone"),
    ],
)
def test_what_is_filled_is_what_the_token_sees(mixer, boxes, words):
    shown = replace(WAY.steps[0], mixer=mixer) if mixer == "softmax" else step(0, NONE, NONE, mixer=mixer)
    svg = stage_picture([shown], shown, "Stage 1", Look()).svg
    assert re.findall(r'width="([\d.]+)" height="[\d.]+" fill="#DCEBF6"', svg) == boxes and words in svg


def test_what_a_token_sees_in_several_places_is_filled_there():
    shown = replace(WAY.steps[0], column_bands=(0, 1, 0, 0), cells=(0, 2, 3, 4), token=1)
    svg = stage_picture([shown], shown, "Stage 1", Look()).svg
    assert re.findall(r'width="([\d.]+)" height="[\d.]+" fill="#DCEBF6"', svg) == ["24.00", "48.00"]


def test_answers_tell_what_is_said_and_what_survives():
    assert answer_picture(WAY, "dense", Look()).told == "The dense model says 1, 80 %, right"
    assert answer_picture(PLAIN, "pruned", Look()).told == "The pruned model says <b>0, 60 %, wrong"
    assert survival_picture(WAY, Look()).told == (
        "What survives: digit 1, dense: 85 %; digit 1, pruned: 30 %; "
        "texture rows, dense: 90 %; texture rows, pruned: 80 %"
    )
    assert survival_picture(PLAIN, Look()).told == "What survives: class 1, dense: 80 %; class 1, pruned: 20 %"


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
def test_curves_hold_the_numbers_of_the_blocks(look):
    (line,) = parting_chart(WAY, None, look).data
    assert list(line.y) == [0.0, 25.0, 50.0] and list(line.x) == [0, 1, 2]
    band, middle, again = parting_chart(WAY, Spread(200, (0.1, 0.2), (0.3, 0.4), (0.5, 0.6)), look).data
    assert list(band.y) == pytest.approx([0, 10, 20, 60, 50, 0]) and list(middle.y) == pytest.approx([0, 30, 40])
    assert again.y == line.y
    digit, texture = handing_chart(WAY, look).data
    assert list(digit.y) == pytest.approx([85, 90, 50]) and list(texture.y) == pytest.approx([90, 95, 95])
    (only,) = handing_chart(PLAIN, look).data
    assert list(only.y) == pytest.approx([80, 80, 80]) and only.customdata[0] == "dense alone"
