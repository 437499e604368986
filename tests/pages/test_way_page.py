"""The Way page: the finding, the image that the cut loses, its pictures and curves, and what the reader may choose."""

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
    drawn = app.component("way_pictures")
    return [*drawn["stages"], *drawn["answers"]]


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
    assert len(drawn) == 4 + 3 and sum("shifted by 2" in svg for svg in drawn) == 2
    assert len(textured.figure("parting")["data"][0]["y"]) == 1 + 10
    told = textured.component("chart_tools")  # of the pictures, the first that are drawn
    assert [row[0] for row in told["table"]["rows"]] == [1, 1, 2, 2, 3, 3, 3, 3, 4, 4]
    assert told["title"] == headline(textured).replace("\\", "") and "*" not in told["note"]
    assert not textured.at.error


def test_another_image_is_followed_and_stays_when_the_cut_changes(textured):
    first = followed(textured)
    arrived(textured.set("picked", None).click("Next"))
    second = followed(textured)
    assert second != first and textured.url["image"] == str(second)
    assert followed(arrived(textured.click("Previous"))) == first
    assert followed(arrived(textured.click("Next"))) == second
    arrived(textured.set("w_ratio", 88.0).live())
    assert followed(textured) == second
    arrived(textured.set("picked", first))
    assert followed(textured) == first
    textured.page("predictions").page("way")
    assert followed(arrived(textured)) == first  # both pages look at the same image


def test_token_and_block_are_chosen(textured):
    before = pictures(textured)
    textured.set("way_block_10", -2)
    assert "attention, block 1" in pictures(textured)[0] and textured.url["block"] == "first"
    arrived(textured.set("way_row_16", 1).set("way_column_16", 2))
    assert pictures(textured)[0] != before[0] and textured.url["token"] == "1.2"
    assert any("patch in row 1, column 2" in text for text in textured.texts())
    textured.set("way_block_10", 6)
    assert "attention, block 3" in pictures(textured)[2] and textured.url["block"] == "3.3"
    textured.set("way_heads", "mean")
    assert "mean of heads, block 3" in pictures(textured)[2] and textured.url["heads"] == "mean"
    textured.page("weights").page("way")  # all survives other pages
    assert "mean of heads, block 3" in pictures(arrived(textured))[2] and textured.url["token"] == "1.2"


def test_images_are_chosen_by_what_gets_lost(textured):
    options = textured.widget("way_sort_textured-digits").options
    assert "digit lost, texture kept" in options and "texture lost, digit kept" in options
    arrived(textured.set("way_sort_textured-digits", "digit"))
    assert re.search("the digit turns into .*, the texture (mostly stays|stays|fades)", headline(textured))
    arrived(textured.set("w_ratio", 10.0).live())
    arrived(textured.set("way_sort_textured-digits", "texture"))
    assert any("images is “texture lost, digit kept” at this cut" in text for text in textured.texts())


def test_a_link_says_all_that_is_followed_and_its_bad_parts_are_named(open_app):
    link = {"model": "deit-digits", "ratio": "0.5", "image": "5", "token": "1.8", "block": "2.1", "heads": "rollout"}
    app = arrived(open_app(**link).page("way"))
    assert followed(app) == 5 and app.url.items() >= link.items() and not app.notices
    assert "rollout to block 1" in pictures(app)[1]
    bad = {"image": "0", "token": "a.b", "block": "3"}
    app = open_app(model="deit-digits", **bad)
    (told,) = app.notices
    assert all(f"'{key}'" in told for key in bad) and not bad.keys() & app.url.keys()
    app = arrived(open_app(model="swin-textured", ratio="0.9", token="40.2", block="3.9", heads="rollout").page("way"))
    (told,) = app.notices
    assert told == "This model has no token 40.2, block 3.9, heads rollout; the rest of the link holds."
    app = open_app(model="deit-digits", ratio="0.5", image="999999").page("way")
    app.until(lambda: app.at.error, "a sentence")
    assert "There is no image 999,999" in app.at.error[0].value and "from 1 to 540" in app.at.error[0].value


def test_a_stopped_way_stays_stopped_until_it_is_asked_for(open_app):
    app = open_app(model="swin-digits", ratio="0.6")
    app.at.switch_page("pages/way.py")
    app.run().until(lambda: any(button.label == "Stop" for button in app.at.button) or charts(app), "a stop")
    if not charts(app):  # else it came before anyone could stop it
        app.click("Stop").run()
        assert any("Stopped before" in text for text in app.texts()) and not charts(app)
        arrived(app.click("Follow it after all"))


def test_deit_follows_its_class_token_and_where_nothing_is_cut_nothing_parts(open_app):
    app = arrived(open_app(model="deit-digits", ratio="0").page("way"))
    assert headline(app) == "The cut changes nothing on this image’s way."
    assert "+ class token" in pictures(app)[0] and "followed token by head" in pictures(app)[0]
    arrived(app.set("way_whose", "a patch"))
    assert any("patch in row 5, column 5" in text for text in app.texts())
    app.set("way_heads", "rollout")
    assert "rolled out over all blocks so far" in pictures(app)[0]


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
        "Image 7 of 9, labelled **a\\*b**. The answer gets lost in **stage 2, block 1**: a dense "
        "model taking over before it says a\\*b with 90 %, after it 10 %."
    )
    slowly = [replace(step, handed={"class": left}) for step, left in zip(steps, (0.6, 0.35, 0.1), strict=True)]
    told = words.details(replace(way, steps=tuple(slowly), image=None, label=None))
    assert told.startswith("Your image. ") and "little by little, most in **stage 1, block 1**" in told
    behind = replace(way, pruned=(0.48, 0.52))
    assert words.handing_title(behind) == "a*b goes from 90\u00a0% to 48\u00a0%, behind c"
    kept = replace(way, pruned=(0.8, 0.2))
    assert words.handing_title(kept) == "The answer gets through"
    assert words.headline(kept) == "Both models say a\\*b; they part most in stage 2."
    assert words.details(kept).endswith("labelled **a\\*b**. Both models get it right.")
    assert words.parting_title(kept) == "Stage 2 takes the difference from 20\u00a0% to 80\u00a0%"
    same = replace(kept, steps=tuple(replace(step, difference=0.0) for step in steps))
    assert words.headline(same) == "The cut changes nothing on this image’s way."
