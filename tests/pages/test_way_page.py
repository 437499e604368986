"""The Way page: the finding, the image that the cut loses, its pictures and curves, and what the reader may choose."""

import base64
import re
from dataclasses import replace

import pytest

from dimap_core.types.way import AtBlock, Way, WayStep
from pages.ui.way import words

CURVES = {"parting", "handing"}


def charts(app):
    return {chart.key for chart in app.at.get("plotly_chart")}


def arrived(app):
    """Wait for the way of what is chosen: until then its finding is grey."""
    return app.until(lambda: charts(app) >= CURVES and "gray" not in headline(app), "a way")


def headline(app):
    return app.at.subheader[0].value


def pictures(app):
    """All pictures' SVG texts."""
    found = " ".join(element.proto.body for element in app.at.get("html"))
    return [base64.b64decode(text).decode() for text in re.findall(r"svg\+xml;base64,([^\"]+)", found)]


def followed(app):
    """The number of the image, as it is told."""
    return next(int(found[1]) for text in app.texts() if (found := re.match(r"Image (\d+) of", text)))


@pytest.fixture(scope="module")
def textured(open_app):
    return arrived(open_app(model="swin-textured", ratio="0.9").page("way"))


def test_the_finding_comes_first_and_the_digit_is_lost_where_the_models_part(textured):
    assert headline(textured).startswith("The two models part in stage 4: the digit turns into ")
    (told,) = [text for text in textured.texts() if text.startswith("Image ")]
    assert "labelled **" in told and "The digit gets lost in **stage 4, block 2**" in told
    drawn = pictures(textured)
    assert len(drawn) == 4 + 4 and sum("shifted by 2" in svg for svg in drawn) == 2
    assert len(textured.figure("parting")["data"][0]["y"]) == 1 + 10
    table = textured.at.dataframe[0].value
    assert list(table["Stage"]) == [1, 1, 2, 2, 3, 3, 3, 3, 4, 4]
    assert not textured.at.error


def test_another_image_is_followed_and_stays_when_the_cut_changes(textured):
    first = followed(textured)
    arrived(textured.click("Another one gone wrong"))
    second = followed(textured)
    assert second != first
    arrived(textured.set("w_ratio", 88.0).live())
    assert followed(textured) == second
    arrived(textured.set("picked", first))
    assert followed(textured) == first
    textured.page("predictions").page("way")
    assert followed(arrived(textured)) == first  # both pages look at the same image


def test_token_and_block_are_chosen(textured):
    before = pictures(textured)
    textured.set("way_block_10", -2)
    assert "attention, block 1" in pictures(textured)[4]
    arrived(textured.set("way_row_16", 1).set("way_column_16", 1))
    assert pictures(textured)[0] != before[0] and "row 1, column 1 framed" in pictures(textured)[0]
    textured.set("way_block_10", 6)
    assert "attention, block 3" in pictures(textured)[6]


def test_deit_follows_its_class_token_and_where_nothing_is_cut_nothing_parts(open_app):
    app = arrived(open_app(model="deit-digits", ratio="0").page("way"))
    assert headline(app) == "The cut changes nothing on this image’s way."
    assert "+ class token" in pictures(app)[4]
    arrived(app.set("way_whose", "a patch"))
    assert "framed" in pictures(app)[0]


def test_without_trained_weights_there_is_one_honest_sentence(open_app):
    app = open_app(model="deit_tiny_patch16_224", weights="random", ratio="0.5").page("way")
    (sentence,) = [element.value for element in app.at.info]
    assert "needs a trained model with images" in sentence and charts(app) == set()


def test_what_is_said_keeps_to_the_numbers():
    at = AtBlock(None, (), (1.0,))
    parts = ((0, 0, 0.1, 0.9), (0, 1, 0.2, 0.9), (1, 0, 0.8, 0.1))
    steps = tuple(
        WayStep(stage, block, "skip", (1, 1), (1, 1), (0, 0), (0,), (0,), (0,), 0, at, at, apart, {"class": left})
        for stage, block, apart, left in parts
    )
    way = Way("stage", 6, 9, "", (1, 1), 0, (0, 0), 0, ("a*b", "c"), {}, {}, (0.9, 0.1), (0.1, 0.9), steps)
    assert words.headline(way) == "The two models part in stage 2: a\\*b turns into c."
    assert words.details(way) == (
        "Image 7 of 9, labelled **a\\*b**. Up to stage 1 the two differ by 20 %, after stage 2 by 80 %. The answer "
        "gets lost in **stage 2, block 1**: a dense model that takes over before it still says a\\*b with 90 %, "
        "after it with 10 %."
    )
    slowly = [replace(step, handed={"class": left}) for step, left in zip(steps, (0.6, 0.35, 0.1), strict=True)]
    told = words.details(replace(way, steps=tuple(slowly), image=None, label=None))
    assert told.startswith("Your image. ") and "little by little, most in **stage 1, block 1**" in told
    kept = replace(way, pruned=(0.8, 0.2))
    assert words.headline(kept) == "Both models say a\\*b; they part most in stage 2."
    assert "labelled **a\\*b**. Both models get it right. Up to stage 1" in words.details(kept)
    same = replace(kept, steps=tuple(replace(step, difference=0.0) for step in steps))
    assert words.headline(same) == "The cut changes nothing on this image’s way."
