"""The Predictions page: what happened to the answers, the gallery with its filters, one image explained."""

import re

import pytest

from pages.ui.session import cache


def charts(app):
    return {chart.key for chart in app.at.get("plotly_chart")}


def arrived(app):
    """Wait for all answers and for the explanation of the image."""
    app.until(lambda: app.at.metric and "n = " in app.metric(2) and "so far" not in app.metric(2), "all answers")
    return app.until(lambda: "explanation" in charts(app), "an explanation")


def headline(app):
    return next(text for text in app.texts() if "answers changed" in text)


def cards(app):
    """Answers on the gallery's buttons."""
    return [button.label for button in app.at.button if (button.key or "").startswith("pick_")]


def captions(app, word):
    return [caption.value for caption in app.at.caption if word in caption.value]


@pytest.fixture(scope="module")
def textured(open_app):
    """A session on the Predictions page; every test leaves the filters as they were."""
    app = open_app(model="swin-textured", ratio="0.8").page("predictions")
    return arrived(app)


def test_the_sentence_the_metrics_and_the_gallery_tell_the_same(textured):
    changed, broke, fixed, moved = map(int, re.findall(r"(\d+) (?:of|broke|fixed|wrong)", headline(textured)))
    assert changed == broke + fixed + moved > 12
    assert textured.metric(2).startswith("95.0 %") and textured.metric(2).endswith("n = 1,080")
    assert textured.metric(3).startswith(f"−{100 * (broke - fixed) / 1080:.1f} points")
    assert len(cards(textured)) == 12 and all("→" in label for label in cards(textured))
    for direction, count in (("broke", broke), ("fixed", fixed), ("moved", moved), ("kept", 1080 - changed)):
        textured.set("gallery_direction", direction)
        assert captions(textured, f"of {count:,}") if count else any("No answer" in t for t in textured.texts())
        badge = {"kept": "same"}.get(direction, direction)
        assert len(captions(textured, f"-badge[{badge}]")) == min(count, 12)
    textured.set("gallery_direction", "all")
    assert len(textured.downloads("answers_csv")) == 1


def test_filters_name_cues_and_paging_turns_the_pages(textured):
    textured.set("gallery_texture_textured-digits", 2)
    # "1 → 4 on checks", or "1 on checks → 1 on rows"
    parts = [(label.split(" → ")[0], label) for label in cards(textured)]
    assert all((before if " on " in before else label).endswith("checks") for before, label in parts)
    assert captions(textured, "of 270")
    first = cards(textured)
    textured.click("Next")
    assert captions(textured, "13 to 24 of 270") and cards(textured) != first
    textured.set("gallery_digit_textured-digits", 7)
    assert captions(textured, "1 to 12 of ")  # another choice begins at its first page
    textured.set("gallery_class_textured-digits", 0)
    assert cards(textured) == [] and any("No image passes" in text for text in textured.texts())
    for what in ("texture", "digit", "class"):
        textured.set(f"gallery_{what}_textured-digits", -1)
    assert len(cards(textured)) == 12


def test_a_picked_image_is_explained_by_each_method(textured):
    assert captions(textured, "Completeness error")  # integrated gradients come first
    textured.set("method", "occlusion").click(cards(textured)[1])
    number = textured.widget("picked").value
    assert number is not None and any(f"Image {number:,}, labelled" in text for text in textured.texts())
    shown = []
    for key, value in (("method", "occlusion"), ("method", "grad-cam"), ("target", "pruned")):
        textured.set(key, value)
        textured.until(lambda: "explanation" in charts(textured), value)
        shown.append(textured.figure("explanation")["data"][1])
        moved = "The explanation " if value == "occlusion" else "These maps have 4 places, too few to say"
        titles = [c.proto.alt for c in textured.at.get("plotly_chart") if c.key == "explanation"]
        assert titles[0].startswith(moved)
        assert not captions(textured, "Completeness error")
    assert len({str(trace) for trace in shown}) == 3
    assert any("no class token" in text for text in textured.texts())  # why there is no rollout


def test_losses_are_told_by_cue_and_by_class(textured):
    assert len(textured.figure("drops")["data"]) == 10
    textured.set("losses_by", "texture")
    assert len(textured.figure("drops")["data"]) == 4
    textured.set("losses_by", "class")
    assert len(textured.figure("drops")["data"]) == 16 and captions(textured, "lost most of 40")
    assert len(textured.figure("confusion")["data"][0]["customdata"]) == 40
    textured.set("losses_by", "digit")


def test_a_cut_that_changes_nothing_says_so_and_a_structured_one_works_as_well(open_app):
    app = open_app(model="deit-digits", ratio="0").page("predictions")
    app.until(lambda: app.at.metric and "n = " in app.metric(2) and "so far" not in app.metric(2), "all answers")
    assert "none of 540 answers changed" in headline(app).lower()
    app.set("gallery_direction", "changed")
    assert any("No answer changed" in element.value for element in app.at.info)
    app.set("gallery_direction", "all").set("method", "rollout")
    app.set("w_granularity", "structure").live().set("w_ratio", 60.0).live()
    arrived(app)
    assert int(re.search(r"(\d+) of 540 answers changed", headline(app))[1]) > 0
    assert any("really smaller" in text for text in app.texts()) and "target" not in {w.key for w in app.at.selectbox}


def test_without_trained_weights_there_is_one_honest_sentence(open_app):
    app = open_app(model="deit_tiny_patch16_224", weights="random", ratio="0.5").page("predictions")
    (sentence,) = [element.value for element in app.at.info]
    assert "need a trained model with images" in sentence and charts(app) == set()


def test_long_results_are_kept_only_as_long_as_there_is_room(monkeypatch):
    monkeypatch.setattr(cache, "_TEXT", 1000)
    shared = cache.Shared()
    for number in range(5):
        shared.remember((number,), [{"values": [0] * 100}])  # 315 characters each
    assert list(shared.results) == list(shared.sizes) == [(2,), (3,), (4,)]
    shared.remember(("huge",), [{"values": [0] * 1000}])
    assert list(shared.results) == [("huge",)]
    shared.close()
