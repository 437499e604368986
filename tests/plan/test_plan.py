"""Plans: every bad input gets one sentence, every good plan survives the round trip through its recipe."""

import json
import math
from functools import partial

import pytest
from hypothesis import given, settings, strategies as st

from dimap_core.criteria.registry import CRITERIA
from dimap_core.plan.fields import stage_cells
from dimap_core.plan.recipe import from_recipe, sort_overrides, to_recipe
from dimap_core.plan.validation import BUDGETS, GRANULARITIES, PATTERNS, SCOPES, validate
from dimap_core.types.errors import InvalidPlan
from dimap_core.types.model import KINDS, PRUNABLE_MODULES
from dimap_core.types.plan import PruningPlan
from tests.helpers import assert_refused as refused

RECIPE = {"version": 1, "criterion": "dimap", "granularity": "weight", "scope": "module", "ratio": 0.3}


assert_refused = partial(refused, InvalidPlan)
NO_RATIO = [1, 1.0, 1.5, -0.1, math.nan, math.inf, -math.inf, True, "x", "0.5", [0.5], 10**400]


@pytest.mark.parametrize("ratio", NO_RATIO, ids=lambda r: str(r)[:6])
def test_a_bad_ratio_is_refused(ratio):
    assert_refused(lambda: validate(PruningPlan(ratio=ratio)), "ratio", "from 0 to below 1")
    assert_refused(lambda: from_recipe({**RECIPE, "ratio": ratio}), "ratio")


@pytest.mark.parametrize("ratio", [*NO_RATIO, None], ids=lambda r: str(r)[:6])
def test_a_bad_override_is_refused(ratio):
    assert_refused(lambda: validate(PruningPlan(overrides=(((0, "MLP-M"), ratio),))), "ratio of stage 0:MLP-M")
    assert_refused(lambda: from_recipe({**RECIPE, "stages": {"1": ratio}}), "ratio of stage 1")


@pytest.mark.parametrize("budget", NO_RATIO, ids=lambda r: str(r)[:6])
def test_a_bad_budget_is_refused(budget):
    assert_refused(lambda: validate(PruningPlan(ratio=None, budget=budget)), "budget")


def test_ratio_and_budget_exclude_each_other():
    assert_refused(lambda: validate(PruningPlan(ratio=None)), "either a ratio or a budget")
    assert_refused(lambda: validate(PruningPlan(ratio=0.1, budget=0.1)), "either a ratio or a budget")
    assert_refused(lambda: from_recipe({**RECIPE, "budget": {"macs": 0.5}}), "either a ratio or a budget")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"criterion": "lamp"}, ["lamp", "dimap, magnitude, random"]),
        ({"scope": "stage"}, ["stage", "layer, stage-module, module, model"]),
        ({"granularity": "head"}, ["head", "weight"]),
        ({"overrides": (((0, "AUX-M"), 0.1),)}, ["AUX-M", "QKV-M, PRJ-M, MLP-M"]),
        ({"ratio": None, "budget": 0.5, "budget_kind": "flops"}, ["flops", "macs, params, latency"]),
        ({"ratio": None, "budget": 0.5, "budget_kind": "latency"}, ["latency", "structure"]),
        ({"cost_exponent": 2.5}, ["cost exponent", "from 0 to 2"]),
        ({"cost_exponent": -1}, ["cost exponent"]),
        ({"cost_exponent": True}, ["cost exponent"]),
        ({"cost_exponent": math.nan}, ["cost exponent"]),
        ({"seed": -1}, ["seed"]),
        ({"seed": 1.5}, ["seed"]),
        ({"seed": 2**32}, ["seed"]),
        ({"seed": True}, ["seed"]),
        ({"images": 0}, ["training images", "from 1 to 100,000"]),
        ({"images": 100_001}, ["from 1 to 100,000"]),
        ({"images": 64.0}, ["training images", "not 64.0"]),
        ({"images": True}, ["training images"]),
    ],
    ids=str,
)
def test_a_bad_field_is_refused_with_what_is_allowed(change, parts):
    assert_refused(lambda: validate(PruningPlan(**change)), *parts)


def test_what_a_model_does_not_have_is_refused(tiny):
    last = len(tiny.anatomy.stages) - 1
    for stage in (last + 1, 99, -1):
        plan = PruningPlan(overrides=(((stage, None), 0.1),))
        assert_refused(lambda plan=plan: validate(plan, tiny.anatomy), f"no stage {stage}", f"stages 0 to {last}")
    for name in ("nope", "head", "patch_embed.proj"):
        plan = PruningPlan(protected=(name,))
        assert_refused(lambda plan=plan: validate(plan, tiny.anatomy), f"no prunable layer '{name}'")


def test_a_good_plan_is_returned_as_it_is(tiny):
    plan = PruningPlan(ratio=0.99, overrides=(((0, None), 0.0),), cost_exponent=2, seed=2**32 - 1)
    assert validate(plan, tiny.anatomy) is plan


@pytest.mark.parametrize(
    ("recipe", "parts"),
    [
        ("", ["not JSON"]),
        ("{", ["not JSON"]),
        (b"\xff\xfe", ["not JSON"]),
        ("[" * 100_000, ["not JSON"]),
        ("[]", ["not a JSON object"]),
        (None, ["not a JSON object"]),
        (7, ["not a JSON object"]),
        ({}, ["version"]),
        ({**RECIPE, "version": 2}, ["version 2", "reads version 1"]),
        ({**RECIPE, "version": "1"}, ["version '1'"]),
        ({**RECIPE, "ratios": 1, "colour": 2}, ["unknown keys", "colour", "ratios", "allowed are"]),
        ({**RECIPE, "line\nbreak": 1}, ["unknown keys"]),
        ({**RECIPE, "scope": "a\nb"}, ["no scope"]),
        ({**RECIPE, "criterion": 3}, ["criterion must be text"]),
        ({**RECIPE, "scope": None}, ["scope must be text"]),
        ({**RECIPE, "granularity": ["weight"]}, ["granularity must be text"]),
        ({**RECIPE, "stages": [0.1]}, ["stages must look like"]),
        ({**RECIPE, "stages": {"one": 0.1}}, ["'one' is not a stage"]),
        ({**RECIPE, "stages": {"-1": 0.1}}, ["'-1' is not a stage"]),
        ({**RECIPE, "stages": {"9" * 5000: 0.1}}, ["is not a stage"]),
        ({**RECIPE, "stages": {"0:HEAD": 0.1}}, ["no module 'HEAD'"]),
        ({**RECIPE, "budget": 0.5}, ["budget must look like"]),
        ({**RECIPE, "budget": {"macs": 0.5, "params": 0.5}}, ["budget must look like"]),
        ({**RECIPE, "ratio": None, "budget": {"watts": 0.5}}, ["no budget kind 'watts'"]),
        ({**RECIPE, "protected": "head"}, ["must be a list of layer names"]),
        ({**RECIPE, "protected": [1]}, ["must be a list of layer names"]),
        ({**RECIPE, "seed": "0"}, ["seed"]),
        ({**RECIPE, "cost_exponent": None}, ["cost exponent"]),
        ({**RECIPE, "images": "64"}, ["training images", "'64'"]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_bad_recipe_is_refused(recipe, parts):
    assert_refused(lambda: from_recipe(recipe), *parts)


def test_a_recipe_for_another_model_is_refused():
    recipe = to_recipe(PruningPlan(ratio=0.3), "swin-digits")
    assert from_recipe(recipe, "swin-digits") == from_recipe(recipe) == PruningPlan(ratio=0.3)
    assert_refused(lambda: from_recipe(recipe, "deit-digits"), "made for 'swin-digits', not for 'deit-digits'")


def test_a_recipe_is_a_few_readable_lines():
    plan = PruningPlan(ratio=0.3, overrides=(((0, None), 0.1), ((1, "MLP-M"), 0.5)))
    assert to_recipe(plan) == {**RECIPE, "stages": {"0": 0.1, "1:MLP-M": 0.5}}
    assert to_recipe(PruningPlan(ratio=None, budget=0.5), "m") == {
        "version": 1, "model": "m", "criterion": "dimap", "granularity": "weight", "scope": "module",
        "budget": {"macs": 0.5},
    }  # fmt: skip
    assert from_recipe({"version": 1}) == PruningPlan()
    assert to_recipe(PruningPlan(ratio=0.3, images=64)) == {**RECIPE, "images": 64}


def test_overrides_are_sorted_whatever_order_they_come_in():
    pairs = [("1:MLP-M", 0.4), ("10", 0.1), ("1", 0.2), ("0:PRJ-M", 0.3)]
    expected = (((0, "PRJ-M"), 0.3), ((1, None), 0.2), ((1, "MLP-M"), 0.4), ((10, None), 0.1))
    assert sort_overrides(stage_cells(pairs)) == sort_overrides(stage_cells(reversed(pairs))) == expected


shares = st.floats(0, 1, exclude_max=True)


@st.composite
def plans(draw):
    granularity = draw(st.sampled_from(GRANULARITIES))
    if granularity == "nm":
        return PruningPlan(
            granularity="nm", nm=draw(st.sampled_from(PATTERNS)), ratio=None, seed=draw(st.integers(0, 9)),
            repair=draw(st.booleans()),
        )  # fmt: skip
    modules = KINDS if granularity == "structure" else PRUNABLE_MODULES
    cells = st.tuples(st.integers(0, 30), st.none() | st.sampled_from(modules)) | st.tuples(
        st.none(), st.sampled_from(modules)
    )
    goal = {"ratio": draw(shares)}
    if draw(st.booleans()):
        kinds = BUDGETS if granularity == "structure" else ("macs", "params")
        goal = {"ratio": None, "budget": draw(shares), "budget_kind": draw(st.sampled_from(kinds))}
    scored = "structure" if granularity == "structure" else "weight"
    if granularity == "structure":
        goal["round_to"] = draw(st.integers(1, 64))
    return PruningPlan(
        criterion=draw(st.sampled_from([info.key for info in CRITERIA if scored in info.scores])),
        granularity=granularity,
        scope=draw(st.sampled_from(SCOPES)),
        overrides=sort_overrides(draw(st.dictionaries(cells, shares, max_size=5))),
        cost_exponent=draw(st.floats(0, 2)),
        protected=tuple(draw(st.lists(st.text(max_size=20), max_size=3))),
        seed=draw(st.integers(0, 2**32 - 1)),
        images=draw(st.just(256) | st.integers(1, 100_000)),
        repair=draw(st.booleans()),
        **goal,
    )


@settings(max_examples=150)
@given(plans())
def test_every_plan_survives_the_round_trip_through_json(plan):
    recipe = to_recipe(plan, "some-model")
    assert from_recipe(json.dumps(recipe), "some-model") == plan
    assert to_recipe(from_recipe(recipe), "some-model") == recipe


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*RECIPE, "model", "stages", "budget", "protected", "seed"]), values))
def test_whatever_a_recipe_holds_it_is_a_plan_or_one_sentence(recipe):
    try:
        assert validate(from_recipe({**recipe, "version": 1}))
    except InvalidPlan as error:
        assert str(error).endswith(".") and len(str(error).splitlines()) == 1
