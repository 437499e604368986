"""Reload: masked and sliced models come back from their directory alone; mismatching files are refused.

Weights and what follows from sizes come back bit by bit; outputs within rounding, since kernels look at where in memory
a tensor begins.
"""

import json

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from dimap_core.cut.slicing import kept_sizes, slice_model
from dimap_core.models import checkpoints, named_models
from dimap_core.models.load import load_model
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.pipeline.opened import open_model
from dimap_core.plan.recipe import to_recipe
from dimap_core.types.errors import CheckpointError
from dimap_core.types.model import KINDS
from dimap_core.types.plan import PruningPlan
from tests.helpers import mask_model, same

UNEQUAL = {"mlp_neuron": 0.5, "head": 0.3, "qk_dim": 0.7, "v_dim": 0.3}
NAMES = ["swin-textured", "deit-textured", "swin-digits", "deit-digits", "swin-flatten"]
FULL_SIZE = [
    "swin_tiny_patch4_window7_224",
    "swin_base_patch4_window7_224",
    "deit_tiny_patch16_224",
    "deit_base_patch16_224",
]


def plan_of(ratios, scope="module"):
    return PruningPlan("magnitude", "structure", scope, 0.0, tuple(((None, kind), r) for kind, r in ratios.items()))


def save(folder, name, plan, weights="pretrained", cut=slice_model):
    """Cut, write and return the cut model."""
    opened = open_model(name, weights)
    selection, _ = apply_plan(opened, plan)
    pruned = cut(opened.model, opened.anatomy, score(opened, plan), selection)
    card = {"model": name, "weights": opened.info.weights, "kept": kept_sizes(pruned, opened.anatomy)}
    checkpoints.write(folder, pruned.state_dict(), card, to_recipe(plan, name))
    return pruned


def outputs(model, size, n=2):
    with torch.inference_mode():
        return model(torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0)))


def equal_tensors(one, other):
    """Whether parameters and buffers are the same, bit by bit, those that no state dict holds among them."""
    pairs = ((dict(m.named_parameters()) | dict(m.named_buffers())) for m in (one, other))
    first, second = pairs
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def assert_reloaded(folder, pruned):
    loaded, info = load_model(str(folder))
    assert equal_tensors(loaded, pruned)
    assert same(outputs(loaded, info.input_size), outputs(pruned, info.input_size))
    assert info.source == "directory" and not loaded.training
    assert all(parameter.requires_grad and not parameter.is_meta for parameter in loaded.parameters())
    return loaded


@pytest.mark.parametrize("name", NAMES)
def test_bundled_models_come_back_bit_by_bit(tmp_path, name):
    equal = {"qk_dim": 0.5, "v_dim": 0.5, "mlp_neuron": 0.25}
    for at, (ratios, cut) in enumerate([(UNEQUAL, slice_model), (equal, slice_model), (UNEQUAL, mask_model)]):
        folder = tmp_path / str(at)
        pruned = save(folder, name, plan_of(ratios, "layer"), cut=cut)
        assert_reloaded(folder, pruned)


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_models_come_back_bit_by_bit(tmp_path, name):
    pruned = save(tmp_path, name, plan_of(dict.fromkeys(KINDS, 0.5)), "random")
    assert_reloaded(tmp_path, pruned)


def test_single_weights_set_to_zero_come_back(tmp_path):
    pruned = save(tmp_path, "swin-digits", PruningPlan(ratio=0.7), cut=mask_model)
    loaded = assert_reloaded(tmp_path, pruned)
    assert sum(int((parameter == 0).sum()) for parameter in loaded.parameters()) > 100_000


def test_no_original_weights_are_needed(tmp_path, monkeypatch):
    pruned = save(tmp_path, "swin-digits", plan_of(UNEQUAL))
    monkeypatch.setattr(named_models, "load_bundled", None)
    monkeypatch.setattr(named_models, "pretrained", None)
    assert_reloaded(tmp_path, pruned)


def test_a_reloaded_sliced_model_can_be_opened_cut_and_written_again(tmp_path):
    pruned = save(tmp_path / "once", "deit-digits", plan_of(UNEQUAL))
    opened = open_model(str(tmp_path / "once"))
    assert sum(layer.params for layer in opened.anatomy.layers) == sum(p.numel() for p in pruned.parameters())
    masked = save(tmp_path / "twice", str(tmp_path / "once"), PruningPlan(ratio=0.5), cut=mask_model)
    card = json.loads((tmp_path / "twice" / "card.json").read_text())
    (tmp_path / "twice" / "card.json").write_text(json.dumps({**card, "model": opened.info.name}))
    assert_reloaded(tmp_path / "twice", masked)


@pytest.mark.parametrize("name", ["vit_small_patch32_224", "vit_base_patch16_clip_224", "swin_s3_tiny_224", "test_vit"])
def test_other_models_of_the_families_are_built_without_their_weights(tmp_path, name):
    dense = timm.create_model(name).eval()
    checkpoints.write(tmp_path, dense.state_dict(), {"model": name, "weights": "random"})
    loaded, info = load_model(str(tmp_path))
    assert equal_tensors(loaded, dense)
    assert same(outputs(loaded, info.input_size, 1), outputs(dense, info.input_size, 1))


@pytest.fixture
def folder(tmp_path):
    save(tmp_path, "deit-digits", plan_of(UNEQUAL))
    return tmp_path


def refused(folder):
    with pytest.raises(CheckpointError) as error:
        load_model(str(folder))
    message = str(error.value)
    assert len(message.splitlines()) == 1 and message.endswith(".") and str(folder) in message, message
    return message


def edit_card(folder, change):
    path = folder / "card.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


def edit_tensors(folder, change):
    """Change the tensors and write a card that fits the file: only shapes and names can tell."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    card = json.loads((folder / "card.json").read_text())
    checkpoints.write(folder, tensors, {key: value for key, value in card.items() if key not in ("version", "sha256")})


@pytest.mark.parametrize(
    "kept",
    [
        [],
        "all",
        {"blocks.99": {"mlp_neuron": 1, "head": 1, "qk_dim": 1, "v_dim": 1}},
        {"blocks.0": {"mlp_neuron": 1, "head": 1, "qk_dim": 1}},
        {"blocks.0": 7},
        {"blocks.0": {"mlp_neuron": 0, "head": 1, "qk_dim": 1, "v_dim": 1}},
        {"blocks.0": {"mlp_neuron": 1, "head": 10**9, "qk_dim": 1, "v_dim": 1}},
        {"blocks.0": {"mlp_neuron": 1, "head": 1.5, "qk_dim": 1, "v_dim": 1}},
        {"blocks.0": {"mlp_neuron": 1, "head": True, "qk_dim": 1, "v_dim": "1"}},
        {"patch_embed": {"mlp_neuron": 1, "head": 1, "qk_dim": 1, "v_dim": 1}},
    ],
    ids=str,
)
def test_sizes_that_the_model_cannot_have_are_refused(folder, kept):
    edit_card(folder, lambda card: card.update(kept=kept))
    assert "lists sizes that 'deit-digits' cannot have" in refused(folder)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tensors: tensors.pop("head.weight"), "of head.weight the file has none"),
        (lambda tensors: tensors.update(more=torch.zeros(2)), "of more the file has float32 [2], the model needs none"),
        (lambda tensors: tensors.update(cls_token=torch.zeros(1, 1, 95)), "float32 [1, 1, 95], the model needs"),
        (lambda tensors: tensors.update(cls_token=tensors["cls_token"].half()), "float16 [1, 1, 96]"),
        (lambda tensors: tensors.clear(), "the file has none"),
    ],
    ids=["missing", "more", "shape", "type", "empty"],
)
def test_tensors_that_do_not_fit_are_told(folder, change, told):
    edit_tensors(folder, change)
    message = refused(folder)
    assert "does not hold the weights of 'deit-digits'" in message and told in message


def test_a_card_of_another_model_is_refused(folder):
    edit_card(folder, lambda card: card.update(model="swin-digits"))
    refused(folder)
    edit_card(folder, lambda card: card.update(model="deit-textured"))
    refused(folder)


def test_a_card_without_the_sizes_is_refused(folder):
    edit_card(folder, lambda card: card.pop("kept"))
    assert "does not hold the weights" in refused(folder)


def test_the_tensors_of_another_checkpoint_are_refused(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    save(other, "deit-digits", plan_of({"mlp_neuron": 0.5}))
    (folder / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    assert "damaged or not the one its card was written for" in refused(folder)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(folder, share):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "damaged" in refused(folder)


def test_a_header_that_promises_too_much_is_refused(folder):
    save_file({"a": torch.zeros(4)}, folder / "model.safetensors")
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[:8] = (2**40).to_bytes(8, "little")
    (folder / "model.safetensors").write_bytes(content)
    edit_card(folder, lambda card: (card.pop("sha256"), card.update(version=1)))
    assert "not a pruned checkpoint" in refused(folder)
