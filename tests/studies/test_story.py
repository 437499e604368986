"""Stories: their files and links, whatever comes in, and what is told of cuts, against brute force."""

import base64
import copy
import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from dimap_core import pipeline
from dimap_core.measure.cost import kept_by_band
from dimap_core.measure.intervals import paired_difference
from dimap_core.plan.recipe import from_link as plan_from_link, from_recipe, to_link as plan_to_link
from dimap_core.studies import story
from dimap_core.studies.story import links
from dimap_core.studies.story.files import VERSION
from dimap_core.types.errors import DataError, PruningError, StoryError
from dimap_core.types.plan import PruningPlan
from tests.helpers import assert_refused

PLANS = [
    from_recipe(line)
    for line in (Path(__file__).parents[1] / "plan" / "plans.txt").read_text("utf-8").splitlines()
    if line.startswith("{")
]
CUTS = (PruningPlan(ratio=0.5), PruningPlan(ratio=0.9, scope="layer", criterion="magnitude"))


def cut(**more):
    """A cut of the digits model."""
    return story.NamedCut(**{"name": "Half", "model": "swin-digits", "plan": PruningPlan(ratio=0.5), **more})


@pytest.fixture(scope="module")
def opened():
    return pipeline.open_model("swin-digits")


@pytest.fixture(scope="module")
def found(opened):
    """The ground, and what is told of CUTS."""
    ground, *told = [one for _, one in story.tell(opened, CUTS) if one is not None]
    return ground, told


@pytest.fixture(scope="module")
def written(found):
    """A story with all it can hold, and its file."""
    ground, told = found
    known = story.Known(ground.fingerprint, ground.images, told[0])
    cuts = (
        cut(known=known, note="A sentence."),
        cut(name="Of a folder", data="folder:/some/place", count=40, draw=7, classes=(("cat", 3), ("dog", -1))),
        cut(name="Of a split", data="folder:/some/place", split="test"),
        cut(weights="random", model="deit-digits"),
    )
    return story.Story(cuts, "What goes"), story.to_file(story.Story(cuts, "What goes"))


@pytest.mark.parametrize("plan", PLANS, ids=range(len(PLANS)))
def test_every_plan_comes_back_from_a_file_and_from_a_link(plan):
    told = story.Story((cut(plan=plan),))
    assert story.from_file(story.to_file(told)) == told
    if plan.budget_kind == "latency":  # a device has to measure it first
        assert story.to_link(told) is None
        return
    linked = plan_from_link(plan_to_link(plan))  # a plan's own link has six digits of a share
    assert story.from_link(story.to_link(told)) == story.Story((cut(plan=linked),))
    of_a_split = story.Story((cut(data="folder:x", split="test"),))
    assert story.from_link(story.to_link(of_a_split)) == of_a_split


def test_a_file_holds_all_of_a_story_and_what_was_found(written):
    whole, text = written
    assert story.from_file(text) == whole == story.from_file(text.encode())
    assert json.loads(text)["written_with"].keys() == {"torch", "timm"}


def test_nine_cuts_with_names_and_sentences_fit_into_a_link():
    cuts = tuple(
        cut(name=f"Cut number {k}, {plan.criterion}", plan=plan, note=f"Loses {k}.{k} points at {10 * k} % of MACs.")
        for k, plan in enumerate([plan for plan in PLANS if plan.budget_kind != "latency"][:9])
    )
    text = story.to_link(story.Story(cuts, "Nine ways to make it smaller"))
    assert len(text) <= 2000 and text.isascii() and not set(text) & set("%+/=&?# ")
    assert [one.name for one in story.from_link(text).cuts] == [one.name for one in cuts]


def test_what_no_link_can_say_has_none():
    assert story.to_link(story.Story((cut(classes=(("a", 1),), data="folder:x"),))) is None
    noise = np.random.default_rng(0).integers(0x4E00, 0x9FA0, (9, 200))
    long = tuple(cut(name=str(k), note="".join(map(chr, row))) for k, row in enumerate(noise))
    assert story.to_link(story.Story(long)) is None


def packed(content):
    """A link of whatever content."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = b"".join([*(packer.compress(part) for part in content), packer.flush()])
    return "1" + base64.urlsafe_b64encode(body).decode().rstrip("=")


def test_a_link_that_unpacks_to_much_is_refused_before_it_does():
    bomb = packed(b" " * 2**20 for _ in range(100))
    assert_refused(StoryError, lambda: story.from_link(bomb), "damaged")


@pytest.mark.parametrize("said", [
    b"[]", b"{}", b"1", b'["t",["n","",["nope","1"]]]', b'["t",["n","",["ratio"]]]', b'["t",[1,"",[]]]',
    b'["t",["n","",["criterion","x","scope","module"]]]', b"[" * 40_000, b'["t",["n"]]', b"\xff", b'[1]',
    b'["t",["n","",["criterion","dimap","scope","module","ratio","0.5"],"m","odd"]]',
    b'["t",["n","",["criterion","dimap","scope","module","ratio","0.5"],"m","random","d",1e99]]',
])  # fmt: skip
def test_a_link_of_something_else_is_refused_in_a_sentence(said):
    if said == b"[1]":  # a title that is no text
        with pytest.raises(StoryError):
            story.from_link(packed([said]))
        return
    assert_refused(StoryError, lambda: story.from_link(packed([said])))


def test_every_cut_off_or_changed_link_is_a_story_or_a_sentence():
    text = story.to_link(story.Story((cut(), cut(name="Two", note="x")), "T"))
    broken = [text[:end] for end in range(len(text))]
    broken += [text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :] for at in range(len(text))]
    for one in broken:
        try:
            assert isinstance(story.from_link(one), story.Story)
        except StoryError as error:
            assert "\n" not in str(error)


@given(st.text(max_size=40) | st.text("0123456789abcABC-_", max_size=60).map("1".__add__))
def test_no_text_breaks_the_reading_of_links_and_files(text):
    for read in (story.from_link, story.from_file):
        try:
            assert isinstance(read(text), story.Story)
        except StoryError as error:
            assert str(error)[-1] == "."


def test_versions_that_are_not_known_are_told(written):
    newer = json.dumps({**json.loads(written[1]), "dimap_story": VERSION + 1})
    assert_refused(StoryError, lambda: story.from_file(newer), f"version {VERSION + 1}", f"reads {VERSION}")
    text = story.to_link(written[0]) or story.to_link(story.Story((cut(),)))
    assert_refused(StoryError, lambda: story.from_link("2" + text[1:]), "version '2'", "reads 1")


JUNK = (None, [], {}, "x" * 300, -1, 1e308, True, [[1]], {"a": 1}, "\u202e\x00")


def places(content, path=()):
    """Every place in a JSON content."""
    yield path
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from places(value, (*path, key))


def test_junk_anywhere_in_a_file_gives_a_story_or_a_sentence(written):
    content = json.loads(written[1])
    content["cuts"][0]["known"]["told"]["answers"] = [1, 2]
    for path in places(content):
        for junk in JUNK:
            broken = {"": copy.deepcopy(content)}
            inside, last = broken, ""
            for key in path:
                inside, last = inside[last], key
            inside[last] = junk
            try:
                assert isinstance(story.from_file(json.dumps(broken[""])), story.Story)
            except StoryError as error:
                assert "\n" not in str(error) and str(error)[-1] == ".", (path, junk)


@pytest.mark.parametrize("change", [{"unknown": 1}, {"recipe": {"version": 2}}, {"model": None}, {"name": 7}])
def test_a_cut_that_cannot_be_read_is_named_by_its_place(written, change):
    content = json.loads(written[1])
    content["cuts"][1] |= change
    assert_refused(StoryError, lambda: story.from_file(json.dumps(content)), "Cut 2 of the story")


def test_a_file_that_is_too_large_or_too_deep_or_tells_too_much_is_refused(written):
    assert_refused(StoryError, lambda: story.from_file(b" " * (32 * 2**20 + 1)), "32 MiB")
    assert_refused(StoryError, lambda: story.from_file("[" * 100_000), "not JSON")
    content = json.loads(written[1])
    content["cuts"] *= 4
    assert_refused(StoryError, lambda: story.from_file(json.dumps(content)), "at most 9")


def test_names_stand_on_one_line_without_control_signs_and_have_a_length():
    made = cut(name=" a\u202eb\n c\x00\t", note="مرحبا <b>")
    assert made.name == "a b c" and made.note == "مرحبا <b>"
    assert_refused(StoryError, lambda: cut(name="x" * 61), "at most 60", "not 61")
    assert_refused(StoryError, lambda: story.Story((cut(),) * 10), "at most 9 cuts, not 10")
    assert_refused(DataError, lambda: cut(count=1), "from 2 to")
    assert_refused(StoryError, lambda: cut(weights="none"), "'pretrained' or 'random'")


def test_a_story_is_told_as_cuts_are_judged_elsewhere(opened, found):
    ground, told = found
    data = pipeline.default_data(opened)
    assert ground.estimate.top1 == pipeline.judge_fully(opened, data).top1
    for plan, one in zip(CUTS, told, strict=True):
        selection, cost = pipeline.apply_plan(opened, plan)
        estimate = pipeline.judge_fully(opened, data, plan)
        assert one.total == cost.total and one.cost.cells == cost.cells and selection.removed
        assert one.estimate.cues == estimate.cues and one.estimate.drops == estimate.drops
        assert one.bands == tuple(round(share, 4) for share in kept_by_band(opened.anatomy, cost).values())
        labels = data.labels[list(ground.numbers)]
        assert (np.array(one.answers) == labels).sum() == estimate.top1.correct
        assert np.array_equal(story.hits(ground, one.answers), np.array(one.answers) == labels)


def test_differences_are_paired_over_the_same_images(found):
    ground, (one, other) = found
    first, second, dense = (story.hits(ground, answers) for answers in (one.answers, other.answers, ground.answers))
    assert story.paired(ground, other, one) == paired_difference(second, first)
    assert story.paired(ground, one) == one.estimate.drops["joint"] == paired_difference(first, dense)
    mine, theirs = story.differing(ground, one, other)
    assert len(mine) == (first & ~second).sum() and len(theirs) == (~first & second).sum()
    for shown in mine:
        at = ground.numbers.index(shown.number)
        assert shown.label == shown.answers[0] == ground.class_names[one.answers[at]] != shown.answers[1]


def test_changed_images_come_lost_ones_first(found):
    ground, (_, far) = found
    changed = story.changed_images(ground, far)
    assert {one.number for one in changed} == {
        number for number, a, b in zip(ground.numbers, ground.answers, far.answers, strict=True) if a != b
    }
    kinds = [0 if one.label == one.answers[0] else 1 if one.label == one.answers[1] else 2 for one in changed]
    assert kinds == sorted(kinds) and kinds[0] == 0


def test_what_differs_from_a_file_is_told_with_the_reason(found):
    ground, (told, other) = found
    known = story.Known(ground.fingerprint, ground.images, told)
    assert story.what_differs(known, ground, told) == []
    for line in story.what_differs(known, ground, other):
        assert "in the file" in line and "another machine or version" in line
    assert len(story.what_differs(known, ground, other)) == 3
    (line,) = story.what_differs(replace(known, fingerprint="0"), ground, told)
    assert line == "the model has other weights here, with the same numbers"
    lines = story.what_differs(replace(known, images="others"), ground, other)
    assert all("the images are others here" in line for line in lines)


def test_a_plan_that_cannot_be_met_is_refused(opened):
    too_much = PruningPlan(ratio=None, budget=0.9999, budget_kind="macs")
    with pytest.raises(PruningError):
        list(story.tell(opened, [too_much]))


def test_random_weights_are_counted_and_not_judged():
    ground, told = [one for _, one in story.tell(pipeline.open_model("deit-digits", "random"), CUTS[:1]) if one]
    assert ground.images is None and ground.estimate is None and told.estimate is None and told.answers == ()
    assert told.total.params_after < told.total.params and links.MOST == 2000
