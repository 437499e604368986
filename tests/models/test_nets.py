"""Files that hold more than one Swin or ViT: which of it was taken is right, and told."""

import json

import pytest
import torch
from safetensors.torch import save_file

from dimap_core.models.load import load_model
from dimap_core.types.errors import CheckpointError, UnsupportedModel
from tests.helpers import assert_refused
from tests.models.foreign import DEIT, SWIN, VIT, check, logits, named, opened, prefixed

BARE = {**VIT, "num_classes": 0}
SMALL = {"img_size": 64, "window_size": 4, "embed_dim": 12, "depths": (2, 2, 2), "num_heads": (1, 2, 3)}
DECODER = {"decoder.0.weight": torch.ones(48, 12, 1, 1), "decoder.0.bias": torch.ones(48)}
OTHER = named(DEIT, 5, **BARE).state_dict()
LARGER = named("deit_small_patch16_224", 5, **BARE).state_dict()


HELD = {
    "MoCo": lambda s: {
        "state_dict": prefixed(prefixed(s, "base_encoder.") | prefixed(OTHER, "momentum_encoder.")
                               | {"predictor.0.weight": torch.ones(8, 8)}, "module."),
    },
    "MoCo's first names": lambda s: {"state_dict": prefixed(OTHER, "encoder_k.") | prefixed(s, "encoder_q.")},
    "an encoder and what reads it": lambda s: prefixed(s, "encoder.") | {"decoder.weight": torch.ones(3, 192)},
    "student and teacher of one kind": lambda s: {"state_dict": prefixed(OTHER, "student.") | prefixed(s, "teacher.")},
    "a larger teacher": lambda s: {"state_dict": prefixed(s, "student.") | prefixed(LARGER, "teacher.")},
    "averaged beside": lambda s: {"state_dict": prefixed(OTHER, "model.") | prefixed(s, "model_ema.module.")},
    "an image tower": lambda s: prefixed(s, "visual.trunk.") | {"text.a.weight": torch.ones(3), "scale": torch.ones(1)},
    "BYOL": lambda s: prefixed(s, "online_network.encoder.") | prefixed(OTHER, "target_network.encoder."),
}  # fmt: skip


@pytest.mark.parametrize("kind", HELD)
def test_one_net_of_several_is_taken_and_told(tmp_path, kind):
    model = named(DEIT, **BARE)
    info = check(tmp_path, HELD[kind](model.state_dict()), logits(model, 64), 64, tolerance=0)
    (note,) = [*info.notes]
    assert " was taken of this file, not " in note and note.endswith(".")


def test_simmims_encoder_opens_without_its_decoder(tmp_path):
    model = named(SWIN, **SMALL, num_classes=0)
    state = prefixed(model.state_dict() | {"mask_token": torch.ones(1, 1, 12)}, "encoder.")
    info = check(tmp_path, {"model": state | DECODER}, logits(model, 64), 64, tolerance=0)
    assert any("'encoder' was taken of this file, not decoder.0.weight, decoder.0.bias." in note for note in info.notes)
    assert any("mask_token" in note for note in info.notes)


def test_a_projection_that_only_training_needs_is_left_out(tmp_path):
    model = named(DEIT, **BARE)
    head = {
        "head.0.weight": torch.ones(8, 192),
        "head.1.running_mean": torch.ones(8),
        "head.3.weight": torch.ones(3, 8),
    }
    state = prefixed(model.state_dict() | head, "base_encoder.") | prefixed(OTHER | head, "momentum_encoder.")
    info = check(tmp_path, {"state_dict": prefixed(state, "module.")}, logits(model, 64), 64, tolerance=0)
    taken, left_out = [*info.notes]
    assert "base_encoder' was taken" in taken and "momentum_encoder" in taken and "head.0.weight" in left_out


@pytest.mark.parametrize("name", ["blocks.{0}.attn.qkv.weight", "layers.{0}.blocks.0.attn.qkv.weight"])
def test_blocks_of_huge_numbers_are_refused_in_no_time(tmp_path, name):
    names = (name.format(number) for number in (0, 10**9))
    state = dict.fromkeys((*names, "blocks.0.attn.proj.weight", "blocks.0.mlp.fc1.weight"), torch.zeros(4, 4))
    state |= {"patch_embed.proj.weight": torch.zeros(4, 3, 8, 8), "pos_embed": torch.zeros(1, 17, 4)}
    assert_refused((CheckpointError, UnsupportedModel), lambda: opened(tmp_path, state))


def test_which_dict_was_taken_is_told(tmp_path):
    model = named(DEIT, **VIT)
    content = {"state_dict": OTHER, "state_dict_ema": model.state_dict(), "epoch": 3}
    info = check(tmp_path, content, logits(model, 64), 64, tolerance=0)
    assert [*info.notes] == ["'state_dict_ema' was taken of this file, not 'state_dict'."]
    assert check(tmp_path, {"model": model.state_dict()}, logits(model, 64), 64, tolerance=0).notes == ()


def test_what_is_left_out_of_a_net_is_told(tmp_path):
    model = named(DEIT, **BARE)
    info = check(tmp_path, model.state_dict() | {"mask_token": torch.ones(1, 192)}, logits(model, 64), 64, tolerance=0)
    assert [*info.notes] == ["Left out, being no part of a Swin, DeiT or ViT: mask_token."]


def test_adapters_are_to_be_merged_first(tmp_path):
    state = named(DEIT, **VIT).state_dict()
    lora = {f"base_model.model.blocks.0.attn.qkv.lora_{side}.weight": torch.ones(4, 4) for side in "AB"}
    for content in (lora, state | lora):
        assert_refused(CheckpointError, lambda content=content: opened(tmp_path, content), "LoRA", "merge_and_unload()")
    folder = tmp_path / "peft"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    save_file(lora, folder / "adapter_model.safetensors")
    assert_refused(CheckpointError, lambda: load_model(str(folder)), "LoRA", "merge_and_unload()")


def test_a_beit_is_called_one(tmp_path):
    state = {name: value for name, value in named(DEIT, **VIT).state_dict().items() if name != "pos_embed"}
    state |= {"rel_pos_bias.relative_position_bias_table": torch.ones(4, 3)}
    assert_refused(UnsupportedModel, lambda: opened(tmp_path, state), "a BEiT's")


def test_names_of_many_nets_are_read_in_no_time():
    from dimap_core.models.files.listing import Listing
    from dimap_core.models.files.nets import one_net

    names = [f"{'a.' * (n % 50)}{n}.patch_embed.proj.weight" for n in range(20_000)]
    found = Listing(dict.fromkeys(names, (1, 3, 1, 1)), frozenset(names), torch.zeros)
    assert one_net(found) is found
