"""The models of photographs are as good as their cards and curves say, where the photographs are at hand.

CIFAR-10 as JPEG, a folder a class: beside the checkout, or where DIMAP_PHOTOS says; none comes with the project.
"""

import json

import pytest

from dimap_core import pipeline
from dimap_core.models.bundled import BUNDLED, bundled, bundled_card
from dimap_core.studies import sweep
from dimap_core.types.folders import ASSETS
from dimap_core.types.plan import PruningPlan
from tests.helpers import FLIPS, photographs

BARS = {"swin-photos": 0.82}
NAMES = [spec.name for spec in BUNDLED if spec.judged]
FOUND = photographs()
TURNED = FLIPS / 1000
"""Share of the images whose answer may turn: `FLIPS` is of sets of about a thousand."""
pytestmark = pytest.mark.skipif(FOUND is None, reason="the photographs are not at hand (DIMAP_PHOTOS)")


@pytest.fixture(scope="module", params=NAMES)
def judged(request):
    """The model, its 5,000 images and its accuracy on them."""
    opened, data = pipeline.judged_by_name(pipeline.open_model(request.param), FOUND)
    return opened, data, pipeline.judge_fully(opened, data)


def test_the_card_says_what_the_checkpoint_measures(judged):
    opened, data, dense = judged
    name = opened.info.name
    card, cost = bundled_card(bundled(name)), pipeline.dense_cost(opened).total
    assert (card["params"], card["macs"]) == (cost.params, cost.macs)
    assert card["n"] == dense.n == len(data) == 5000 and card["judged"] == bundled(name).judged
    assert card["top1"] == pytest.approx(dense.top1.value, abs=TURNED)
    low, high = card["ci95"]
    assert low < card["top1"] < high and card["top1"] >= BARS[name]
    assert card["chance"] == {"joint": 0.1} and card["cues"] == {}
    assert card["command"] == f"python -m dimap_core train {name} --data folder:PATH"


def test_the_precomputed_curves_measure_the_shipped_checkpoint_on_these_images(judged):
    name = judged[0].info.name
    curves = json.loads((ASSETS / "curves" / f"{name}.json").read_text(encoding="utf-8"))
    opened, data = pipeline.judged_by_name(pipeline.open_model(name), FOUND, curves["dense"]["n"])
    dense = pipeline.judge_fully(opened, data)
    assert curves["fingerprint"] == opened.info.fingerprint and curves["dense"]["n"] == dense.n >= 2000
    assert curves["dense"]["cues"]["joint"]["correct"] == pytest.approx(
        dense.cues["joint"].correct, abs=TURNED * dense.n
    )
    row = next(row for row in curves["rows"] if (row["criterion"], row["ratio"], row["budget"]) == ("dimap", 0.8, None))
    plan = PruningPlan(row["criterion"], scope=row["scope"], ratio=row["ratio"], cost_exponent=row["cost_exponent"])
    again = sweep.measure(opened, data, plan).full_row()
    assert (again["n"], again["params"], again["macs"]) == (row["n"], row["params"], row["macs"])
    assert again["top1"] == pytest.approx(row["top1"], abs=TURNED)
