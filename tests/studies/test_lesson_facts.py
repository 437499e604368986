"""When a step's conditions hold, and facts in words."""

import pytest

from dimap_core.studies import Guess, Step, answered, holds, lacks_earlier, met, said

FACTS = {
    "top1": 0.7101,
    "top1_low": 0.6824,
    "drop": -0.278,
    "plain.top1_high": 0.65,
    "stage2": 0.912,
    "weights": 1396224,
}
FACTS |= {"scope": "model", "settled": True, "selected_stage": "3", "most_macs_stage": "3", "score": 0.12345, "n": 1080}
STEP = Step("key", {}, {}, "", done={"top1": [0.7, 0.8], "scope": "model"})


@pytest.mark.parametrize(
    ("name", "wanted", "right"),
    [
        ("top1", [0.7, 0.8], True),
        ("top1", [0.7101, 0.7101], True),
        ("top1", [0.72, 1], False),
        ("scope", "model", True),
        ("scope", "layer", False),
        ("settled", True, True),
        ("settled", False, False),
        ("selected_stage", "@most_macs_stage", True),
        ("selected_stage", "@scope", False),
        ("top1_low", "> @plain.top1_high", True),
        ("top1_low", "< @plain.top1_high", False),
        ("top1_low", "> @unknown", False),
        ("scope", "> @top1", False),
        ("scope", [0, 1], False),
        ("unknown", [0, 1], False),
        ("unknown", "@missing", False),
    ],
)
def test_a_condition_holds_only_on_what_is_known(name, wanted, right):
    assert holds(wanted, name, FACTS) is right


def test_a_step_ends_when_all_of_its_conditions_hold():
    assert met(STEP, FACTS)
    assert not met(STEP, FACTS | {"scope": "layer"}) and not met(STEP, FACTS | {"top1": 0.9})


def test_the_right_option_is_written_or_measured():
    def asks(answer):
        return Step("key", {}, {}, "", guess=Guess({}, [], answer))

    assert answered(asks("better"), FACTS) == "better" and answered(asks("@most_macs_stage"), FACTS) == "3"
    assert answered(asks("@unknown"), FACTS) == "" and answered(STEP, FACTS) == ""


def test_widths_are_said_in_points_and_times_with_two_decimals():
    facts = {"spread": 0.12, "points_few": 0.241, "speedup_low": 1.0, "promised": 1.818}
    assert said("{spread}, {points_few}, {speedup_low}, {promised}", facts, "en") == "12, 24, 1.00, 1.82"


def test_a_text_tells_whether_an_earlier_step_is_missing():
    assert lacks_earlier("of {bare.top1}", FACTS) and not lacks_earlier("of {plain.top1_high}, {unknown}", FACTS)


def test_facts_are_said_in_the_units_that_their_names_tell():
    text = "{top1}, {drop}, {stage2}, {weights}, {score}, {n}, {scope}, {plain.top1_high}, {unknown}"
    assert said(text, FACTS, "en") == "71.0 %, −27.8, 91 %, 1,396,224, 0.123, 1,080, model, 65.0 %, –"
    assert said(text, FACTS, "de") == "71,0 %, −27,8, 91 %, 1.396.224, 0,123, 1.080, model, 65,0 %, –"
