"""Checkpoints: what is written is read, anything else gets one sentence, and nothing is ever unpickled."""

import hashlib
import json
import os
import pickle
from functools import partial

import pytest
import torch

from dimap_core.models import checkpoints
from dimap_core.models.load import load_model
from dimap_core.pipeline.chain import prune
from dimap_core.pipeline.opened import open_model
from dimap_core.plan.recipe import from_recipe, to_recipe
from dimap_core.types.errors import CheckpointError, PruningError
from dimap_core.types.plan import PruningPlan
from tests.helpers import assert_refused as refused

CARD = {"model": "swin-digits", "weights": "random"}
TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2])}


assert_refused = partial(refused, CheckpointError)


@pytest.fixture
def folder(tmp_path):
    checkpoints.write(tmp_path / "out", TENSORS, CARD)
    return tmp_path / "out"


def test_what_is_written_is_read(folder):
    tensors, card = checkpoints.read(folder)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert card == {"version": 2, **CARD, "sha256": digest}
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[key], value) and tensors[key].dtype == value.dtype for key, value in TENSORS.items())
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "card.json"}


def test_non_contiguous_tensors_are_written_too(tmp_path):
    checkpoints.write(tmp_path, {"t": TENSORS["a.weight"].T}, CARD)
    assert torch.equal(checkpoints.read(tmp_path)[0]["t"], TENSORS["a.weight"].T)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("card.json", None),
        ("model.safetensors", None),
        ("card.json", b""),
        ("card.json", b"{"),
        ("card.json", b"\xff\xfe\x00"),
        ("card.json", b"[]"),
        ("card.json", b"null"),
        ("card.json", b'{"version": 1}'),
        ("card.json", b'{"version": 1, "model": "swin-digits"}'),
        ("card.json", b'{"version": 2, "model": "swin-digits", "weights": "random"}'),
        ("card.json", b'{"version": 3, "model": "swin-digits", "weights": "random"}'),
        ("card.json", b'{"version": 1, "model": "swin-digits", "weights": "painted"}'),
        ("card.json", b'{"version": 1, "model": ["swin-digits"], "weights": "random"}'),
        ("card.json", b'{"model": "swin-digits", "weights": "random"}'),
        ("model.safetensors", b""),
        ("model.safetensors", b"garbage that is no tensor file"),
        ("model.safetensors", b"\xff" * 64),
        ("model.safetensors", pickle.dumps({"a": 1})),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_damaged_checkpoint_is_refused(folder, file, content):
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    assert_refused(lambda: checkpoints.read(folder), str(folder), "pass a directory that 'prune --out' wrote")


def test_a_truncated_tensor_file_is_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    assert_refused(lambda: checkpoints.read(folder), "not a pruned checkpoint", "damaged")


def test_a_pickle_in_place_of_tensors_is_not_run(folder, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    torch.save({"a": Bomb()}, folder / "model.safetensors")
    assert_refused(lambda: checkpoints.read(folder), "not a pruned checkpoint")
    assert not (tmp_path / "exploded").exists()


def test_one_changed_bit_is_noticed(folder):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert_refused(lambda: checkpoints.read(folder), "damaged or not the one its card was written for")


def test_a_directory_of_version_1_has_no_hash_and_is_read(folder):
    (folder / "card.json").write_text(json.dumps({"version": 1, **CARD}))
    assert checkpoints.read(folder)[1] == {"version": 1, **CARD}
    (folder / "model.safetensors").write_bytes(b"damaged")
    assert_refused(lambda: checkpoints.read(folder), "not a pruned checkpoint")


def test_the_recipe_is_written_as_a_file_of_its_own(tmp_path):
    recipe = to_recipe(PruningPlan(ratio=0.3), "swin-digits")
    checkpoints.write(tmp_path / "a", TENSORS, CARD, recipe)
    checkpoints.write(tmp_path / "b", TENSORS, {**CARD, "result": {"plan": recipe}})
    for name in "ab":
        assert json.loads((tmp_path / name / "recipe.json").read_text()) == recipe


def test_a_missing_directory_and_a_file_are_refused(folder):
    assert_refused(lambda: checkpoints.read(folder / "nowhere"), "nowhere")
    assert_refused(lambda: checkpoints.read(folder / "card.json"), "not a pruned checkpoint")


def test_an_unwritable_place_is_refused(folder):
    assert_refused(
        lambda: checkpoints.write(folder / "card.json", TENSORS, CARD), "cannot be written", "choose another"
    )


def test_a_pruned_model_is_loaded_as_it_was_saved(tmp_path):
    opened, plan = open_model("swin-digits", "random", seed=4), PruningPlan(ratio=0.5)
    pruned, _, _ = prune(opened, plan)
    checkpoints.write(tmp_path, pruned.state_dict(), {**CARD, "recipe": to_recipe(plan, "swin-digits")})
    model, info = load_model(str(tmp_path))
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in pruned.state_dict().items())
    assert (info.name, info.source, info.data) == ("swin-digits", "directory", "digits")
    assert from_recipe(checkpoints.read(tmp_path)[1]["recipe"], "swin-digits") == plan
    assert not model.training


def test_tensors_of_another_model_are_refused(folder):
    assert_refused(lambda: load_model(str(folder)), "does not hold the weights of 'swin-digits'")


def test_a_checkpoint_that_names_itself_is_refused(folder):
    checkpoints.write(folder, TENSORS, {**CARD, "model": str(folder)})
    with pytest.raises(PruningError, match=r"^.*[.?]$"):
        load_model(str(folder))


def test_a_checkpoint_in_a_directory_named_like_its_model_is_loaded(tmp_path, monkeypatch):
    state = load_model("test_vit", "random", seed=9)[0].state_dict()
    checkpoints.write(tmp_path / "test_vit", state, {"model": "test_vit", "weights": "random"})
    monkeypatch.chdir(tmp_path)
    model, info = load_model("test_vit")
    assert info.source == "directory"
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("weights", ["trained", "pretrained", "random"])
def test_the_card_keeps_the_kind_of_weights(tmp_path, weights):
    state = load_model("deit-digits", "random")[0].state_dict()
    checkpoints.write(tmp_path, state, {"model": "deit-digits", "weights": weights})
    assert load_model(str(tmp_path))[1].weights == weights
    assert json.loads((tmp_path / "card.json").read_text())["version"] == 2
