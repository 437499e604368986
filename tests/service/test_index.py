"""The index on disk: what was written is what is read, and it answers plans without torch."""

import subprocess
import sys

import numpy as np
import pytest

from dimap_core.criteria.registry import CRITERIA
from dimap_core.cut.keep import keep_mask
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.plan.selection import select
from dimap_core.plan.validation import SCOPES
from dimap_core.service import index
from dimap_core.types.plan import PruningPlan

KEYS = [info.key for info in CRITERIA if "weight" in info.scores]


@pytest.fixture(scope="module")
def folder(tiny_ties, tmp_path_factory):
    """The tiny model's folder with every criterion's scores."""
    path = tmp_path_factory.mktemp("index") / "deep" / "folder"
    weights = {
        layer.name: tiny_ties.model.get_parameter(f"{layer.name}.weight").detach().numpy()
        for layer in tiny_ties.anatomy.prunable
    }
    index.write_model(path, tiny_ties.info, tiny_ties.anatomy, weights)
    for key in KEYS:
        index.write_scores(path, score(tiny_ties, PruningPlan(key, seed=3)))
    return path


def test_info_anatomy_and_weights_are_read_as_written(tiny_ties, folder):
    assert index.read_model(folder) == (tiny_ties.info, tiny_ties.anatomy)
    weights = index.read_weights(folder, tiny_ties.anatomy)
    assert list(weights) == [layer.name for layer in tiny_ties.anatomy.prunable]
    for name, weight in weights.items():
        np.testing.assert_array_equal(weight, tiny_ties.model.get_parameter(f"{name}.weight").detach().numpy())
        assert weight.dtype == np.float32


@pytest.mark.parametrize("key", KEYS)
def test_scores_are_read_as_written_and_memory_mapped(tiny_ties, folder, key):
    written, read = score(tiny_ties, PruningPlan(key, seed=3)), index.read_scores(folder, tiny_ties.anatomy, key, 3)
    assert (read.criterion, read.seed, read.by_magnitude) == (key, 3, written.by_magnitude)
    assert list(read.layers) == list(written.layers)
    for name, layer in read.layers.items():
        np.testing.assert_array_equal(layer.ranked, written.layers[name].ranked)
        np.testing.assert_array_equal(layer.keys, written.layers[name].keys)
        assert layer.ordered.dtype == np.float32 and layer.keys.dtype == np.float32
        assert isinstance(layer.ordered, np.memmap) and not layer.ordered.flags.writeable


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("key", KEYS)
def test_the_index_answers_plans_like_the_scores_in_memory(tiny_ties, folder, key, scope):
    plan = PruningPlan(key, scope=scope, ratio=0.2, overrides=(((0, "MLP-M"), 0.5),), cost_exponent=1, seed=3)
    anatomy = index.read_model(folder)[1]
    scores = index.read_scores(folder, anatomy, key, 3)
    selection = select(scores, anatomy, plan)
    assert selection == apply_plan(tiny_ties, plan)[0]
    for name, gone in selection.removed.items():
        expected = keep_mask(score(tiny_ties, plan).layers[name], gone)
        np.testing.assert_array_equal(keep_mask(scores.layers[name], gone), expected)


def test_only_scores_that_were_written_are_there(folder):
    assert all(index.has_scores(folder, key, 3) for key in KEYS)
    assert not index.has_scores(folder, "dimap", 0)
    # How many images a plan lets a criterion read matters to those that read any.
    assert index.has_scores(folder, "dimap", 3, images=64) and not index.has_scores(folder, "taylor", 3, images=64)
    # Criteria ranked by magnitude share the weights as keys; others bring their own.
    own = {path.name.partition("-")[0] for path in folder.glob("*.keys.npy")}
    assert own == set(KEYS) - {"dimap", "magnitude"}


@pytest.mark.parametrize(("limit", "value"), [("_KEPT", 2), ("_MOST", 1)])
def test_scores_written_long_ago_make_room_and_the_last_ones_stay(tiny_ties, tmp_path, monkeypatch, limit, value):
    monkeypatch.setattr(index, limit, value)
    for seed in range(4):
        index.write_scores(tmp_path, score(tiny_ties, PruningPlan("random", seed=seed)))
    left = [seed for seed in range(4) if index.has_scores(tmp_path, "random", seed)]
    assert left == ([2, 3] if limit == "_KEPT" else [3])
    assert {path.name.split("-")[1] for path in tmp_path.iterdir()} == {str(seed) for seed in left}


def test_the_index_is_read_without_torch(folder):
    code = (
        "import sys; from pathlib import Path; from dimap_core.service import index\n"
        "from dimap_core import PruningPlan, cost_report, select\n"
        "folder = Path(sys.argv[1]); info, anatomy = index.read_model(folder)\n"
        "selection = select(index.read_scores(folder, anatomy, 'dimap', 3), anatomy, PruningPlan(ratio=0.3))\n"
        "print(cost_report(anatomy, selection).total.removed, 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True).stdout
    removed, torch_imported = out.split()
    assert int(removed) > 0 and torch_imported == "False"
