"""Pictures of two cuts: shares mirrored to scale, intervals at their numbers, hollow what could be luck."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from dimap_core.figures.look import Look
from dimap_core.figures.story.differences import PairedRow, difference_picture
from dimap_core.figures.story.images import count_card, image_card
from dimap_core.figures.story.mirrored import Half, kept_by_stage, mirrored_picture
from dimap_core.types.cost import Part
from dimap_core.types.estimates import Difference
from dimap_core.types.model import AUX, MLP, PRJ, QKV

LOOKS = [Look(), Look(dark=True)]
SVG = "{http://www.w3.org/2000/svg}"
PIXEL = "data:image/png;base64,iVBORw0KGgo="
SIZES = {QKV: (3456, 13824, 110592, 221184), PRJ: (1152, 4608, 36864, 73728), MLP: (9216, 36864, 294912, 589824)}
GONE = {QKV: (815, 6368, 77577, 194485), PRJ: (243, 1917, 25755, 65167), MLP: (2074, 16989, 217829, 507761)}


def cut(removed):
    """The cells of swin-textured with `removed(stage, module)` weights gone."""
    cells = {
        (stage, module): Part(size, 0, size - removed(stage, module), 0, size, removed(stage, module))
        for module, sizes in SIZES.items()
        for stage, size in enumerate(sizes)
    }
    return cells | {(0, AUX): Part(388, 0, 388, 0), (None, AUX): Part(9328, 0, 9328, 0)}


RULE = cut(lambda stage, module: GONE[module][stage])  # 80 % by DIMAP over all stages
HAND = cut(lambda stage, module: round((0.4, 0.6, 0.75, 0.8)[stage] * SIZES[module][stage]))
WHOLE = cut(lambda stage, module: 0)
ROWS = [
    PairedRow("B − A, top-1", Difference(1080, 0.005556, -0.006336, 0.017724)),
    PairedRow("B − A, digit", Difference(1080, 0.020370, 0.011302, 0.031004)),
    PairedRow("A − dense", Difference(1080, -0.037963, -0.051937, -0.025971)),
]


def rects(picture, state):
    """(module, x, y, width, height) of a picture's bands in that state."""
    for rect in ET.fromstring(picture.svg).iter(f"{SVG}rect"):
        named = rect.get("class", "").split()
        if named[:1] == [state]:
            yield named[1], *(float(rect.get(key)) for key in ("x", "y", "width", "height"))


def words(picture):
    return ["".join(found.itertext()) for found in ET.fromstring(picture.svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
@pytest.mark.parametrize("width", [600, 340])
def test_pictures_are_whole_and_named_and_hold_no_markup_of_names(look, width):
    drawn = [
        mirrored_picture(Half("<b>A & more that has no room</b>", RULE), Half("B", HAND), "stage", look, width),
        difference_picture([ROWS[0]._replace(label="<i>x</i> − A"), *ROWS[1:]], look, width),
        image_card(PIXEL, 136, "<2> on columns and much more", ("B: 2 & 3", "B says 2 & 3"), look),
        count_card("Only <A> right", "17 images", look),
    ]
    for picture in drawn:
        root = ET.fromstring(picture.svg)
        assert root.get("role") == "img" and root.get("aria-label") == picture.told and picture.told
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "g", "rect", "path", "circle", "text", "image"} and "nan" not in picture.svg.lower()
        assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)


@pytest.mark.parametrize("width", [600, 340])
def test_both_halves_keep_from_the_middle_outwards_to_one_scale(width):
    picture = mirrored_picture(Half("A", RULE), Half("B", HAND), "stage", Look(), width)
    kept, gone = (list(rects(picture, state)) for state in ("kept", "gone"))
    whole = {wide + next(g[3] for g in gone if g[2] == y and (g[1] < width / 2) == (x < width / 2))
             for _, x, y, wide, _ in kept}  # fmt: skip
    assert max(whole) - min(whole) < 0.05 and min(x for _, x, *_ in gone) >= 0
    assert max(x + wide for _, x, _, wide, _ in gone) <= width
    lefts = [row for row in kept if row[1] < width / 2]
    rights = [row for row in kept if row[1] > width / 2]
    assert len({round(x + wide, 1) for _, x, _, wide, _ in lefts}) == 1 == len({x for _, x, *_ in rights})
    for cells, side in ((RULE, lefts), (HAND, rights)):
        found = {(module, y): wide / max(whole) for module, _, y, wide, _ in side}
        tops = {module: sorted(y for other, y in found if other == module) for module in (QKV, PRJ, MLP)}
        for module, ys in tops.items():
            for stage, y in enumerate(ys):
                assert found[module, y] == pytest.approx(1 - cells[stage, module].ratio, abs=1e-3)


def test_bands_are_high_by_their_weights_and_do_not_overlap():
    picture = mirrored_picture(Half("A", WHOLE), Half("B", WHOLE), "stage", Look())
    assert not list(rects(picture, "gone"))
    stage = sorted((y, high, module) for module, x, y, _, high in rects(picture, "kept") if x < 300)[:3]
    assert [module for *_, module in stage] == [QKV, PRJ, MLP]
    assert all(y + high <= below + 1e-6 for (y, high, _), (below, *_) in pairwise(stage))
    heights = {module: high for _, high, module in stage}
    assert heights[PRJ] == 7.0 and heights[MLP] > 2 * heights[QKV]  # 3 : 1 : 8, the thinnest at its least


def test_the_shares_are_said_in_numbers_too():
    assert {stage: round(share, 2) for stage, share in kept_by_stage(RULE).items()} == {
        0: 0.77,
        1: 0.54,
        2: 0.27,
        3: 0.13,
    }
    picture = mirrored_picture(Half("A", RULE), Half("B", HAND), "stage", Look())
    assert picture.told.endswith("A and B: stage 1: 77 % and 60 %; stage 2: 54 % and 40 %; stage 3: 27 % and 25 %; "
                                 "stage 4: 13 % and 20 %")  # fmt: skip
    shown = words(picture)
    assert [word for word in shown if word.endswith("%")] == [f"{n} %" for n in (77, 54, 27, 13, 60, 40, 25, 20)]
    assert {"QKV", "projection", "MLP", "Stage", "4", "A", "B"} <= {*shown}


def test_a_model_with_fewer_stages_leaves_the_rest_empty():
    short = {key: part for key, part in HAND.items() if key[0] in (0, 1)}
    picture = mirrored_picture(Half("A", RULE), Half("C", short), "part", Look())
    assert "part 4: 13 % and none" in picture.told
    assert len([row for row in rects(picture, "kept") if row[1] > 300]) == 6


@pytest.mark.parametrize("width", [560, 330])
def test_intervals_lie_where_their_numbers_are(width):
    picture = difference_picture(ROWS, Look(), width)
    ticks = {word: float(found.get("x")) for found in ET.fromstring(picture.svg).iter(f"{SVG}text")
             if re.fullmatch(r"0|[+−]\d+", word := "".join(found.itertext()))}  # fmt: skip
    low, zero = ticks["−4"], ticks["0"]
    unit = (zero - low) / 4
    lines = re.findall(r'class="interval" d="M([\d.]+) [\d.]+H([\d.]+)"', picture.svg)
    centres = re.findall(r'<circle cx="([\d.]+)"', picture.svg)
    for row, ends, centre in zip(ROWS, lines, centres, strict=True):
        found = [(float(x) - zero) / unit for x in (*ends, centre)]
        wanted = [100 * part for part in (row.difference.low, row.difference.high, row.difference.value)]
        assert found == pytest.approx(wanted, abs=0.05)
    assert picture.told.startswith("B − A, top-1: +0.6 points (−0.6 to +1.8), could be luck; ")


def test_what_could_be_luck_is_hollow_and_said():
    look = Look()
    picture = difference_picture(ROWS, look)
    assert re.findall(r'r="5.5" fill="(#\w+)"', picture.svg) == [look.surface, look.ink, look.ink]
    assert [word for word in words(picture) if "chance" in word or "luck" in word] == [
        "could be luck", "beyond chance", "beyond chance",
    ]  # fmt: skip


def test_what_lies_far_off_is_an_arrow_beside_its_number():
    far = PairedRow("A − dense", Difference(1080, -0.7, -0.73, -0.67))
    picture = difference_picture([ROWS[0], far], Look())
    assert picture.svg.count('class="beyond"') == 1 and picture.svg.count('class="interval"') == 1
    assert "−70.0" in words(picture)
    assert 'class="beyond"' not in difference_picture([far], Look()).svg  # alone it is what the scale is for
    with_end = PairedRow("A − dense", Difference(1080, -0.1, -0.3, -0.05))
    cut_off = difference_picture([ROWS[0], with_end], Look()).svg
    assert cut_off.count('class="interval"') == 2 and cut_off.count('class="beyond"') == 1


def test_an_image_has_its_label_and_answers_in_full_for_those_who_do_not_see_it():
    answer = "B: tiger shark, Galeocerdo", "B says tiger shark, Galeocerdo"
    card = image_card(PIXEL, 136, "great white shark, white shark", answer, Look())
    assert card.told == "Image 137, labelled great white shark, white shark; B says tiger shark, Galeocerdo"
    assert "great white sha…" in words(card) and PIXEL in card.svg
    assert words(count_card("Only this cut right", "1 image", Look())) == ["Only this cut", "right", "1 image"]
    assert "<image" not in image_card("", 0, "2", ("B: 3", "B says 3"), Look()).svg
