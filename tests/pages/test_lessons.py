"""Every lesson solved in the real app: each step ticks itself off, and its claims hold on what was measured."""

import pytest
from safetensors.numpy import load_file

from dimap_core.studies import all_lessons, exercises, holds
from dimap_core.types import ASSETS
from pages.ui.exercises import by_hand


def layer_of_exercise():
    """The weights that lesson 3 is about."""
    return load_file(ASSETS / "swin-textured.safetensors")["layers.0.blocks.0.attn.proj.weight"].astype("float64")


def act(app, action):
    """What a solution says: a guess that is locked in, a move, a slide, a click, a choice."""
    ((what, value),) = action.items()
    if what == "guess":
        number, step = app.at.session_state["learner"].at
        app.set(f"guess_{number}_{step}", value)
        app.widget("lock").click()
        app.run()
    elif what == "select":
        app.click_block(*value)
    elif what in ("all", "stages"):
        app.move(**{what: value})
        app.until(lambda: app.at.session_state["lesson_judged"].get("settled"), "the cut's answer")
    elif what == "slide":
        app.set("lesson_ratio", value)
    elif what == "measure":
        me, runs = app.at.session_state["learner"], 0
        while me.at not in me.done:  # with more runs each time, until the interval tells
            app.click_key(value)
            app.until(lambda runs=runs: app.at.session_state["lesson_facts"].get("runs", 0) > runs, "the times")
            runs = app.at.session_state["lesson_facts"]["runs"]
    elif what == "press":
        app.until(lambda: any(button.key == value for button in app.at.button), f"the button {value}")
        app.click_key(value)
    elif what == "set":
        for key, chosen in value.items():
            app.set(key, chosen)
    elif what == "press":
        app.until(lambda: value in [button.key for button in app.at.button], value)
        app.click_key(value)
    elif what == "hand":
        lines = exercises.largest(layer_of_exercise())
        app.set(f"hand_{value}", f"{lines[by_hand.ASKED[value - 1]].score:.3f}")
    elif what == "fit":
        for place, best in enumerate(exercises.read().best, 1):
            app.set(f"fit_{place}", 0.005 * round(best / 0.005))
    else:
        raise AssertionError(f"no such action: {what}")


@pytest.mark.parametrize("number", [lesson.number for lesson in all_lessons()])
def test_a_lesson_is_solved_and_its_claims_hold(open_app, number):
    app = open_app(lesson=str(number), step="1")
    steps = next(one.steps for one in all_lessons() if one.number == number)
    for place, step in enumerate(steps, start=1):
        learner = app.at.session_state["learner"]
        here = number, place
        assert learner.at == here and app.url["step"] == str(place)
        app.until(lambda: app.at.session_state["lesson_facts"], "the figure")
        assert learner.at not in learner.done, f"{step.key} is done before anything was"
        for action in step.solution:
            act(app, action)
        if step.guess is not None or step.done:
            app.until(lambda here=here: here in app.at.session_state["learner"].done, f"{step.key} to be ticked off")
            facts = app.at.session_state["learner"].kept | app.at.session_state["learner"].results[here]
            for name, wanted in step.claims.items():
                assert holds(wanted, name, facts), f"{step.key}: {name} is {facts.get(name)}, not {wanted}"
            assert "{" not in "".join(app.texts()) and "–" not in step.after.get("en", "")
        app.widget("lesson_next").click()
        app.run()
    assert app.at.session_state["learner"].at != (number, len(steps))
