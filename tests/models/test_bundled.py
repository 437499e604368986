"""What ships: checkpoints that are as good as their cards say, and precomputed curves that measure those very files."""

import json
import sys

import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import load_file

from dimap_core import pipeline
from dimap_core.measure.cost import kept_by_band
from dimap_core.models.bundled import BUNDLED, bundled, bundled_card
from dimap_core.plan.validation import SCOPES
from dimap_core.studies import sweep
from dimap_core.types.errors import CheckpointError
from dimap_core.types.folders import ASSETS
from dimap_core.types.model import Anatomy
from dimap_core.types.plan import PruningPlan
from tests.helpers import EXACT, FLIPS

BARS = {
    "swin-digits": {"joint": 0.985},
    "deit-digits": {"joint": 0.97},
    "swin-textured": {"joint": 0.94, "digit": 0.9, "texture": 0.9},
    "swin-flatten": {"joint": 0.958, "digit": 0.9, "texture": 0.9},
    "deit-textured": {"joint": 0.85, "digit": 0.9, "texture": 0.9},
}
NAMES = [spec.name for spec in BUNDLED]
OWN = [spec.name for spec in BUNDLED if not spec.judged]
"""Those whose images come with the project; `test_photographs` judges the others."""


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def opened(name):
    return pipeline.open_model(name)


@pytest.fixture(scope="module")
def dense(opened):
    """The dense model on its whole validation split."""
    if opened.info.name not in OWN:
        pytest.skip("its images do not come with the project")
    return pipeline.judge_fully(opened, pipeline.default_data(opened))


@pytest.fixture(scope="module")
def curves(name):
    return json.loads((ASSETS / "curves" / f"{name}.json").read_text(encoding="utf-8"))


def test_every_model_has_a_bar_and_the_first_is_the_default():
    assert set(BARS) == set(OWN) and NAMES[0] == "swin-textured"
    assert bundled("nothing") is None and bundled(NAMES[1]) is BUNDLED[1]


def test_a_checkpoint_is_small_half_precision_and_finite(name):
    path = ASSETS / f"{name}.safetensors"
    assert path.stat().st_size < (8e6 if bundled(name).judged else 5e6)
    tensors = load_file(path)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_a_card_says_what_the_checkpoint_measures(name, opened, dense):
    card = bundled_card(bundled(name))
    cost = pipeline.dense_cost(opened).total
    assert (card["params"], card["macs"]) == (cost.params, cost.macs)
    assert (card["name"], card["family"], card["data"]) == (name, opened.info.family, opened.info.data)
    assert card["n"] == dense.n == len(pipeline.default_data(opened))
    assert card["top1"] == pytest.approx(dense.top1.value, abs=FLIPS / dense.n)
    low, high = card["ci95"]
    assert low < card["top1"] < high
    assert set(card["cues"]) == set(dense.cues) - {"joint"} == set(card["chance"]) - {"joint"}
    for cue, share in card["cues"].items():
        assert share == pytest.approx(dense.cues[cue].value, abs=FLIPS / dense.n)
    assert card["command"] == f"python -m dimap_core train {name}" and card["seed"] == 0


def test_a_model_is_good_enough_to_show_what_pruning_costs(name, dense):
    for cue, bar in BARS[name].items():
        assert dense.cues[cue].value >= bar, cue


def test_the_precomputed_curves_measure_the_shipped_checkpoint(name, opened, dense, curves):
    assert (curves["model"], curves["fingerprint"]) == (name, opened.info.fingerprint)
    assert curves["dense"]["n"] == dense.n
    for cue, share in curves["dense"]["cues"].items():
        assert share["correct"] == pytest.approx(dense.cues[cue].correct, abs=FLIPS)


def test_the_curves_hold_the_first_screen_and_the_reference(curves):
    rows = [row for row in curves["rows"] if row["budget"] is None]
    families = {(row["criterion"], row["scope"], row["cost_exponent"]) for row in rows}
    assert {("dimap", "module", 0.0), ("magnitude", "layer", 0.0), ("magnitude", "model", 0.0)} <= families
    first = [
        r for r in rows if (r["criterion"], r["scope"], r["cost_exponent"], r["ratio"]) == ("dimap", "module", 0, 0.8)
    ]
    assert len(first) == 1
    assert {row["scope"] for row in rows} <= set(SCOPES) and {row["seed"] for row in rows} == {0}
    assert len({(row["criterion"], row["scope"], row["cost_exponent"], row["ratio"]) for row in rows}) == len(rows)


@pytest.mark.parametrize("place", [0.31, 0.93], ids=["a ratio", "a budget"])
def test_a_precomputed_row_is_measured_again(opened, dense, curves, place):
    row = curves["rows"][int(place * len(curves["rows"]))]
    budget = row["budget"]
    plan = PruningPlan(
        row["criterion"], scope=row["scope"], ratio=None if budget else row["ratio"], budget=budget,
        cost_exponent=row["cost_exponent"], seed=row["seed"],
    )  # fmt: skip
    again = sweep.measure(opened, pipeline.default_data(opened), plan).full_row()
    for key in ("n", "params", "macs"):  # counts are exact on every processor, shares of them to rounding
        assert again[key] == row[key], key
    for key in ("ratio", "params_removed", "macs_removed"):
        assert again[key] == pytest.approx(row[key], abs=EXACT), key
    assert json.loads(json.dumps(again["cells"])) == row["cells"]
    assert again["top1"] == pytest.approx(row["top1"], abs=FLIPS / row["n"])


def test_the_map_before_a_model_is_open_is_that_of_the_shipped_checkpoint(name, opened, curves):
    found = next(one for one in json.loads((ASSETS / "maps.json").read_text("utf-8")) if one["model"] == name)
    assert (found["fingerprint"], found["input_size"]) == (opened.info.fingerprint, opened.info.input_size)
    assert TypeAdapter(Anatomy).validate_python(found["anatomy"]) == opened.anatomy
    rows = [row for row in curves["rows"] if row["budget"] is None]
    keys = ("criterion", "scope", "granularity", "cost_exponent", "ratio")
    assert [plan for *plan, _ in found["rows"]] == [[row[key] for key in keys] for row in rows]
    for *plan, kept in found["rows"][4::31]:
        _, cost = pipeline.apply_plan(opened, PruningPlan(**dict(zip(keys, plan, strict=True))))
        bands = list(kept_by_band(opened.anatomy, cost).values())
        assert [share / 1e4 for share in kept] == pytest.approx(bands, abs=0.5e-4 + EXACT)


def test_a_missing_card_names_the_command_that_makes_it(monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules[bundled_card.__module__], "ASSETS", tmp_path)
    with pytest.raises(
        CheckpointError, match=r"is missing; make it with 'python -m dimap_core train swin-textured'\.$"
    ):
        bundled_card(BUNDLED[0])
