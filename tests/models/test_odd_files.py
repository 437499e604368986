"""Files of odd architectures: each opens as the timm model that it was saved from, is counted and cut exactly, or is
refused for what really keeps it out."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from dimap_core import pipeline
from dimap_core.anatomy.groups import has_groups
from dimap_core.data.batches import normalised
from dimap_core.data.from_source import transform_of
from dimap_core.models.load import load_model
from dimap_core.pipeline.timing import seconds_an_image
from dimap_core.studies.attribution import occlusion
from dimap_core.types.errors import CheckpointError, UnsupportedModel
from dimap_core.types.plan import PruningPlan
from tests.helpers import assert_refused, same
from tests.models.foreign import DEIT, SWIN, lively

SMALL = {"img_size": 32, "num_classes": 7}
TINY = {**SMALL, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
STAGES = {**SMALL, "window_size": 4, "embed_dim": 12, "depths": (2, 2), "num_heads": (1, 2)}
POOLED = {"global_pool": "avg", "class_token": False}
SAID = "@?num_heads=3"
KINDS = {
    "one channel": (DEIT, {**SMALL, "in_chans": 1}, ""),
    "Swin, one channel": (SWIN, {**STAGES, "in_chans": 1}, ""),
    "patch 8 at 96 px": (DEIT, {**SMALL, "patch_size": 8, "img_size": 96}, ""),
    "q and k normed": (DEIT, {**TINY, "qk_norm": True}, ""),
    "every part normed": (DEIT, {**TINY, "qk_norm": True, "scale_attn_norm": True, "scale_mlp_norm": True}, ""),
    "mean pooled, fc_norm": (DEIT, {**TINY, "global_pool": "avg"}, SAID),
    "no class token": (DEIT, {**TINY, **POOLED}, SAID),
    "no class token, normed before": (DEIT, {**TINY, **POOLED, "fc_norm": False}, SAID),
    "norm before the blocks": (DEIT, {**TINY, "pre_norm": True}, SAID),
    "layer scale": (DEIT, {**SMALL, "init_values": 0.1}, ""),
    "no qkv bias": (DEIT, {**SMALL, "qkv_bias": False}, ""),
    "no bias after attention": (DEIT, {**TINY, "proj_bias": False}, SAID),
    "registers with positions": (DEIT, {**SMALL, "reg_tokens": 4}, ""),
    "registers without": (DEIT, {**TINY, "reg_tokens": 3, "no_embed_class": True}, SAID),
    "class token without a position": (DEIT, {**SMALL, "no_embed_class": True}, "@?img_size=32"),
    "another depth and MLP": (DEIT, {**TINY, "depth": 5, "mlp_ratio": 3.0}, SAID),
    "distilled, layer scale": ("deit_tiny_distilled_patch16_224", {**TINY, "init_values": 0.1}, SAID),
    "nearly all at once": (
        DEIT, {**TINY, **POOLED, "in_chans": 1, "reg_tokens": 2, "pre_norm": True, "init_values": 0.1}, SAID,
    ),
    "Swin, no qkv bias": (SWIN, {**STAGES, "qkv_bias": False}, ""),
    "Swin at 112 px": (SWIN, {**STAGES, "img_size": 112, "window_size": 7, "depths": (1, 1, 2, 2),
                              "num_heads": (1, 1, 2, 2)}, ""),
    "SwinV2 of window 2": (
        "swinv2_tiny_window8_256", {**STAGES, "window_size": 2}, "@?img_size=32&window_size=2",
    ),
}  # fmt: skip


def saved(tmp_path, name, settings, change=None):
    """(the model of timm's, the file of its weights)"""
    torch.manual_seed(1)
    model = lively(timm.create_model(name, **settings))
    state = {**model.state_dict(), **(change or {})}
    torch.save({key: value for key, value in state.items() if value is not None}, tmp_path / "a.pth")
    return model, tmp_path / "a.pth"


def images(model, count=2):
    size = model.patch_embed.img_size
    return torch.randn(count, model.in_chans, *size, generator=torch.Generator().manual_seed(2))


def macs(model):
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(images(model, 1))
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("kind", KINDS)
def test_an_odd_file_opens_is_counted_and_cut_exactly(tmp_path, kind):
    name, settings, said = KINDS[kind]
    model, path = saved(tmp_path, name, settings)
    opened = pipeline.open_model(f"{path}{said}")
    shown = images(model)
    with torch.inference_mode():
        wanted = model(shown)
        assert wanted.std() > 0.01 and same(opened.model(shown), wanted)
    total = pipeline.dense_cost(opened).total
    assert total.params == sum(parameter.numel() for parameter in model.parameters())
    assert total.macs == macs(model)
    cut_and_opened_again(tmp_path / "weights", opened, shown, PruningPlan(ratio=0.5))
    cut = tuple(((None, unit), 0.4) for unit in ("mlp_neuron", "head", "qk_dim", "v_dim"))
    plan = PruningPlan("magnitude", "structure", ratio=0.0, overrides=cut)
    if has_groups(opened.anatomy):
        assert opened.anatomy.family == "deit" or "V2" not in kind
        smaller = cut_and_opened_again(tmp_path / "structure", opened, shown, plan)
        cost = pipeline.apply_plan(opened, plan)[1].total
        assert cost.params_after == sum(parameter.numel() for parameter in smaller.parameters()) < total.params
        assert cost.macs_after == macs(smaller) < total.macs
    else:
        assert kind in ("q and k normed", "every part normed", "SwinV2 of window 2")
        assert_refused(UnsupportedModel, lambda: pipeline.apply_plan(opened, plan), "prune single weights")


def cut_and_opened_again(place, opened, shown, plan):
    pruned = pipeline.prune(opened, plan)[0]
    pipeline.save_pruned(place, opened, plan)
    again, info = load_model(str(place))
    assert (info.input_size, info.mean, info.std) == (opened.info.input_size, opened.info.mean, opened.info.std)
    with torch.inference_mode():
        assert same(again(shown), pruned(shown)) and not same(pruned(shown), opened.model(shown), 1e-3)
    return pruned


REFUSED = {
    "not square": (DEIT, {**SMALL, "img_size": (32, 48)}, {}, ("not square (7 positions)", "resample")),
    "not square, but for its class token": (
        DEIT, {**SMALL, "img_size": (48, 80)}, {}, ("not square (16 positions), or its class token", "?img_size=64"),
    ),
    "not square, one channel": (DEIT, {**TINY, "img_size": (32, 64), "in_chans": 1}, {}, ("square (33 positions)",)),
    "Swin, not square": (SWIN, {**STAGES, "img_size": (32, 64), "window_size": (4, 8)}, {}, ("windows are not",)),
    "four channels": (DEIT, {**SMALL, "in_chans": 4}, {}, ("4 channels", "[192, 4, 16, 16]")),
    "patches not square": (DEIT, {**SMALL, "patch_size": (8, 16)}, {}, ("patches of 8 x 16",)),
    "an extra tensor": (DEIT, TINY, {"extra.weight": torch.zeros(3)}, ("extra.weight it has [3]", "needs none")),
    "a bias is missing": (DEIT, TINY, {"blocks.1.norm2.bias": None}, ("blocks.1.norm2.bias it has none",)),
    "gated": (DEIT, {**TINY, "mlp_layer": timm.layers.GluMlp}, {}, ("blocks.0.mlp.fc2.weight it has [24, 48]",)),
    "attention pools": (DEIT, {**TINY, "global_pool": "map"}, {}, ("attn_pool.latent", "the model needs none")),
    "no positions": (DEIT, {**TINY, "pos_embed": "none"}, {}, ("lack 'pos_embed'",)),
    "all heads normed at once": (
        DEIT, TINY, {"blocks.0.attn.q_norm.weight": torch.ones(192), "blocks.0.attn.proj.weight": torch.ones(192, 192)},
        ("queries of all heads together",),
    ),
    "heads that nothing tells": (
        DEIT, {**TINY, "embed_dim": 128, "num_heads": 2}, {}, ("number of heads", "FILE@?num_heads=2 for heads 64"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_keeps_a_file_out_is_named(tmp_path, kind):
    name, settings, change, parts = REFUSED[kind]
    _, path = saved(tmp_path, name, settings, change)
    assert_refused((CheckpointError, UnsupportedModel), lambda: load_model(str(path)), *parts)


def test_a_rectangle_that_is_said_is_refused(tmp_path):
    _, path = saved(tmp_path, DEIT, TINY)
    for said in ("192x256", "192,256"):
        assert_refused(UnsupportedModel, lambda said=said: load_model(f"{path}@?img_size={said}"), "192x256 px are not")


def test_a_wanted_architecture_has_what_the_file_has(tmp_path):
    """What the name would have of its own, and the file has not, is left away."""
    model, path = saved(tmp_path, DEIT, {**TINY, **POOLED, "fc_norm": False, "in_chans": 1})
    for wanted in ("deit_tiny_patch16_224", "vit_base_patch32_clip_224"):
        loaded, info = load_model(f"{path}@{wanted}?num_heads=3")
        model.norm.eps = loaded.norm.eps  # CLIP's is another, and no weight tells it
        for block, other in zip(model.blocks, loaded.blocks, strict=True):
            block.norm1.eps, block.norm2.eps = other.norm1.eps, other.norm2.eps
        with torch.inference_mode():
            assert info.architecture == wanted and same(loaded(images(model)), model(images(model)))


def test_grey_images_enter_grey(tmp_path):
    """As timm makes them: L first, then its transform; every channel that is kept is that."""
    path = saved(tmp_path, DEIT, {**SMALL, "in_chans": 1})[1]
    opened = pipeline.open_model(str(path))
    info = opened.info
    assert (info.channels, info.mean, info.std) == (1, (pytest.approx(0.449),), (pytest.approx(0.226),))
    assert "grey" in " ".join(info.notes) and "0.449" in " ".join(info.notes)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    shown = transform_of(opened.model, info)[0](Image.fromarray(pixels))
    wanted = timm.data.create_transform((1, 32, 32), mean=(0.449,), std=(0.226,), crop_pct=0.9, interpolation="bicubic")
    wanted = wanted(Image.fromarray(pixels).convert("L"))
    assert shown.shape == (3, 32, 32) and (shown == shown[:1]).all()
    assert same(normalised(info, shown[None])[0], wanted, 1e-6)
    assert seconds_an_image(opened) > 0
    *_, found = occlusion_of(opened.model, info, shown)
    assert found.values.shape == (32, 32) and np.isfinite(found.values).all()


def occlusion_of(model, info, image):
    steps = occlusion(model, info, image, 0)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            yield end.value
            return


@pytest.mark.parametrize(
    ("size", "window", "guess", "fit"),
    [
        (112, 7, 112, "100 to 128 px"),  # its last window has shrunk to 4
        (96, 7, 96, "84 to 96 px"),
        (224, 7, 224, "196 px and more"),
        (256, 8, 256, "228 px and more"),
        (384, 12, 384, "356 px and more"),
        (128, 7, 112, "100 to 128 px"),  # two fit, and the smaller has windows that nothing fills up
        (256, 7, 224, "196 px and more"),
    ],
)
def test_a_guessed_input_size_is_told(tmp_path, size, window, guess, fit):
    sizes = {"window_size": window, "embed_dim": 12, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1)}
    model, path = saved(tmp_path, SWIN, {"img_size": size, "num_classes": 7, **sizes})
    loaded, info = load_model(str(path))
    assert (info.input_size, loaded.patch_embed.img_size) == (guess, (guess, guess))
    (note,) = [*info.notes]
    assert note.startswith(f"Input size guessed: {guess} px") and f" {fit} fit" in note and "FILE@?img_size=" in note
    guessed, (loaded, info) = info, load_model(f"{path}@?img_size={size}")
    assert guessed.fingerprint != info.fingerprint  # what is kept by it is told with the model
    with torch.inference_mode():
        assert [*info.notes] == [] and same(loaded(images(model)), model(images(model)))
    assert_refused(UnsupportedModel, lambda: load_model(f"{path}@?img_size=60"), "60 px do not fit", fit)


@pytest.mark.parametrize("size", [128, 256, 224, 112])
def test_masks_that_were_saved_along_tell_the_size(tmp_path, size):
    """Microsoft's files hold them: how many windows a stage has, and which stages have no shifted ones."""
    sizes = {"window_size": 7, "embed_dim": 12, "depths": (2, 2, 2, 2), "num_heads": (1, 1, 1, 1)}
    torch.manual_seed(1)
    model = timm.create_model(SWIN, img_size=size, num_classes=7, **sizes)
    masks = {f"{name}.attn_mask": module.attn_mask for name, module in model.named_modules()
             if getattr(module, "attn_mask", None) is not None}  # fmt: skip
    assert masks
    torch.save({**model.state_dict(), **masks}, tmp_path / "a.pth")
    found = load_model(str(tmp_path / "a.pth"))[1]
    assert found.input_size == size
    wrong = {**masks, "layers.0.blocks.1.attn_mask": torch.zeros(6, 49, 49)}
    torch.save({**model.state_dict(), **wrong}, tmp_path / "b.pth")
    assert_refused(UnsupportedModel, lambda: load_model(str(tmp_path / "b.pth")), "square image")
