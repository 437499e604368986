"""Google's zips of numpy arrays: what opens is what timm itself reads, and nothing else does."""

import zipfile

import numpy as np
import pytest
import timm
import torch

from dimap_core.models.load import load_model
from dimap_core.types.errors import CheckpointError
from tests.helpers import assert_refused, same
from tests.models.foreign import DEIT, lively, logits

TINY = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 4, "num_classes": 7}
AUGREG, BIG_VISION = (1, 3, 2), (0, 0, 1)  # numbers of attention, MLP and second norm


def flax(model, numbers=AUGREG, root="", stacked=False):
    """A timm ViT's weights as Flax has them: kernels [in, out], heads apart, patches [row, column, channel, out]."""
    attention, mlp, second = numbers
    heads, state = model.blocks[0].attn.num_heads, {k: v.numpy() for k, v in model.state_dict().items()}
    found = {"embedding/kernel": state["patch_embed.proj.weight"].transpose(2, 3, 1, 0)}
    found |= {"embedding/bias": state["patch_embed.proj.bias"]}
    positions = "Transformer/posembed_input/pos_embedding" if numbers == AUGREG else "pos_embedding"
    found[positions] = state["pos_embed"]
    if "cls_token" in state:
        found["cls"] = state["cls_token"]
    for part, new in (("norm", "Transformer/encoder_norm"), ("head", "head")):
        kind = "kernel" if part == "head" else "scale"
        found |= {f"{new}/{kind}": state[f"{part}.weight"].T, f"{new}/bias": state[f"{part}.bias"]}
    blocks = []
    for n in range(len(model.blocks)):
        own = {k.removeprefix(f"blocks.{n}."): v for k, v in state.items() if k.startswith(f"blocks.{n}.")}
        block = {}
        for norm, number in (("norm1", 0), ("norm2", second)):
            block |= {
                f"LayerNorm_{number}/scale": own[f"{norm}.weight"],
                f"LayerNorm_{number}/bias": own[f"{norm}.bias"],
            }
        for number in (0, 1):
            dense = f"MlpBlock_{mlp}/Dense_{number}"
            block |= {
                f"{dense}/kernel": own[f"mlp.fc{number + 1}.weight"].T,
                f"{dense}/bias": own[f"mlp.fc{number + 1}.bias"],
            }
        at, width = f"MultiHeadDotProductAttention_{attention}", len(own["norm1.weight"])
        for part, weight, bias in zip(
            ("query", "key", "value"),
            np.split(own["attn.qkv.weight"], 3),
            np.split(own["attn.qkv.bias"], 3),
            strict=True,
        ):
            block |= {
                f"{at}/{part}/kernel": weight.T.reshape(width, heads, -1),
                f"{at}/{part}/bias": bias.reshape(heads, -1),
            }
        block |= {
            f"{at}/out/kernel": own["attn.proj.weight"].T.reshape(heads, -1, width),
            f"{at}/out/bias": own["attn.proj.bias"],
        }
        blocks.append(block)
    if stacked:
        found |= {f"Transformer/encoderblock/{k}": np.stack([block[k] for block in blocks]) for k in blocks[0]}
    else:
        found |= {f"Transformer/encoderblock_{n}/{k}": v for n, block in enumerate(blocks) for k, v in block.items()}
    return {f"{root}{name}": value for name, value in found.items()}


KINDS = {
    "augreg": (TINY, {}),
    "augreg under its optimizer": (TINY, {"root": "opt/target/"}),
    "Big Vision": ({**TINY, "no_embed_class": True}, {"numbers": BIG_VISION, "root": "params/"}),
    "Big Vision, scanned": (
        {**TINY, "class_token": False, "global_pool": "avg", "fc_norm": False},
        {"numbers": BIG_VISION, "root": "params/", "stacked": True},
    ),
    "DeiT-Ti's shapes": ({"img_size": 64, "num_classes": 7}, {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_zip_of_arrays_opens_as_timm_reads_it(tmp_path, kind):
    settings, layout = KINDS[kind]
    torch.manual_seed(0)
    model = lively(timm.create_model(DEIT, **settings))
    np.savez(tmp_path / "a.npz", **flax(model, **layout))
    loaded, info = load_model(str(tmp_path / "a.npz"))
    side = settings["img_size"]
    assert info.settings["num_heads"] == model.blocks[0].attn.num_heads and info.input_size == side
    read = timm.create_model(DEIT, **settings).eval()
    read.load_pretrained(str(tmp_path / "a.npz"))
    wanted = logits(model, side)
    assert wanted.std() > 0.01 and same(logits(loaded, side), wanted) and same(logits(loaded, side), logits(read, side))


CHANGES = {
    "pre_logits": lambda arrays: arrays | {"pre_logits/kernel": np.ones((24, 24), np.float32)},
    "a mixer": lambda arrays: {"MixerBlock_0/LayerNorm_0/scale": np.ones(3)},
    "a pooling head": lambda arrays: arrays | {"MAPHead_0/probe": np.ones((1, 1, 24), np.float32)},
    "a block's part missing": lambda arrays: {k: v for k, v in arrays.items() if "encoderblock_1/LayerNorm_0" not in k},
    "no positions": lambda arrays: {k: v for k, v in arrays.items() if "pos" not in k},
    "another size": lambda arrays: arrays | {"Transformer/encoder_norm/scale": np.ones(1, np.float32)},
    "whole numbers": lambda arrays: arrays | {"cls": np.ones((1, 1, 24), np.int64)},
    "an object": lambda arrays: arrays | {"cls": np.array([{}], dtype=object)},
    "not finite": lambda arrays: arrays | {"cls": np.full((1, 1, 24), np.nan, np.float32)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_no_plain_vit_is_refused(tmp_path, change):
    np.savez(tmp_path / "a.npz", **CHANGES[change](flax(lively(timm.create_model(DEIT, **TINY)))))
    assert_refused(CheckpointError, lambda: load_model(str(tmp_path / "a.npz")))


def test_a_header_that_lies_and_packed_arrays_are_refused(tmp_path):
    arrays = flax(lively(timm.create_model(DEIT, **TINY)))
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    assert_refused(CheckpointError, lambda: load_model(str(tmp_path / "a.npz")), "numpy.savez")
    np.savez(tmp_path / "b.npz", **arrays)
    with zipfile.ZipFile(tmp_path / "b.npz") as old, zipfile.ZipFile(tmp_path / "c.npz", "w") as new:
        for part in old.infolist():
            content = old.read(part)
            if part.filename == "cls.npy":
                content = content.replace(b"(1, 1, 24), }", b"(9, 99, 24),}")
                assert b"99" in content
            new.writestr(part.filename, content)
    assert_refused(CheckpointError, lambda: load_model(str(tmp_path / "c.npz")))
    whole = (tmp_path / "b.npz").read_bytes()
    needs = whole.index(b"PK\x01\x02") + 6  # the version of zip that its directory asks for
    for damaged in (whole[: len(whole) // 2], whole[:-9], whole[:needs] + b"\xff" + whole[needs + 1 :]):
        (tmp_path / "d.npz").write_bytes(damaged)
        assert_refused(CheckpointError, lambda: load_model(str(tmp_path / "d.npz")))
