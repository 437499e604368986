"""Moments on disk: what was gathered is what is read, and what cannot be kept is gathered again."""

import numpy as np
import pytest

from dimap_core.criteria.reconstruction.moments import observe
from dimap_core.criteria.reconstruction.outputs import feel
from dimap_core.data.registry import load_data
from dimap_core.pipeline import chain, kept_moments
from dimap_core.types.plan import PruningPlan
from tests.helpers import same

PLAN = PruningPlan("magnitude", "structure", "layer", 0.5, repair=True, images=32)


def gathered(tiny, gather):
    *_, (_, _, found) = gather(tiny.model, tiny.info, load_data("digits", "train"), tiny.anatomy, images=32)
    return found


@pytest.fixture
def moments(tiny):
    return gathered(tiny, observe)


def test_what_is_read_is_what_was_written(moments, tmp_path):
    path = tmp_path / "there" / "a.safetensors"
    assert kept_moments.read(path) is None
    kept_moments.write(path, moments)
    again = kept_moments.read(path)
    assert (again.data, again.images, again.seed) == (moments.data, moments.images, moments.seed)
    assert again.inputs.keys() == moments.inputs.keys() and again.logits.keys() == moments.logits.keys()
    pairs = [(again.logits[name], array) for name, array in moments.logits.items()]
    for name, seen in moments.inputs.items():
        pairs += [(again.inputs[name].mean, seen.mean), (again.inputs[name].products, seen.products)]
    assert all(ours.dtype == theirs.dtype and np.array_equal(ours, theirs) for ours, theirs in pairs)


def test_what_answers_felt_is_kept_with_what_layers_saw(tiny, tmp_path):
    felt, path = gathered(tiny, feel), tmp_path / "a.safetensors"
    kept_moments.write(path, felt)
    again = kept_moments.read(path)
    assert type(again) is type(felt) and again.qk == felt.qk and again.inputs.keys() == felt.inputs.keys()
    for ours, theirs in ((again.outputs, felt.outputs), (again.diagonals, felt.diagonals)):
        assert ours.keys() == theirs.keys()
        assert all(
            ours[name].dtype == array.dtype and np.array_equal(ours[name], array) for name, array in theirs.items()
        )
    places = {kept_moments.path_of(kind, "m", "d", 32, 0) for kind in ("moments", "fisher")}
    assert len(places) == 2


def test_a_damaged_file_is_as_good_as_none_and_a_closed_place_hurts_nobody(moments, tmp_path):
    path = tmp_path / "a.safetensors"
    kept_moments.write(path, moments)
    path.write_bytes(path.read_bytes()[:-100])
    assert kept_moments.read(path) is None
    (tmp_path / "file").touch()
    kept_moments.write(tmp_path / "file" / "b.safetensors", moments)


def test_the_newest_few_stay(moments, tmp_path):
    for number in range(6):
        kept_moments.write(tmp_path / f"{number}.safetensors", moments)
    assert {path.name for path in tmp_path.iterdir()} == {f"{number}.safetensors" for number in (2, 3, 4, 5)}


def test_what_took_long_is_gathered_once(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("DIMAP_HOME", str(tmp_path))
    tiny.statistics.clear()
    weights = chain.preview_weights(tiny, PLAN)
    assert not list(tmp_path.iterdir())  # it took no time
    monkeypatch.setattr(kept_moments, "LONG", 0.0)
    tiny.statistics.clear()
    chain.preview_weights(tiny, PLAN)
    assert len(list((tmp_path / "moments").iterdir())) == 1
    tiny.statistics.clear()
    assert not list(chain.prepare_preview(tiny, PLAN))
    again = chain.preview_weights(tiny, PLAN)
    assert all(same(again[name], weights[name], 1e-2) for name in weights)  # moments in float32, solved
    tiny.statistics.clear()
