"""The home page: precomputed at once, measured soon; history, pins, cues, models that cannot be judged."""

import pytest

from pages.ui.session import cache


def circles(app):
    """Numbers of the history's circles."""
    return [str(int(key) + 1) for key in app.feed["plot"]["tries"]]


def pinned(app):
    """Names of the pins that are drawn."""
    return [pin["name"] for pin in app.feed["plot"]["pins"]]


@pytest.fixture
def first_visit(monkeypatch):
    """A server whose worker has yet to start, so that a first screen is drawn long before it answers."""
    shared = cache.shared()
    fresh = cache.Shared()
    for name in ("worker", "opening", "results"):
        monkeypatch.setattr(shared, name, getattr(fresh, name))
    yield
    fresh.worker.close()


def test_what_was_precomputed_is_what_is_measured(first_visit, open_app):
    app = open_app()
    precomputed = app.metric(2), app.metric(3)
    assert precomputed[0].startswith("95.0 %") and "precomputed, n = 1,080" in precomputed[0]
    app.live()
    assert "n = " in app.metric(2)  # no gap before the first images
    app.judged()
    assert (app.metric(2), app.metric(3)) == (precomputed[0].replace("precomputed, ", ""), precomputed[1])


def test_the_map_that_stands_in_is_the_map_that_comes(first_visit, open_app):
    app = open_app(model="swin-digits", ratio="0.7")
    before = app.map
    assert before["waiting"] and before["off"]  # sliders that do not move yet
    app.live()
    assert not app.map["off"] and "waiting" not in app.map
    assert {**before, **app.map} == {**app.map, "waiting": True, "cut": before["cut"]}  # not a thing lies elsewhere
    now, then = app.feed["cut"], before["cut"]
    assert then.pop("kept") == pytest.approx(now.pop("kept"), abs=1e-4)  # stored in ten-thousandths
    assert then == now


def test_accuracy_comes_with_n_interval_and_paired_change(open_app):
    app = open_app(model="deit-digits", ratio="0.7").judged()
    top1, change = app.metric(2), app.metric(3)
    assert top1.endswith("n = 540") and " to " in top1
    assert "points" in change and " to " in change


@pytest.mark.parametrize("cue", ["digit", "texture"])
def test_a_single_cue_can_be_judged(open_app, cue):
    app = open_app(model="swin-textured", ratio="0.9").judged()
    joint = app.metric(2)
    app.set("cue", cue).judged()
    assert app.feed["numbers"][2]["label"] == f"Top-1, {cue}"
    assert app.metric(2) > joint


def test_cues_are_offered_only_where_the_data_has_them(open_app):
    app = open_app(model="swin-textured").live().set("cue", "texture")
    app.set("w_model", "swin-digits").judged()
    assert app.feed["numbers"][2]["label"] == "Top-1"
    groups = [group.key for group in app.at.get("button_group")]
    assert "axis" in groups and "cue" not in groups


def test_the_cost_axis_and_the_zoom_redraw_the_picture(open_app):
    app = open_app(model="swin-digits").judged()
    plot = app.feed["plot"]
    assert plot["unit"] == "MACs" and "Over MACs, " in app.feed["caption"]
    other = app.set("axis", "params").feed["plot"]
    assert other["unit"] == "params" and other["current"]["x"] != plot["current"]["x"]
    app.set("zoom", True)
    assert app.feed["plot"]["low"] > plot["low"] + 0.5


def test_every_tried_point_stays_as_a_numbered_circle(open_app):
    app = open_app(model="swin-digits").judged()
    assert circles(app) == []
    app.set("w_ratio", 60.0).judged().set("w_ratio", 40.0).judged()
    assert circles(app) == ["1", "2"]
    app.click("Undo").judged()
    assert sorted(circles(app)) == ["1", "3"]  # back on the second point, which is the star now
    app.click("Clear tries")
    assert circles(app) == []


def test_points_of_another_model_are_not_drawn_on_this_ones_picture(open_app):
    app = open_app(model="swin-digits", ratio="0.5").judged().set("w_model", "deit-digits").judged()
    assert circles(app) == []
    app.set("w_model", "swin-digits").judged()
    assert circles(app) == []  # its only point is the star


def test_two_pins_are_joined_by_what_one_costs_and_gains_against_the_other(open_app):
    app = open_app(model="swin-digits", ratio="0.3").judged().click("Keep this cut")
    assert pinned(app) == ["A"] and not app.feed["plot"]["between"]
    app.set("w_ratio", 90.0).judged().click("Keep this cut")
    label = app.feed["plot"]["between"]
    assert label.startswith("−") and "% MACs, " in label and label.endswith("points")
    app.set("axis", "params")
    assert "% params, " in app.feed["plot"]["between"]
    assert app.widget("keep").label == "Kept as B" and app.widget("keep").disabled
    app.set("w_ratio", 30.0).judged()
    assert app.widget("keep").label == "Kept as A" and pinned(app) == ["A", "B"]


def test_kept_cuts_come_back_with_the_link_and_are_judged_anew(open_app):
    app = open_app(model="swin-digits", ratio="0.3").judged().click("Keep this cut")
    app.set("w_ratio", 90.0).judged().click("Keep this cut")
    other = open_app(**app.url).judged()
    other.until(lambda: pinned(other) == ["A", "B"], "the kept cuts")
    assert other.feed["plot"]["pins"] == app.feed["plot"]["pins"]
    broken = open_app(**{**app.url, "story": app.url["story"][:-3]})
    assert "story is damaged" in broken.at.session_state["notice"] and broken.url["ratio"] == "0.9"


def test_a_budget_has_the_star_and_no_ratio_in_its_words(open_app):
    app = open_app(model="swin-digits", macs="0.6").judged()
    assert "[60 % of the MACs]" in app.sentence


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet50", "not a Swin or DeiT"),
        ("convnext_tiny", "not a Swin or DeiT"),
        ("swin_tiny_patch4_window7_225", "did you mean swin_tiny_patch4_window7_224?"),
    ],
)
def test_a_model_that_cannot_be_opened_is_one_sentence_and_the_earlier_one_stays(open_app, name, words):
    app = open_app(model="deit-digits", ratio="0.7").live()
    app.widget("w_model").options.append(name)  # typed into the box
    app.set("w_model", name)
    app.until(lambda: app.notices, "a notice")
    (sentence,) = app.notices
    assert words in sentence and name in sentence
    assert app.url["model"] == "deit-digits" and app.url["ratio"] == "0.7"
    assert app.live().widget("w_model").value == "deit-digits"


def test_random_weights_are_counted_and_never_judged(open_app):
    app = open_app(model="deit_tiny_patch16_224", weights="random", ratio="0.5").live()
    assert "of 5.72 M" in app.metric(0) and "of 1.25 G" in app.metric(1)
    assert app.metric(2).startswith("–") and app.metric(3).startswith("–")
    assert any("Accuracy needs a trained model" in element.value for element in app.at.info)
    assert app.map["labels"]["stages"] and app.feed["plot"] is None
    assert app.widget("w_random").value is True


def test_the_map_shows_what_the_cut_leaves_and_says_it_as_a_table(open_app):
    app = open_app(model="swin-digits", ratio="0.5").live()
    cut = app.feed["cut"]
    assert "keeps least, " in cut["finding"] or "keeps 50 % of its weights" in cut["finding"]
    assert min(cut["kept"]) < max(cut["kept"]) < 1 and len(app.map["sizes"]) == 4
    assert len(app.at.dataframe[0].value) == 4
    app.set("w_ratio", 0.0)
    assert app.feed["cut"]["finding"] == "Nothing is cut." and set(app.feed["cut"]["kept"]) == {1.0}


def test_the_map_can_be_coloured_by_cost(open_app):
    app = open_app(model="deit-digits", ratio="0.5").live()
    fills = {fill["name"]: fill for fill in app.map["fills"]}
    assert {"MACs", "params"} <= fills.keys()
    bands = app.map["bands"]["name"]
    levels = dict(zip(bands, fills["MACs"]["levels"], strict=True))
    assert levels["MLP-M"] > levels["PRJ-M"]


@pytest.mark.parametrize("extra", [{}, {"granularity": "structure"}, {"granularity": "structure", "scope": "model"}])
def test_a_step_of_the_map_is_what_the_page_counts(open_app, extra):
    """What the browser reads from its tables is what the server finds for the same move."""
    app = open_app(model="swin-digits", ratio="0.5", **extra).live()
    each, steps = app.map["each"], [12, 37, 50, 71]
    app.move(stages=[step / 100 for step in steps])
    cut = app.feed["cut"]
    assert cut["own"] and cut["ratios"] == pytest.approx([step / 100 for step in steps], abs=0.03)
    for what in ("left", "params", "macs"):
        assert cut[what] == [each[what][step][stage] for stage, step in enumerate(steps)]
    stages = app.map["bands"]["stage"]
    foretold = [each["kept"][steps[stage]][band] / 1000 for band, stage in enumerate(stages)]
    assert cut["kept"] == pytest.approx(foretold, abs=6e-4)  # sent in thousandths
    app.move(all=0.31)
    assert app.plan.ratio == 0.31 and not app.plan.overrides
    assert app.feed["cut"]["macs"] == app.map["all"]["macs"][31]


def test_a_hand_that_moves_is_one_step_of_undo_and_leaves_one_try(open_app):
    app = open_app(model="swin-digits", ratio="0.5").judged()
    for share in (0.6, 0.7, 0.8):
        app.move(all=share, drag="one", final=False).judged()
    app.move(all=0.8, drag="one").judged()
    assert circles(app) == ["1"] and app.feed["plot"]["current"]
    app.click("Undo")
    assert app.plan.ratio == 0.5


@pytest.mark.parametrize(
    "move",
    [{"stages": [0.1]}, {"stages": [2, 0, 0, 0]}, {"stages": "all"}, {"all": True}, {"all": -1}, {"all": "x"}],
)
def test_a_move_that_no_slider_makes_changes_nothing_and_is_one_sentence(open_app, move):
    app = open_app(model="swin-digits", ratio="0.5").live()
    app.move(**move)
    assert app.plan.ratio == 0.5 and not app.plan.overrides
    (sentence,) = app.notices
    assert "ratio is a number" in sentence or "another model" in sentence


def test_a_move_that_comes_late_changes_nothing(open_app):
    app = open_app(model="swin-digits", ratio="0.5").live()
    app.move(all=0.7, seq=2e12).move(all=0.3, seq=1e12)
    assert app.plan.ratio == 0.7


def test_a_pattern_has_no_sliders(open_app):
    app = open_app(model="swin-digits", granularity="nm", nm="2:4").live()
    assert app.map["off"] and "each" not in app.map
    app.move(all=0.5)
    assert app.plan.nm == "2:4" and "pattern" in app.notices[0]


def test_a_cut_into_structures_is_drawn_by_its_weights(open_app):
    app = open_app(model="swin-digits", ratio="0.5", granularity="structure")
    table = app.live().at.dataframe[0].value
    assert 0 < table["MLP kept, %"].mean() < 100
    assert 0 < app.feed["cut"]["kept"][app.map["bands"]["name"].index("MLP-M")] < 1


def test_sessions_do_not_see_each_other(open_app):
    one, other = open_app(model="swin-digits").judged(), open_app(model="swin-digits", ratio="0.4").judged()
    one.set("w_ratio", 65.0).judged()
    one.click("Keep this cut")
    other.run()
    assert other.url["ratio"] == "0.4" and circles(other) == [] and pinned(other) == []
    assert next(button for button in other.at.button if button.label == "Undo").disabled


def test_a_request_that_another_one_ended_is_asked_again(open_app):
    """AppTest's sessions share a name towards the worker, so that the other's request ends this one's half-way."""
    one = open_app(model="deit-textured", ratio="0.33").live()
    open_app(model="deit-textured", ratio="0.44").judged()
    assert one.judged().metric(2).endswith("n = 1,080")


def test_a_repaired_cut_never_shows_what_was_measured_without_repair(open_app):
    app = open_app(model="swin-digits", ratio="0.9", repair="1", images="32")
    assert not any("precomputed" in text for text in app.texts())
    app.judged()

    def curves():
        return {curve["label"].partition(",")[2]: curve["points"] for curve in app.feed["plot"]["curves"]}

    assert any("as published" in label for label in curves())
    app.until(lambda: any(label.endswith("+ repair") for label in curves()), "the repaired curve")
    repaired, plain = (
        next(points for label, points in curves().items() if label.endswith(name)) for name in ("+ repair", "published")
    )
    assert repaired[:1] != plain[:1]
