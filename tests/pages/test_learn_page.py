"""Learn: a link opens a step, moves the session's setting only meanwhile, and steps tick themselves off."""

import pytest

from dimap_core.studies import all_lessons
from pages.ui.session import cache, lesson as place


def learner(app):
    """Where the session is in the lessons."""
    return app.at.session_state["learner"]


def labels(app):
    """What buttons say."""
    return [button.label for button in app.at.button]


def test_the_list_has_every_lesson_and_no_recipe_line(open_app):
    app = open_app(model="swin-digits").page_of("learn")
    assert [app.widget(f"lesson_go_{one.number}").label for one in all_lessons()] == ["Start"] * len(all_lessons())
    assert not any("recipe_line" in getattr(block.proto, "id", "") for block in app.at.main)
    app.set("lesson_language", "de")
    assert any("Wo sind" in text or "Klein heißt" in text for text in app.texts()) and app.url["lang"] == "de"


def test_own_work_is_put_aside_and_given_back(open_app):
    app = open_app(model="swin-digits", ratio="0.35", at="3.2").live()
    app.move(all=0.5)
    before = {key: app.at.session_state[key] for key in ("setting", "undo", "selected")}
    app.page_of("learn").click_key("lesson_go_2")
    assert app.url == {"lesson": "2", "step": "1"} and learner(app).at == (2, 1)
    assert app.plan.criterion == "magnitude" and app.at.session_state["undo"] == []
    app.click_key("lesson_leave")
    assert {key: app.at.session_state[key] for key in before} == before and "lesson" not in app.url
    app.click_key("lesson_go_2").page("prune")  # another page leaves too
    assert {key: app.at.session_state[key] for key in before} == before and app.url["ratio"] == "0.5"


def test_a_link_from_any_page_opens_its_step_in_exactly_its_state(open_app):
    app = open_app(lesson="2", step="4", done="1.12~2.1", lang="de")
    assert learner(app).at == (2, 4) and learner(app).done == {(1, 1), (1, 2), (2, 1)}
    assert (app.plan.ratio, app.plan.scope, app.at.session_state["setting"].model) == (0.9, "layer", "swin-textured")
    assert app.url == {"lesson": "2", "step": "4", "done": "1.12~2.1", "lang": "de"}
    assert any("Wähle" in element.value for element in app.at.subheader)


@pytest.mark.parametrize("params", [{"lesson": "99"}, {"lesson": "2", "step": "99"}, {"lesson": "x"}, {"lesson": "0"}])
def test_a_step_that_does_not_exist_leads_to_the_list(open_app, params):
    app = open_app(**params)
    assert learner(app).at is None
    app.page_of("learn")
    assert app.widget("lesson_go_1").label == "Start"


@pytest.mark.parametrize("done", ["9.9~x", "1.99999999~2.", "~~~", "1" * 500])
def test_nonsense_in_the_progress_counts_for_nothing(open_app, done):
    assert learner(open_app(lesson="1", done=done)).done <= {(1, 1)}


def test_a_guess_comes_before_the_answer(open_app):
    app = open_app(lesson="1", step="3")
    app.until(lambda: app.map, "the map")
    assert app.map["off"] and app.map["fills"] == [] and not app.feed
    assert all("MACs" not in word for stage in app.map["sizes"]["860"]["stages"] for word in stage["words"])
    assert app.widget("lock").disabled and app.widget("lesson_next").disabled
    app.set("guess_1_3", "1").click_key("lock")
    assert not app.map["off"] and learner(app).guesses == {(1, 3): "1"} and app.feed
    app.click_block(3, 0)
    assert learner(app).wrong == {(1, 3)} and (1, 3) not in learner(app).done
    app.click_block(2, 0)
    assert (1, 3) in learner(app).done and not app.widget("lesson_next").disabled
    assert any("You said **Stage 1**; it is **Stage 3**." in text for text in app.texts())


def test_a_step_can_be_skipped_and_is_not_done_then(open_app):
    app = open_app(lesson="1", step="2").click_key("lesson_skip")
    assert learner(app).at == (1, 3) and learner(app).done == set()
    app.click_key("lesson_back")
    assert learner(app).at == (1, 2) and "Skip" in labels(app)


def test_the_last_step_leads_to_the_next_lesson(open_app):
    steps = len(all_lessons()[0].steps)
    app = open_app(lesson="1", step=str(steps)).click_key("lesson_skip")
    assert learner(app).at == (2, 1)


def test_every_step_starts_from_a_state_that_can_be_met():
    for lesson in all_lessons():
        for step in lesson.steps:
            setting, _ = place.start_of(step)
            assert setting.model in ("swin-textured", "deit-textured", "swin-digits"), step.key


def settled(app):
    """Wait until the cut's answer is final."""
    return app.until(lambda: app.at.session_state["lesson_judged"].get("settled"), "the cut's answer")


def test_a_step_ends_with_the_numbers_of_its_own_cut_and_going_back_resets_its_slider(open_app):
    app = open_app(lesson="2", step="2")
    app.until(lambda: app.at.session_state["lesson_facts"], "the figure").set("guess_2_2", "2").click_key("lock")
    settled(app.set("lesson_ratio", 50))
    assert learner(app).done == set() and (half := app.at.session_state["lesson_judged"]["top1"]) > 0.9
    app.set("lesson_ratio", 80)
    app.until(lambda: (2, 2) in learner(app).done, "the tick")
    assert learner(app).results[2, 2]["top1"] < half - 0.1
    app.click_key("lesson_back")
    assert learner(app).at == (2, 1) and app.widget("lesson_ratio").value == 0 == app.plan.ratio


def test_a_hand_that_only_passes_ends_no_step(open_app):
    app = open_app(lesson="2", step="3")
    app.until(lambda: app.map, "the map").set("guess_2_3", "better").click_key("lock")
    settled(app.move(all=0.8, drag="one", final=False))
    assert learner(app).done == set()
    app.move(all=0.8, drag="one")
    app.until(lambda: (2, 3) in learner(app).done, "the tick")


def test_a_step_opened_by_its_link_waits_for_scores_that_nobody_has_asked_for(open_app):
    cache.shared().close()  # as on a server that has just started
    cache.shared.clear()

    def maps():
        return [one.proto.component_name for one in app.at.get("bidi_component")].count("dimap_map")

    app = open_app(lesson="4", step="4")
    app.until(lambda: maps() == 2, "both cuts")
    assert not app.at.error
