"""The user's own formula: its values against brute force, and that whatever is typed is one or a sentence."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from dimap_core.criteria.formula.grammar import MOST_DEPTH, MOST_LETTERS, MOST_STEPS, read
from dimap_core.criteria.formula.scoring import checked, values
from dimap_core.criteria.formula.words import FUNCTIONS, WORDS, Facts
from dimap_core.criteria.registry import CRITERIA, criterion, offered, stem
from dimap_core.pipeline import open_model
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.plan.recipe import from_link, from_recipe, to_link, to_recipe
from dimap_core.plan.validation import SCOPES
from dimap_core.service import index
from dimap_core.types.errors import InvalidPlan
from dimap_core.types.plan import PruningPlan
from tests.helpers import assert_refused

EQ_10 = "w^2 / rest"
WEIGHT = np.array([[0.5, -2.0, 0.0], [1.0, 2.0, -0.25]], np.float32)
FACTS = Facts(WEIGHT, stage=2, depth=3, uses=16.0)


def worth(line, facts=FACTS):
    return values(read(line), facts)


def of(key, opened):
    info = criterion(key)
    return info.fn(opened.model, opened.anatomy, "weight", None, 0)


@pytest.fixture(scope="module")
def textured():
    return open_model("swin-textured")


# What it gives.


def test_each_word_is_what_its_sentence_says():
    sizes = [0.5, 2.0, 0.0, 1.0, 2.0, 0.25]
    mean = math.fsum(sizes) / 6
    std = math.sqrt(math.fsum((size - mean) ** 2 for size in sizes) / 6)
    # Of the two largest the second one leaves last: 4 alone, then 4 + 4.
    rest = [9.25, 8.0, 9.3125, 9.0, 4.0, 9.3125]
    wanted = {
        "w": sizes, "|w|": sizes, "layer_mean": mean, "layer_max": 2, "layer_std": std, "layer_l1": 5.75,
        "layer_l2": math.sqrt(9.3125), "layer_count": 6, "rest": rest, "fan_in": 3, "fan_out": 2, "stage": 2,
        "depth": 3, "uses": 16,
    }  # fmt: skip
    assert wanted.keys() == WORDS.keys() | {"|w|"}
    for word, value in wanted.items():
        assert worth(word).shape == WEIGHT.shape and worth(word).dtype == np.float64
        np.testing.assert_allclose(worth(word).ravel(), np.broadcast_to(value, 6), rtol=1e-15)


def test_each_function_is_what_it_is_called():
    known = {"sqrt": math.sqrt, "log": math.log, "exp": math.exp, "abs": abs, "min": min, "max": max}
    assert known.keys() == FUNCTIONS.keys()
    for name, function in known.items():
        given = [2.25, 0.5][: FUNCTIONS[name].takes]
        found = worth(f"{name}({', '.join(map(str, given))})")
        np.testing.assert_allclose(found, function(*given), rtol=1e-15)
        assert np.isfinite(checked(worth(FUNCTIONS[name].example), "layer") if name != "abs" else 0).all()


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("8 - 4 - 2", 2), ("8 / 4 / 2", 1), ("2 ^ 3 ^ 2", 512), ("-2 ^ 2", -4),
        ("2 ^ -1", 0.5), ("- - 3", 3), ("2 * -3", -6), (".5 + 1.e1 + 1e-1", 10.6), ("0 / 0", 0), ("7/0*0", math.nan),
        ("min(1, max(2, 3)) - 1", 0), ("1-1e0-1", -1), ("3^2^0.5", 3 ** 2**0.5),
    ],
)  # fmt: skip
def test_signs_bind_as_in_any_book(line, wanted):
    np.testing.assert_allclose(worth(line), wanted, rtol=1e-15)


numbers = st.floats(0, 1e6, allow_nan=False).map(lambda number: (repr(number), number))


def together(pairs):
    sums = st.tuples(pairs, st.sampled_from("+-*"), pairs).map(
        lambda found: (
            f"({found[0][0]} {found[1]} {found[2][0]})",
            {"+": np.add, "-": np.subtract, "*": np.multiply}[found[1]](found[0][1], found[2][1]),
        )
    )
    return sums | pairs.map(lambda found: (f"abs(-{found[0]})", abs(found[1])))


@settings(max_examples=150)
@given(st.recursive(numbers | st.just(("w", FACTS.size)), together, max_leaves=8))
def test_whatever_is_put_together_is_worked_out_as_numpy_does(pair):
    line, wanted = pair
    try:
        steps = read(line)
    except InvalidPlan:
        return  # too long or too deep
    np.testing.assert_array_equal(values(steps, FACTS), np.broadcast_to(wanted, WEIGHT.shape))


def test_eq_10_as_a_formula_is_dimaps_score_to_the_last_bit(tiny, tiny_ties, textured):
    for opened in (tiny, tiny_ties, textured):
        dimap = of("dimap", opened)
        for name, layer in dimap.layers.items():
            weight = opened.model.get_parameter(f"{name}.weight").detach().numpy()
            order = np.argsort(np.abs(weight), axis=None, kind="stable")
            np.testing.assert_array_equal(worth(EQ_10, Facts(weight)).ravel()[order], layer.ranked, name)


def test_as_a_criterion_eq_10_cuts_as_dimap_does(textured):
    """Ranked in float32, whose rounding may swap weights whose scores agree to seven digits."""
    for scope in SCOPES:
        plan = PruningPlan(scope=scope, ratio=0.8)
        ours, dimap = (apply_plan(textured, replace(plan, criterion=key))[0] for key in (f"formula:{EQ_10}", "dimap"))
        assert ours.removed.keys() == dimap.removed.keys()
        differ = sum(abs(gone - dimap.removed[name]) for name, gone in ours.removed.items())
        assert differ <= 1e-5 * sum(dimap.removed.values()), scope


def test_w_is_magnitude(tiny, tiny_ties):
    for opened in (tiny, tiny_ties):
        ours, magnitude = of("formula:w", opened), of("magnitude", opened)
        np.testing.assert_array_equal(ours.grid, magnitude.grid)
        for name, layer in ours.layers.items():
            np.testing.assert_array_equal(layer.ranked, magnitude.layers[name].ranked)
            np.testing.assert_array_equal(layer.keys, np.abs(magnitude.layers[name].keys))
        for scope in SCOPES:
            plan = PruningPlan(scope=scope, ratio=0.3, cost_exponent=1.0)
            ours_cut, theirs = (
                apply_plan(opened, replace(plan, criterion=key))[0] for key in ("formula:w", "magnitude")
            )
            assert ours_cut == theirs


@pytest.mark.parametrize("line", [EQ_10, "w / layer_mean", "w / layer_std", "w / layer_l2", "(w / layer_max) ^ 3"])
def test_what_divides_by_its_own_layer_does_not_change_when_the_layer_is_scaled(line):
    weight = np.random.default_rng(0).standard_normal((20, 30)).astype(np.float32)
    for power in (-9, 4):  # exact in binary, so equality is too
        np.testing.assert_array_equal(worth(line, Facts(weight * np.float32(2.0**power))), worth(line, Facts(weight)))
    assert not np.array_equal(worth("w", Facts(weight * 2)), worth("w", Facts(weight)))


def test_stage_depth_and_uses_are_those_of_the_layer(tiny):
    for word, wanted in {
        "stage": lambda layer: layer.stage + 1,
        "uses": lambda layer: layer.macs_per_unit,
        "fan_in": lambda layer: layer.shape[1],
        "fan_out": lambda layer: layer.shape[0],
    }.items():
        found = of(f"formula:{word}", tiny).layers
        for layer in tiny.anatomy.prunable:
            assert set(found[layer.name].keys.ravel()) == {np.float32(wanted(layer))}, (word, layer.name)
    depths = [int(layer.keys.flat[0]) for layer in of("formula:depth", tiny).layers.values()]
    assert depths == sorted(depths) and set(depths) == set(range(1, len(tiny.anatomy.blocks) + 1))


# It is a criterion like any other.


def test_it_leaves_no_trace_and_reads_no_images(tiny):
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    assert of(f"formula:{EQ_10}", tiny).criterion == f"formula:{EQ_10}"
    assert not criterion(f"formula:{EQ_10}").reads_images
    assert all(torch.equal(value, before[name]) for name, value in tiny.model.state_dict().items())


def test_recipes_and_links_hold_it():
    plan = PruningPlan("formula:max(w, 0.1) / layer_mean ^ 2 * |w|", ratio=0.5)
    assert from_recipe(to_recipe(plan)) == plan == from_link(to_link(plan))
    assert_refused(
        InvalidPlan, lambda: from_recipe({"version": 1, "criterion": "formula:w +"}), "At place 4", "missing"
    )


def test_whole_structures_have_no_w():
    recipe = {"version": 1, "criterion": "formula:w", "granularity": "structure", "ratio": 0.5}
    assert_refused(InvalidPlan, lambda: from_recipe(recipe), "cannot score whole structures")


def test_the_index_keeps_it_under_a_name_that_a_file_may_have(tiny, tmp_path):
    keys = ["formula:w / layer_mean", "formula:w/layer_mean*1"]
    weights = {name: layer.keys for name, layer in of("magnitude", tiny).layers.items()}
    index.write_model(tmp_path, tiny.info, tiny.anatomy, weights)
    for key in keys:
        assert not index.has_scores(tmp_path, key, 0)
        index.write_scores(tmp_path, score(tiny, PruningPlan(key)))
        read_back = index.read_scores(tmp_path, tiny.anatomy, key, 0)
        for name, layer in of(key, tiny).layers.items():
            np.testing.assert_array_equal(read_back.layers[name].keys, layer.keys)
    assert len({stem(key) for key in keys}) == 2
    assert all(set(path.name) <= {*"abcdefghijklmnopqrstuvwxyz0123456789-."} for path in tmp_path.glob("formula*"))


def test_it_is_offered_while_it_is_in_force():
    assert offered("dimap") is CRITERIA
    assert [info.key for info in offered("formula:w")] == [*(info.key for info in CRITERIA), "formula:w"]


def test_a_row_of_it_says_what_it_is():
    info = criterion("formula: max(w, 0.1) * 2")
    assert (info.label, info.equation, info.paper) == (
        "formula max(w,0.1) · 2", "max(w, 0.1) * 2", "your own, no paper"
    )  # fmt: skip
    assert len(criterion("formula:" + "layer_mean + " * 9 + "w").label) <= len("formula ") + 40


# What is typed.


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("", ["empty", "write w"]),
        ("   ", ["empty"]),
        ("w +", ["place 4", "at the end"]),
        ("* w", ["place 1", "before '*'"]),
        ("w w", ["place 3", "write * to multiply"]),
        ("2w", ["place 2", "write * to multiply"]),
        ("(w", ["place 1", "never closed"]),
        ("w * (1 + 2", ["place 5", "never closed"]),
        ("w)", ["place 2", "closes nothing"]),
        ("layer_men", ["place 1", "did you mean layer_mean?"]),
        ("w / nothing_like", ["place 5", "layer_mean, layer_max"]),
        ("__import__('os')", ["place 12"]),
        ("__import__", ["place 1", "'__import__'"]),
        ("w.real", ["place 2"]),
        ("sqrt w", ["place 1", "write sqrt(w)"]),
        ("min(w)", ["place 1", "takes 2, not 1"]),
        ("log(w, 2)", ["place 1", "takes 1, not 2"]),
        ("0,5 * w", ["place 2", "write . for decimals"]),
        ("w²", ["place 2", "'²'"]),
        ("w × 2", ["place 3", "'×'"]),
        ("w٣", ["place 2"]),
        ("w\n+ 1", ["place 2", "U+000A"]),
        ("w\x00", ["U+0000"]),
        ("w ** 2", ["place 4", "before '*'"]),
        ("1e99 * w", ["place 1", "too large"]),
        ("1e999999999", ["too large"]),
        ("9" * 150, ["too large"]),
        ("w" * (MOST_LETTERS + 1), [f"keep it to {MOST_LETTERS}"]),
        ("+".join("w" * (MOST_STEPS // 2 + 1)), [f"keep it to {MOST_STEPS}"]),
        ("(" * 80 + "w" + ")" * 79, [f"nests more than {MOST_DEPTH}"]),
        ("-" * 150 + "w", [f"nests more than {MOST_DEPTH}"]),
        ("^".join("w" * 70), [f"nests more than {MOST_DEPTH}"]),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(line, parts):
    assert_refused(InvalidPlan, lambda: criterion(f"formula:{line}"), *parts)


PIECES = st.sampled_from([*WORDS, *FUNCTIONS, *"+-*/^(),.|", "1", "0", "1e9", "1e-9", " ", "w", "(", ")"])


@settings(max_examples=200)
@given(st.text(max_size=200) | st.lists(PIECES, max_size=40).map("".join))
def test_whatever_is_typed_is_a_formula_or_one_sentence(line):
    try:
        steps = read(line)
        checked(values(steps, FACTS), "layer")
    except InvalidPlan as error:
        assert str(error)[-1] in ".?" and len(str(error).splitlines()) == 1 and len(str(error)) < 400


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("w / (stage - 2)", ["5 of 6 weights of a layer", "divide by nothing"]),
        ("log(w)", ["1 of 6 weights", "no log of 0"]),
        ("sqrt(w - 1)", ["3 of 6 weights"]),
        ("2 ^ 1e9", ["keep powers small"]),
        ("exp(exp(9))", ["6 of 6"]),
        ("1e30 * 1e30 * w", ["5 of 6"]),  # what float32 cannot hold
        ("w - 1", ["gives a weight of a layer -1", "max(..., 0)"]),
    ],
)
def test_a_score_that_cannot_be_ranked_is_refused_with_the_layer(line, parts):
    assert_refused(InvalidPlan, lambda: checked(worth(line), "a layer"), *parts)


@pytest.mark.parametrize("line", ["w ^ 1e9", "(w / 2) ^ 1e9", "0 * w", "7", "1e-30 * 1e-30"])
def test_scores_that_are_all_alike_are_scores(tiny, line):
    shrunk = replace(tiny, model=copy.deepcopy(tiny.model))
    for parameter in shrunk.model.parameters():
        parameter.data /= max(1.0, float(parameter.detach().abs().max()))
    for layer in of(f"formula:{line}", shrunk).layers.values():
        assert np.isfinite(layer.ranked).all() and (np.diff(layer.ranked) >= 0).all()


def test_a_layer_of_zeros_scores_as_in_dimap():
    np.testing.assert_array_equal(worth(EQ_10, Facts(np.zeros((2, 3), np.float32))), np.zeros((2, 3)))
