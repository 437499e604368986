"""The exercises of lessons 3 and 5: what is typed and moved comes back as facts."""

import base64

import pytest
from streamlit.testing.v1 import AppTest

from dimap_core.pipeline import open_model
from dimap_core.studies.exercises.by_hand import largest, verdict
from dimap_core.studies.exercises.fit import read
from pages.ui.exercises import by_hand, fit
from tests.helpers import STUCK

LAYER = "layers.0.blocks.0.attn.proj"


def page():
    import tomllib
    from types import SimpleNamespace

    import streamlit as st

    from dimap_core.pipeline import open_model
    from dimap_core.pipeline.chain import weight_arrays
    from dimap_core.types import ASSETS
    from pages.ui.exercises import by_hand, fit

    if "view" not in st.session_state:
        opened = open_model("swin-textured")
        st.session_state.view = SimpleNamespace(anatomy=opened.anatomy, weights=weight_arrays(opened))
    words = tomllib.loads((ASSETS / "lessons" / "words.toml").read_text(encoding="utf-8"))

    def say(key, **filled):
        told = [words[key][language].format(**filled) for language in ("en", "de")]
        return told[st.session_state.get("german", 0)]

    locked = st.session_state.get("locked", False)
    fields = "hand_1", "hand_2", "hand_scale"
    st.session_state.facts = by_hand.draw(st.session_state.view, say, fields, locked) | fit.draw(say, locked)


@pytest.fixture(scope="module")
def lines():
    weight = open_model("swin-textured").model.get_parameter(f"{LAYER}.weight").detach().numpy()
    return largest(weight)


@pytest.fixture
def at():
    return rerun(AppTest.from_function(page, default_timeout=STUCK))


def rerun(at):
    at.run()
    assert not at.exception
    return at


def facts(at):
    return at.session_state["facts"]


def pictures(at):
    """All that is drawn, decoded."""
    drawn = " ".join(element.proto.body for element in at.get("html"))
    return " ".join(base64.b64decode(part.split('"')[0]).decode() for part in drawn.split("base64,")[1:])


def test_scores_are_judged_as_they_are_typed_and_then_stand_there(at, lines):
    answers = [f"{lines[row].score:.4f}" for row in by_hand.ASKED]
    assert [facts(at)[name] for name in ("hand_1", "hand_2", "typed_1", "typed_2")] == [""] * 4
    assert not any(answer in pictures(at) for answer in answers)
    at.text_input(key="hand_1").set_value("0.2")
    at.text_input(key="hand_2").set_value("0.50")
    assert [rerun(at).session_state["facts"][f"typed_{place}"] for place in (1, 2)] == ["short", "wrong"]
    assert any("two decimals" in element.value for element in at.markdown)
    for place, answer in enumerate(answers, 1):
        at.text_input(key=f"hand_{place}").set_value(answer.replace(".", ","))
    assert [rerun(at).session_state["facts"][f"typed_{place}"] for place in (1, 2)] == ["right", "right"]
    assert all(answer in pictures(at) for answer in answers)


def test_what_one_reckons_from_the_numbers_on_screen_is_right(lines):
    for row in by_hand.ASKED:
        square, sums = float(f"{lines[row].square:.4g}"), sum(float(f"{line.square:.4g}") for line in lines[: row + 1])
        assert all(verdict(f"{square / sums:.{digits}f}", lines[row].score) == "right" for digits in (2, 3))


def test_a_scaled_layer_has_other_weights_and_the_same_scores(at, lines):
    for place, row in enumerate(by_hand.ASKED, 1):
        at.text_input(key=f"hand_{place}").set_value(f"{lines[row].score:.3f}")
    at.button_group(key="hand_scale").set_value(10)
    assert (rerun(at).session_state["facts"]["scale"], facts(at)["typed_1"], facts(at)["typed_2"]) == (
        10,
        "right",
        "right",
    )
    assert f"{10 * abs(lines[0].weight):.3f}" in pictures(at) and f"{lines[1].score:.4f}" in pictures(at)


def test_two_sliders_reach_the_best_fit(at):
    unit = read()
    assert abs(facts(at)["fit_gained"]) < 0.05 and facts(at)["fit_start"] == unit.error(unit.kept)
    least = f"{100 * unit.error(unit.best):.1f} %"
    assert least not in pictures(at)
    for place, value in enumerate(unit.best, 1):
        at.slider(key=f"fit_{place}").set_value(round(value / 0.005) * 0.005)
    assert rerun(at).session_state["facts"]["fit_gained"] > max(fit.NEAR, 0.995)
    assert facts(at)["fit_lost"] == pytest.approx(unit.error((facts(at)["fit_1"], facts(at)["fit_2"])))
    assert least in pictures(at)


def test_nothing_can_be_typed_or_moved_while_a_guess_is_owed(at):
    at.session_state["locked"] = True
    rerun(at)
    assert all(at.text_input(key=f"hand_{place}").disabled for place in (1, 2))
    assert all(at.slider(key=f"fit_{place}").disabled for place in (1, 2))


def test_every_text_is_there_in_german(at):
    at.session_state["german"] = 1
    assert any("größten" in element.value for element in rerun(at).caption)
