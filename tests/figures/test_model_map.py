"""The map: places by the model's own sizes, drawn widths by what is kept, well-formed, named and readable."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations, pairwise

import pytest

from dimap_core.anatomy.build import build_anatomy
from dimap_core.figures.look import Look
from dimap_core.figures.model_map.blocks import Fill, cost_fill, finding, form, kept_of, places
from dimap_core.figures.model_map.drawing import model_picture
from dimap_core.figures.model_map.fills import common_depth, importance_fill, sensitivity_fill
from dimap_core.figures.model_map.geometry import colors, geometry
from dimap_core.figures.model_map.layout import LEAST, MEDIUM, NARROW, WIDE, brief, narrow, wide
from dimap_core.models.named_models import skeleton
from dimap_core.types.estimates import AccuracyEstimate, Difference
from dimap_core.types.findings import CellCut
from dimap_core.types.model import MLP, PRJ, PRUNABLE_MODULES, QKV

LOOKS = [Look(), Look(dark=True)]
NAMES = ["swin-textured", "deit-digits", "swin_base_patch4_window7_224", "deit_base_patch16_224"]
DEEP = ["swin_base_patch4_window7_224", "deit_base_patch16_224", "vit_large_patch16_224"]
SVG = "{http://www.w3.org/2000/svg}"
SIZES = [WIDE, MEDIUM, NARROW]


def laid_out(anatomy, width):
    return narrow(anatomy) if width == NARROW else wide(anatomy, width)


TEXT = {"15": 8.3, "13": 7.0, "12": 7.0}  # px of a letter at most, on average, in the fonts that stand in


@pytest.fixture(scope="module")
def made():
    """made(name) -> the anatomy of a model whose weights take no memory."""
    found = {}

    def make(name):
        if name not in found:
            model, info = skeleton(name)
            found[name] = build_anatomy(model, info.family)
        return found[name]

    return make


def kept_shares(anatomy):
    """Another share in each band, ends among them."""
    keys = [(place, module) for place in range(len(anatomy.blocks)) for module in PRUNABLE_MODULES]
    return {key: number / (len(keys) - 1) for number, key in enumerate(keys)}


def whole(anatomy):
    return dict.fromkeys(kept_shares(anatomy), 1.0)


def rects(picture, state):
    """(module, x, y, width, height) of a picture's bands in that state."""
    for group in ET.fromstring(picture.svg).iter(f"{SVG}g"):
        named = group.get("class", "").split()
        if named[:1] == [state]:
            yield from (
                (named[1], *(float(rect.get(key)) for key in ("x", "y", "width", "height")))
                for rect in group.iter(f"{SVG}rect")
            )


def apart(one, other):
    (x, y, wide, high), (left, top, across, down) = one, other
    return x + wide <= left + 1e-6 or left + across <= x + 1e-6 or y + high <= top + 1e-6 or top + down <= y + 1e-6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", SIZES)
def test_places_stay_inside_and_apart_and_stand_on_their_base(made, name, width):
    layout = laid_out(made(name), width)
    bands = [band[1:] for column in layout.columns for drawn in column.drawn for band in drawn.bands]
    image = (*layout.image, layout.image[2])
    for x, y, across, down in [*bands, image]:
        assert x >= 0 and y >= 0 and across > 0 and down >= 4 - 1e-6
        assert x + across <= layout.width and y + down <= layout.height
    assert all(apart(*pair) for pair in combinations([*bands, image], 2))
    for column in layout.columns:
        bottoms = {round(drawn.y + drawn.high, 6) for drawn in column.drawn}
        ends = {round(drawn.bands[-1].y + drawn.bands[-1].high, 6) for drawn in column.drawn}
        assert len(bottoms) == 1 and ends == bottoms
        assert [place for drawn in column.drawn for place in drawn.blocks] == [*range(len(column.stage.blocks))]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", SIZES)
def test_area_goes_by_side_times_width_which_is_the_root_of_the_linear_layers_macs(made, name, width):
    anatomy = made(name)
    found = []
    for column in laid_out(anatomy, width).columns:
        macs = sum(layer.macs for layer in column.stage.blocks[0].layers if layer.prunable)
        tokens = form(column.stage.blocks[0]).side ** 2 + form(column.stage.blocks[0]).extra
        on_map = macs * form(column.stage.blocks[0]).side ** 2 / tokens
        found += [drawn.wide * drawn.high / on_map**0.25 for drawn in column.drawn]
    assert found == pytest.approx([found[0]] * len(found), rel=1e-9)


def test_bands_are_as_high_as_the_weights_of_their_modules(made):
    anatomy = made("swin_base_patch4_window7_224")
    for column in wide(anatomy).columns:
        for drawn in column.drawn:
            high = {band.module: band.high for band in drawn.bands}
            layers = column.stage.blocks[drawn.blocks[0]].layers
            size = {module: sum(layer.size for layer in layers if layer.module == module) for module in high}
            assert [*high] == [*PRUNABLE_MODULES]
            for module in high:
                assert high[module] / sum(high.values()) == pytest.approx(size[module] / sum(size.values()), rel=1e-9)
            assert size[QKV] * 8 == 3 * size["MLP-M"]  # as in the papers


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("width", SIZES)
def test_no_block_of_a_deep_model_is_too_thin_to_see(made, name, width):
    columns = laid_out(made(name), width).columns
    assert min(drawn.wide for column in columns for drawn in column.drawn) >= LEAST - 1e-6
    for column in columns:
        assert len({len(drawn.blocks) for drawn in column.drawn}) == 1  # equal groups


def test_swin_b_has_all_blocks_on_a_desk_and_groups_of_three_on_a_phone(made):
    anatomy = made("swin_base_patch4_window7_224")
    assert [len(column.drawn) for column in wide(anatomy).columns] == [2, 2, 18, 2]
    assert [len(column.drawn) for column in narrow(anatomy).columns] == [2, 2, 6, 2]
    small = model_picture(anatomy, whole(anatomy), Look(), width=NARROW).svg
    assert small.count(">×3</text>") == 6


def at(found, band):
    """Width of the rectangle of a band that begins (gone) or ends (kept) where the band does; 0 where none is."""
    return sum(
        across
        for module, x, y, across, _ in found
        if module == band.module and abs(y - band.y) < 0.01
        and min(abs(x - band.x), abs(x + across - band.x - band.wide)) < 0.02
    )  # fmt: skip


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_what_is_kept_is_as_wide_as_its_share_and_lies_right_of_what_is_gone(made, look, width):
    anatomy = made("swin-textured")
    kept = kept_shares(anatomy)
    drawn = model_picture(anatomy, kept, look, width=width)
    solid, gone = ([*rects(drawn, state)] for state in ("kept", "gone"))
    assert len(solid) == len(gone) == len(kept) - 1  # one band keeps nothing, one all
    for column in laid_out(anatomy, width).columns:
        for block in column.drawn:
            for band in block.bands:
                share = kept[places(anatomy, column.stage)[block.blocks[0]], band.module]
                assert at(solid, band) == pytest.approx(share * band.wide, abs=0.02)
                assert at(gone, band) == pytest.approx((1 - share) * band.wide, abs=0.02)


def test_the_knife_comes_from_the_left(made):
    anatomy = made("swin-textured")
    drawn = model_picture(anatomy, dict.fromkeys(whole(anatomy), 0.25), Look())
    left = {(module, y, round(x + across, 1)) for module, x, y, across, _ in rects(drawn, "gone")}
    assert left == {(module, y, round(x, 1)) for module, x, y, _, _ in rects(drawn, "kept")}


def test_taken_out_structures_make_a_block_narrower_within_what_it_was(made):
    anatomy = made("swin-textured")
    kept = {**whole(anatomy), (0, QKV): 0.5, (0, PRJ): 0.5}
    drawn = model_picture(anatomy, kept, Look(), smaller=True)
    assert not [*rects(drawn, "gone")] and len([*rects(drawn, "kept")]) == len(kept)
    first = wide(anatomy).columns[0].drawn[0]
    groups = [group for group in ET.fromstring(drawn.svg).iter(f"{SVG}g") if group.get("class") == "was"]
    (was,) = [rect for group in groups for rect in group]  # only the block that lost something has one
    found = [float(was.get(key)) for key in ("x", "y", "width", "height")]
    assert found == pytest.approx([first.x, first.y, first.wide, first.high], abs=0.01)
    assert groups[0].get("stroke-dasharray") and groups[0].get("fill") == "none"


def test_a_group_keeps_what_its_blocks_keep_together(made):
    anatomy = made("swin_base_patch4_window7_224")
    kept = {(place, module): float(place % 3 == 0) for place, module in whole(anatomy)}
    solid = [*rects(model_picture(anatomy, kept, Look(), width=NARROW), "kept")]
    for drawn in narrow(anatomy).columns[2].drawn:
        for band in drawn.bands:
            assert at(solid, band) == pytest.approx(band.wide / 3, abs=0.02)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
def test_words_are_readable_inside_and_not_over_each_other(made, name, width, look):
    anatomy, long = made(name), importance_fill(dict.fromkeys(kept_shares(made(name)), 1.0))
    last = (2, len(anatomy.stages[2].blocks) - 2)
    cases = [(None, None), (cost_fill(anatomy, "params"), None), (long, last)]
    cases += [(Fill("sensitivity", {}), (2, None)), (None, last), (None, (1, 0))]
    for fill, selected in cases:
        drawn = model_picture(anatomy, kept_shares(anatomy), look, fill, width, selected)
        root = ET.fromstring(drawn.svg)
        assert root.get("role") == "img" and root.get("aria-label") == drawn.told and "http" not in drawn.told
        boxes = []
        for word in root.iter(f"{SVG}text"):
            size, x, y = word.get("font-size"), float(word.get("x")), float(word.get("y"))
            long = TEXT[size] * len(word.text)
            x -= long / 2 if word.get("text-anchor") == "middle" else 0
            boxes.append((x, y - 0.75 * int(size), long, 0.75 * int(size)))
            assert contrast(word.get("fill"), look.surface) >= 4.5, word.text
        across, down = (float(root.get(key)) for key in ("width", "height"))
        for x, y, long, high in boxes:
            assert x > -3 and y > -3 and x + long < across and y + high < down
        for one, other in combinations(boxes, 2):
            assert apart(one, other), (one, other)


def contrast(one, other):
    def luminance(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark"])
def test_every_band_has_an_edge_that_stands_out(made, look):
    anatomy = made("swin-textured")
    edges = re.findall(r'class="kept [^>]*?stroke="(#\w+)"', model_picture(anatomy, whole(anatomy), look).svg)
    assert len(edges) == 3 and all(contrast(edge, look.surface) >= 3 for edge in edges)


def test_a_fill_colours_the_whole_band_and_what_is_not_measured_not_at_all(made):
    anatomy = made("swin-textured")
    values = {(place, module): 1.0 + place for place, module in whole(anatomy) if module == QKV}
    svg = model_picture(anatomy, dict.fromkeys(whole(anatomy), 0.5), Look(), Fill("<b>worth</b> & more", values)).svg
    ET.fromstring(svg)
    assert "<b>" not in svg and "&lt;b&gt;worth&lt;/b&gt; &amp; more" in svg
    for state in ("kept", "gone"):
        fills = re.findall(rf'class="{state} QKV-M"[^>]*?fill="(#\w+)"', svg)
        assert len(set(fills)) == 10 and "#00345C" in fills  # a level for each block, the darkest for the largest
        assert re.search(rf'class="{state} MLP-M"[^>]*?fill="none"', svg)


@pytest.mark.parametrize("unit", ["params", "MACs"])
def test_shares_of_cost_are_those_of_the_bands_layers(made, unit):
    anatomy = made("swin-textured")
    fill = cost_fill(anatomy, unit)
    assert fill.name == f"share of {unit}" and set(fill.values) == set(whole(anatomy))
    inside = sum(getattr(layer, unit.lower()) for layer in anatomy.prunable)
    total = sum(getattr(layer, unit.lower()) for layer in anatomy.layers)
    assert sum(fill.values.values()) == pytest.approx(100 * inside / total, rel=1e-12)


def test_the_finding_names_what_keeps_least_and_most(made):
    anatomy = made("deit-digits")
    assert finding(anatomy, whole(anatomy)) == "Nothing is cut."
    assert finding(anatomy, dict.fromkeys(whole(anatomy), 0.4)) == (
        "Every block group keeps 40 % of its weights that can go."
    )
    group = places(anatomy, anatomy.stages[2])
    kept = {key: 0.1 if key[0] in group else 0.8 for key in whole(anatomy)}
    told = finding(anatomy, kept)
    assert told.startswith("Block group 3 keeps least, 10 %") and told.endswith("most, 80 %.")
    assert kept_of(anatomy, kept, group) == pytest.approx(0.1) and told in model_picture(anatomy, kept, Look()).told


def test_a_group_of_unlike_blocks_shows_the_bands_of_all(made):
    anatomy = made("spvit-swin-s")
    mixers = {block.mixer for block in anatomy.stages[2].blocks} - {"softmax"}
    shown = [[band.module for band in drawn.bands] for drawn in narrow(anatomy).columns[2].drawn]
    assert mixers and {band for bands in shown for band in bands} == {*PRUNABLE_MODULES, *mixers}
    model_picture(anatomy, whole(anatomy), Look(), width=NARROW)


@pytest.mark.parametrize("mixer", ["linear", "conv3", "conv1", "skip"])
@pytest.mark.parametrize("width", SIZES)
def test_what_is_no_softmax_attention_is_hatched_or_empty(made, mixer, width):
    """A block whose attention was replaced: its band is as high as the attention was."""
    anatomy = made("swin-textured")
    first = anatomy.stages[0].blocks[0]
    left = first.layers if mixer == "linear" else tuple(x for x in first.layers if ".attn" not in x.name)
    block = replace(first, mixer=mixer, layers=left)
    stages = (replace(anatomy.stages[0], blocks=(block, *anatomy.stages[0].blocks[1:])), *anatomy.stages[1:])
    changed = replace(anatomy, stages=stages)
    bands = wide(changed).columns[0].drawn[0].bands
    assert bands[-1].high == pytest.approx(wide(anatomy).columns[0].drawn[0].bands[-1].high, abs=1.5)
    svg = model_picture(changed, dict.fromkeys(whole(changed), 1.0), Look(), width=width).svg
    band = QKV if mixer == "linear" else mixer
    inside = {"linear": f"url(#{QKV})", "skip": "none"}.get(mixer, "url(#AUX-M)")
    found = re.findall(rf'class="kept {band}"[^>]*', svg)
    assert any(f'fill="{inside}"' in style for style in found), found
    assert ("stroke-dasharray" in found[0]) == (mixer == "skip") and "no softmax attention" in svg


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "low"), [(WIDE, False), (NARROW, False), (MEDIUM, True), (NARROW, True)])
def test_the_places_handed_to_the_browser_are_the_pictures(made, name, width, low):
    anatomy = made(name)
    keys = [(place, module) for place, block in enumerate(anatomy.blocks) for module in PRUNABLE_MODULES]
    found = geometry(anatomy, keys, width, low)
    layout = brief(anatomy, width) if low else laid_out(anatomy, width)
    drawn = [block for column in layout.columns for block in column.drawn]
    assert [block[3:7] for block in found["blocks"]] == [
        pytest.approx([one.x, one.y, one.wide, one.high], abs=0.006) for one in drawn
    ]
    assert [count for _, _, count, *_ in found["blocks"]] == [len(one.blocks) for one in drawn]
    assert sorted(place for band in found["bands"] for place in band["of"]) == list(range(len(keys)))
    sizes = [sum(layer.size for layer in block.layers if layer.prunable) for block in anatomy.blocks]
    assert sum(weight for band in found["bands"] for weight in band["weights"]) == sum(sizes)
    assert json.loads(json.dumps(found)) and set(colors(anatomy, Look())) == {band["module"] for band in found["bands"]}


@pytest.mark.parametrize(("width", "low"), [(MEDIUM, False), (NARROW, False), (NARROW, True)])
def test_an_opened_stage_has_each_of_its_blocks_and_the_others_stay_as_they_were(made, width, low):
    anatomy = made("swin_base_patch4_window7_224")
    keys = [(place, module) for place in range(len(anatomy.blocks)) for module in PRUNABLE_MODULES]
    closed, found = geometry(anatomy, keys, width, low), geometry(anatomy, keys, width, low, 2)
    counts = [[count for stage, _, count, *_ in one["blocks"] if stage != 2] for one in (closed, found)]
    assert counts[0] == counts[1]
    opened = [block for block in found["blocks"] if block[0] == 2]
    assert [first for _, first, *_ in opened] == list(range(18)) and {count for _, _, count, *_ in opened} == {1}
    for (*_, x, _, across, _, _), (*_, after, _, _, _, _) in pairwise(opened):
        assert across > 2 and x + across < after + 0.01
    room = 150 if width == NARROW and not low else width
    assert opened[-1][3] + opened[-1][5] <= room + 0.01
    assert found["width"] == closed["width"] and found["height"] == closed["height"]
    sides = {tuple(block[4:7:2]) for block in closed["blocks"]}, {tuple(block[4:7:2]) for block in found["blocks"]}
    assert sides[0] == sides[1]  # tops and heights: the side of the map, whatever is opened


def framed(svg):
    """(left, top, right, bottom) of the frame around what is selected, and its colour."""
    (found,) = (rect for rect in ET.fromstring(svg).iter(f"{SVG}rect") if rect.get("class") == "selected")
    x, y, wide, high = (float(found.get(key)) for key in ("x", "y", "width", "height"))
    return (x, y, x + wide, y + high), found.get("stroke")


def numbers(svg):
    """(number, whether it is bold) of the blocks that have one."""
    words = [word for word in ET.fromstring(svg).iter(f"{SVG}text") if word.get("text-anchor") == "middle"]
    return [(word.text, word.get("font-weight") == "700") for word in words]


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("place", [(0, 0), (2, 10), (3, None)])
def test_what_is_selected_is_framed_outside_its_blocks_and_named(made, width, place):
    anatomy = made("swin_base_patch4_window7_224")
    drawn = model_picture(anatomy, whole(anatomy), Look(), None, width, place)
    layout = laid_out(anatomy, width)
    own = [b for b in layout.columns[place[0]].drawn if place[1] is None or place[1] in b.blocks]
    (left, top, right, bottom), color = framed(drawn.svg)
    first, last = own[0], own[-1]
    assert left == pytest.approx(max(first.x - 4, 0), abs=0.01) and right == pytest.approx(
        last.x + last.wide + 4, abs=0.01
    )
    assert (top, bottom) == pytest.approx((first.y - 4, first.y + first.high + 4), abs=0.01)
    assert contrast(color, Look().surface) >= 4.5
    bold = [number for number, heavy in numbers(drawn.svg) if heavy]
    assert bold == ([] if place[1] is None else [str(place[1] + 1)])
    named = "stage 4" if place[1] is None else f"stage {place[0] + 1}, block {place[1] + 1}"
    assert drawn.told.endswith(f"Selected: {named}.")


def test_nothing_is_framed_where_nothing_is_selected_and_neighbours_make_room_for_the_selected_number(made):
    anatomy = made("swin_base_patch4_window7_224")
    svg = model_picture(anatomy, whole(anatomy), Look()).svg
    assert "selected" not in svg.lower() and not any(heavy for _, heavy in numbers(svg))
    third = [number for number, _ in numbers(model_picture(anatomy, whole(anatomy), Look(), selected=(2, 10)).svg)]
    assert third == ["1", "2", "1", "2", "1", "3", "6", "9", "11", "15", "18", "1", "2"]


def test_importance_is_each_bands_rank_by_its_mean_score(made):
    bands = list(whole(made("swin-textured")))
    scores = {band: 10.0**number for number, band in enumerate(reversed(bands))}
    fill = importance_fill(scores)
    expected = {band: 100 * sum(other <= scores[band] for other in scores.values()) / len(bands) for band in bands}
    assert fill.values == pytest.approx(expected, rel=1e-12) and fill.values[bands[0]] == 100
    shared = importance_fill(scores | {bands[0]: scores[bands[1]]}).values
    assert shared[bands[0]] == shared[bands[1]] == pytest.approx(100 - 50 / len(bands), rel=1e-12)
    assert importance_fill(dict.fromkeys(scores, 0.0)).values == {}
    svg = model_picture(made("swin-textured"), whole(made("swin-textured")), Look(), fill).svg
    assert "100 % by rank" in svg


def cut(stage, module, ratio, lost):
    """A measured cell that loses that share of its answers."""
    drop = Difference(100, -lost, -lost, -lost)
    return CellCut(stage, module, ratio, ratio, 0, 0, AccuracyEstimate(100, 100, {}, None, {"joint": drop}), drop, 0)


def test_sensitivity_is_read_off_the_curves_where_the_shortest_ends(made):
    anatomy = made("swin-textured")
    rows = [cut(0, QKV, 0.4, 0.02), cut(0, QKV, 0.8, 0.1), cut(2, MLP, 0.6, 0.3), cut(1, PRJ, 0.9, -0.01)]
    assert common_depth(rows) == 0.6
    fill = sensitivity_fill(anatomy, rows[::-1])
    half_way = 2 + (10 - 2) * (0.6 - 0.4) / (0.8 - 0.4)
    expected = dict.fromkeys([(0, QKV), (1, QKV)], half_way) | dict.fromkeys([(2, PRJ), (3, PRJ)], 0.0)
    expected |= {(place, MLP): 30.0 for place in places(anatomy, anatomy.stages[2])}
    assert fill.values == pytest.approx(expected, rel=1e-12)
    heads = sensitivity_fill(anatomy, [cut(0, "head", 0.5, 0.2), cut(0, "qk_dim", 0.5, 0.9)])
    assert heads.values == pytest.approx(dict.fromkeys([(p, m) for p in (0, 1) for m in (QKV, PRJ)], 20.0), rel=1e-12)
    assert sensitivity_fill(anatomy, []).values == {} and common_depth([]) == 0


def test_a_fill_that_is_not_measured_says_so_and_fills_nothing(made):
    anatomy = made("swin-textured")
    svg = model_picture(anatomy, dict.fromkeys(whole(anatomy), 0.5), Look(), sensitivity_fill(anatomy, [])).svg
    assert "sensitivity: not measured" in svg
    assert set(re.findall(r'class="(?:kept|gone) [^>]*?fill="([^"]+)"', svg)) == {"none"}
