"""What an interrupted search or training left on disk is read as carefully as any checkpoint."""

import copy
import json
from dataclasses import asdict

import pytest

from dimap_core import pipeline
from dimap_core.cut.slicing import kept_sizes
from dimap_core.data.registry import load_data
from dimap_core.models import checkpoints
from dimap_core.training.loop import Training
from dimap_core.training.methods.phases import found_card, kept_model
from dimap_core.training.methods.spvit.derived import Found
from dimap_core.training.methods.spvit.method import search
from dimap_core.training.methods.spvit.settings import suited_search
from dimap_core.training.recovery import Kept
from dimap_core.training.settings import Settings
from dimap_core.types.errors import CheckpointError
from dimap_core.types.plan import PruningPlan

TOLD = {"search": {"method": "nvit", "aware": "macs"}, "search_steps": 3, "left": 0.9, "units": {}}


def found(tiny):
    """A result of SPViT's search that fits the model."""
    hidden = {block.name: [0, 2] for block in tiny.anatomy.blocks}
    return asdict(Found({tiny.anatomy.blocks[0].name: "conv3"}, hidden, [{}] * len(hidden), 5, 1.0, 0.6, True))


def refused(tiny, tmp_path, text):
    (tmp_path / "found.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"found\.json' holds .*choose another folder\.$"):
        next(search(tiny, suited_search("digits", 0.4, 1.0), tmp_path / "out", tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"mixers": {"blocks.9": "conv3"}},
        {"mixers": {"layers.0.blocks.0": "sieve"}},
        {"hidden": {}},
        {"steps": "many"},
        {"blocks": []},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_spvit_found_for_another_model_is_refused(tiny_swin, tmp_path, change):
    refused(tiny_swin, tmp_path, json.dumps({**found(tiny_swin), **change}))


@pytest.mark.parametrize("kept", [[0, 10**6], [2, 0], [-1], [0.5], [], ["a"]], ids=str)
def test_hidden_units_that_cannot_be_are_refused(tiny_swin, tmp_path, kept):
    told = found(tiny_swin)
    hidden = {**told["hidden"], tiny_swin.anatomy.blocks[1].name: kept}
    refused(tiny_swin, tmp_path, json.dumps({**told, "hidden": hidden}))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"mixers": {}}', "null"])
def test_what_is_no_result_of_spvit_is_refused(tiny_swin, tmp_path, text):
    refused(tiny_swin, tmp_path, text)


@pytest.fixture
def kept(tiny_swin, tmp_path):
    """A directory with a smaller model as NViT's and APMA's searches leave it."""
    smaller, _, _ = pipeline.prune(tiny_swin, PruningPlan("magnitude", "structure", "layer", 0.5))
    checkpoints.write(tmp_path, smaller.state_dict(), found_card(tiny_swin, smaller, 0, TOLD))
    return tmp_path


def test_a_smaller_model_that_was_found_is_read_back(tiny_swin, kept):
    model, card = kept_model(kept, tiny_swin)
    again = kept_sizes(model, tiny_swin.anatomy)
    assert again == card["kept"] and again != kept_sizes(tiny_swin.model, tiny_swin.anatomy)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "deit-digits"},
        {"result": None},
        {"result": {"search_steps": 3}},
        {"kept": {"layers.0.blocks.0": {"mlp_neuron": 10**6}}},
        {"kept": {"layers.7.blocks.0": {}}},
        {"kept": {}},
        {"embed": 5},
        {"mixers": {"layers.0.blocks.0": "sieve"}},
        {"sha256": "0" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_smaller_model_that_does_not_fit_is_refused(tiny_swin, kept, change):
    card = json.loads((kept / checkpoints.CARD).read_text())
    (kept / checkpoints.CARD).write_text(json.dumps({**card, **change}))
    with pytest.raises(CheckpointError):
        kept_model(kept, tiny_swin)


@pytest.mark.parametrize("damage", ["cut short", "another model"])
def test_a_training_that_cannot_be_gone_on_with_is_one_sentence(tiny_swin, make_tiny, tmp_path, damage):
    data, settings = load_data("digits", "train"), Settings(epochs=0.1, batch_size=200)
    Training(copy.deepcopy(tiny_swin.model), data, settings).save(tmp_path / "a")
    (tmp_path / "a" / "whole").touch()
    other = copy.deepcopy(tiny_swin.model) if damage == "cut short" else make_tiny("deit")
    if damage == "cut short":
        for file in (tmp_path / "a").glob("*.bin"):
            file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"is damaged or of another training .* choose another folder\.$"):
        Kept(Training(other, data, settings), tmp_path)
