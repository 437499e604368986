"""The sandbox of the Learn page: a formula is typed, its mistakes are told, its curve comes beside those known."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from dimap_core.criteria.formula.words import FUNCTIONS, WORDS
from dimap_core.criteria.registry import criterion
from pages.ui.learn import sandbox
from pages.ui.session import cache
from tests.helpers import FLIPS, STUCK, wait

RATIOS = (0.9, 0.3, 0.6)


def page():
    import tomllib

    from dimap_core.types import ASSETS
    from pages.ui.learn import sandbox
    from pages.ui.session import opened, state

    words = tomllib.loads((ASSETS / "lessons" / "words.toml").read_text(encoding="utf-8"))
    state.start()
    view = opened.view()
    if view is not None:
        sandbox.draw(view, lambda key, **filled: words[key]["en"].format(**filled))


def rerun(at):
    at.run()
    assert not at.exception
    return at


def settled(at):
    """Rerun until nothing is under way."""
    wait(lambda: not cache.shared().worker.waiting)
    return rerun(at)


@pytest.fixture(scope="module")
def at():
    """The sandbox on the small Swin; curves of three points are enough here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sandbox, "RATIOS", RATIOS)
        yield opened()


def opened():
    shown = AppTest.from_function(page, default_timeout=STUCK)
    shown.query_params["model"] = "swin-digits"
    return settled(settled(rerun(shown)))


def curves(at):
    (chart,) = at.get("plotly_chart")
    return [trace for trace in json.loads(chart.proto.spec)["data"] if trace.get("mode") == "lines+markers"]


def test_the_curve_of_a_formula_stands_beside_those_measured_beforehand(at):
    assert at.text_input(key="formula").value == sandbox.EXAMPLES[0]
    magnitude, *_, own = curves(at)
    assert magnitude["line"]["dash"] == "dash" and own["line"]["dash"] == "solid"
    assert len(own["x"]) == len(RATIOS) and own["hovertemplate"].startswith("your formula")
    table = at.dataframe[-1].value
    assert list(table.columns) == ["removed, %", "magnitude, top-1 %", "DIMAP, top-1 %", "your formula, top-1 %"]
    assert all(cell == "" or "n = 540)" in cell for cell in table["your formula, top-1 %"])
    # w / layer_mean in one ranking of a module is not magnitude's.
    assert own["y"] != magnitude["y"]


def test_magnitude_typed_as_a_formula_has_magnitudes_curve(at):
    at.text_input(key="formula").set_value("w")
    settled(settled(rerun(at)))
    table = at.dataframe[-1].value
    both = table[(table["your formula, top-1 %"] != "") & (table["magnitude, top-1 %"] != "")]
    assert len(both) == len(RATIOS)
    for _, row in both.iterrows():  # stored by another processor: an image may turn
        ours, stored = (float(row[f"{name}, top-1 %"].split()[0]) for name in ("your formula", "magnitude"))
        assert abs(ours - stored) <= 100 * FLIPS / 540 + 0.1  # one decimal is shown


def test_a_mistake_is_told_with_its_place_and_no_curve_is_asked_for(at):
    at.text_input(key="formula").set_value("w / layer_men")
    rerun(at)
    assert "At place 5" in at.error[0].value and not at.get("plotly_chart")
    at.text_input(key="formula").set_value("log(w - w)")
    settled(settled(rerun(at)))
    assert "no log of 0" in at.error[0].value and not at.get("plotly_chart")


def test_words_and_examples_are_buttons(at):
    at.text_input(key="formula").set_value("w /")
    rerun(at)
    at.button(key="word_layer_max").click()
    assert rerun(at).text_input(key="formula").value == "w / layer_max"
    assert {button.key for button in at.button} >= {f"word_{word}" for word in [*WORDS, *FUNCTIONS]}
    at.button(key=f"example_{sandbox.EXAMPLES[1]}").click()
    assert rerun(at).text_input(key="formula").value == sandbox.EXAMPLES[1]


@pytest.mark.parametrize("example", sandbox.EXAMPLES)
def test_examples_are_formulas(example):
    assert criterion(f"formula:{example}").equation == example


def test_a_formula_is_put_in_force(at):
    at.text_input(key="formula").set_value("w / layer_mean")
    settled(rerun(at))
    at.button(key="sandbox_use").click()
    rerun(at)
    plan = at.session_state["setting"].plan
    assert (plan.criterion, plan.scope, plan.ratio) == ("formula:w / layer_mean", "module", 0.8)
