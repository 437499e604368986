"""The home page: precomputed at once, measured soon; history, pins, cues, models that cannot be judged."""

import pytest

from pages.ui.session import cache


def circles(app):
    """Numbers of the history's circles."""
    traces = [trace for trace in app.figure("tradeoff")["data"] if trace.get("mode") == "markers+text"]
    return traces[0]["text"] if traces else []


def notes(app):
    """Texts written into the trade-off figure."""
    return [note["text"] for note in app.figure("tradeoff")["layout"]["annotations"]]


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
    assert any("precomputed" in text for text in app.texts())
    precomputed = app.metric(2), app.metric(3)
    assert precomputed[0].startswith("95.0 %") and "precomputed, n = 1,080" in precomputed[0]
    app.live()
    assert "n = " in app.metric(2)  # no gap before the first images
    app.judged()
    assert (app.metric(2), app.metric(3)) == (precomputed[0].replace("precomputed, ", ""), precomputed[1])
    assert not any("precomputed" in text for text in app.texts())


def test_accuracy_comes_with_n_interval_and_paired_change(open_app):
    app = open_app(model="deit-digits", ratio="0.7").judged()
    top1, change = app.metric(2), app.metric(3)
    assert top1.endswith("n = 540") and " to " in top1
    assert "points" in change and "against dense" in change


@pytest.mark.parametrize("cue", ["digit", "texture"])
def test_a_single_cue_can_be_judged(open_app, cue):
    app = open_app(model="swin-textured", ratio="0.9").judged()
    joint = app.metric(2)
    app.set("cue", cue).judged()
    assert app.at.metric[2].label == f"Top-1, {cue}"
    assert app.metric(2) > joint


def test_cues_are_offered_only_where_the_data_has_them(open_app):
    app = open_app(model="swin-textured").live().set("cue", "texture")
    app.set("w_model", "swin-digits").judged()
    assert app.at.metric[2].label == "Top-1"
    groups = [group.key for group in app.at.get("button_group")]
    assert "axis" in groups and "cue" not in groups


def test_the_cost_axis_and_the_zoom_redraw_the_picture(open_app):
    app = open_app(model="swin-digits").judged()
    assert app.figure("tradeoff")["layout"]["xaxis"]["title"]["text"].startswith("MACs kept")
    low = app.figure("tradeoff")["layout"]["yaxis"]["range"][0]
    app.set("axis", "params")
    assert app.figure("tradeoff")["layout"]["xaxis"]["title"]["text"].startswith("params kept")
    app.set("zoom", True)
    assert app.figure("tradeoff")["layout"]["yaxis"]["range"][0] > low + 50


def test_every_tried_point_stays_as_a_numbered_circle(open_app):
    app = open_app(model="swin-digits").judged()
    assert circles(app) == []
    app.set("w_ratio", 60.0).judged().set("w_ratio", 40.0).judged()
    assert circles(app) == ["1", "2"]
    app.click("Undo").judged()
    assert sorted(circles(app)) == ["1", "3"]  # back on the second point, which is the star now
    app.click("Clear pins and history")
    assert circles(app) == []


def test_points_of_another_model_are_not_drawn_on_this_ones_picture(open_app):
    app = open_app(model="swin-digits", ratio="0.5").judged().set("w_model", "deit-digits").judged()
    assert circles(app) == []
    app.set("w_model", "swin-digits").judged()
    assert circles(app) == []  # its only point is the star


def test_two_pins_are_joined_by_what_one_costs_and_gains_against_the_other(open_app):
    app = open_app(model="swin-digits", ratio="0.3").judged().click("Pin this cut as A")
    assert "<b>A</b>" in notes(app) and "<b>B</b>" not in notes(app)
    app.set("w_ratio", 90.0).judged().click("Pin this cut as B")
    (label,) = [text for text in notes(app) if "points" in text]
    assert label.startswith("−") and "% MACs, " in label
    app.set("axis", "params")
    assert any("% params, " in text for text in notes(app))
    app.click("Clear pins and history")
    assert "<b>A</b>" not in notes(app)


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
    assert app.maps() and not app.at.get("plotly_chart")
    assert app.widget("w_random").value is True


def test_the_map_shows_what_the_cut_leaves_in_three_sizes_and_as_a_table(open_app):
    app = open_app(model="swin-digits", ratio="0.5")
    wide, medium, rows = app.until(app.maps, "the map").maps()
    assert (
        wide.count('class="gone') >= 3 and 'class="kept' in rows and wide != medium and "filled by kept share" in wide
    )
    assert any("keeps least, " in text or "keeps 50 % of its weights" in text for text in app.texts())
    assert len(app.at.dataframe[0].value) == 4
    app.set("w_ratio", 0.0)
    assert "Nothing is cut." in app.texts() and 'class="gone' not in app.maps()[0]


def test_the_map_can_be_filled_by_cost(open_app):
    app = open_app(model="deit-digits", ratio="0.5")
    by_kept = app.until(app.maps, "the map").maps()
    for unit in ("MACs", "params"):
        app.set("map_fill", unit)
        assert all(f"filled by share of {unit}." in picture for picture in app.maps())
        assert any(f"share of the dense model’s {unit}" in text for text in app.texts())
    assert app.set("map_fill", "kept share").maps() == by_kept


def test_a_cut_into_structures_is_drawn_by_its_weights(open_app):
    app = open_app(model="swin-digits", ratio="0.5", granularity="structure")
    table = app.until(app.maps, "the map").at.dataframe[0].value
    assert 0 < table["MLP kept, %"].mean() < 100 and 'class="gone MLP-M"' in app.maps()[0]


def test_sessions_do_not_see_each_other(open_app):
    one, other = open_app(model="swin-digits").judged(), open_app(model="swin-digits", ratio="0.4").judged()
    one.set("w_ratio", 65.0).judged()
    one.click("Pin this cut as A")
    other.run()
    assert other.url["ratio"] == "0.4" and circles(other) == [] and "<b>A</b>" not in notes(other)
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
    notes = [note.get("text", "") for note in app.figure("tradeoff")["layout"]["annotations"]]
    assert any("as published" in note for note in notes)
    app.until(lambda: any("+ repair" in n.get("text", "") for n in app.figure("tradeoff")["layout"]["annotations"]), "")
    repaired, plain = (
        next(trace["y"] for trace in app.figure("tradeoff")["data"] if name in str(trace.get("hovertemplate")))
        for name in ("+ repair", "as published")
    )
    assert repaired[:1] != plain[:1]
