"""Anatomy: parts, groups and MACs of real timm models, exactly as torch's own counter counts them."""

import numpy as np
import pytest
import timm
import timm.layers
import torch
from torch.utils.flop_counter import FlopCounterMode

from dimap_core.anatomy.build import build_anatomy
from dimap_core.measure.cost import cost_report
from dimap_core.models.bundled import BUNDLED
from dimap_core.models.named_models import build
from dimap_core.types.errors import UnsupportedModel

SWIN = "swin_{}_patch4_window7_224"
DEIT = "deit_{}_patch16_224"


@pytest.fixture
def unfused():
    """Attention as plain matmuls, which torch's counter sees; fused attention hides them from some counters."""
    before = timm.layers.use_fused_attn()
    timm.layers.set_fused_attn(False)
    yield
    timm.layers.set_fused_attn(before)


def on_meta(name, **kwargs):
    """A model without memory for its weights: sizes are all that counting needs."""
    with torch.device("meta"):
        return timm.create_model(name, **kwargs).eval()


def counted(model, size):
    """MACs by torch.utils.flop_counter (two flops each), on whichever device the model is."""
    device = next(model.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, 3, size, size, device=device))
    return counter.get_total_flops() / 2


def total(model, family):
    return cost_report(build_anatomy(model, family)).total


def assert_counts_agree(model, family, size):
    cost = total(model, family)
    assert cost.macs == counted(model, size)
    assert cost.params == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "family", "giga"),
    [
        (SWIN.format("tiny"), "swin", 4.491),
        (SWIN.format("small"), "swin", 8.741),
        (SWIN.format("base"), "swin", 15.431),
        (DEIT.format("tiny"), "deit", 1.254),
        (DEIT.format("small"), "deit", 4.599),
        (DEIT.format("base"), "deit", 17.564),
    ],
)
def test_dense_macs_of_the_published_models(name, family, giga):
    assert round(total(on_meta(name), family).macs / 1e9, 3) == giga


@pytest.mark.parametrize(
    ("name", "family"),
    [
        (SWIN.format("tiny"), "swin"),
        (DEIT.format("tiny"), "deit"),
        ("deit_tiny_distilled_patch16_224", "deit"),
        ("deit3_small_patch16_224", "deit"),
        ("swin_s3_tiny_224", "swin"),
        ("vit_small_patch16_36x1_224", "deit"),
        ("vit_medium_patch16_gap_240", "deit"),
        ("vit_base_patch14_reg4_dinov2", "deit"),
        ("vit_giant_patch14_dinov2", "deit"),
        ("vit_little_patch16_reg4_gap_256", "deit"),
        ("swinv2_tiny_window8_256", "swin"),
    ],
)
def test_params_and_macs_equal_torchs_own_counts(unfused, name, family):
    model = on_meta(name)
    assert_counts_agree(model, family, model.pretrained_cfg["input_size"][-1])


@pytest.mark.parametrize("spec", BUNDLED, ids=lambda spec: spec.name)
def test_params_and_macs_of_the_bundled_models_equal_torchs_own_counts(unfused, spec):
    assert_counts_agree(build(spec), spec.family, spec.input_size)


@pytest.mark.parametrize("size", [32, 36, 44, 52], ids="{} px".format)
def test_macs_count_the_padding_of_incomplete_windows(unfused, make_tiny, size):
    # 36 px make an 18x18 map: windows of 4 pad it to 20x20, then patch merging gives 9x9, padded to 12x12.
    assert_counts_agree(make_tiny("swin", img_size=size, depths=(2, 2, 2), num_heads=(1, 2, 4)), "swin", size)


@pytest.mark.parametrize("depth", [1, 3, 4, 6, 9, 12])
def test_deit_blocks_are_grouped_like_numpy_array_split(make_tiny, depth):
    anatomy = build_anatomy(make_tiny("deit", depth=depth), "deit")
    groups = [[block.layers[1].name.split(".")[1] for block in stage.blocks] for stage in anatomy.stages]
    expected = [part for part in np.array_split(range(depth), 4) if len(part)]
    assert groups == [[str(i) for i in part] for part in expected]
    assert [block.index for stage in anatomy.stages for block in stage.blocks] == [
        i for p in expected for i in range(len(p))
    ]
    assert anatomy.stage_word == "block group"


def test_a_swin_has_its_stages_blocks_heads_and_modules(swin_t):
    anatomy = swin_t.anatomy
    assert [len(stage.blocks) for stage in anatomy.stages] == [2, 2, 6, 2]
    assert [stage.blocks[0].heads for stage in anatomy.stages] == [3, 6, 12, 24]
    assert {block.head_dim for stage in anatomy.stages for block in stage.blocks} == {32}
    assert (anatomy.input_size, anatomy.stage_word) == (224, "stage")
    assert len(anatomy.prunable) == 4 * 12
    assert [layer.name.removeprefix("layers.0.blocks.0.") for layer in anatomy.prunable[:4]] == [
        "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2",
    ]  # fmt: skip
    assert [layer.module for layer in anatomy.prunable[:4]] == ["QKV-M", "PRJ-M", "MLP-M", "MLP-M"]
    assert [layer.macs_per_unit for layer in anatomy.prunable[:4]] == [56 * 56] * 4


def test_patch_merging_belongs_to_the_stage_that_holds_it_and_is_never_pruned(swin_t):
    merging = [[layer.name for layer in stage.merging] for stage in swin_t.anatomy.stages]
    assert merging[0] == []
    assert merging[1] == ["layers.1.downsample.norm", "layers.1.downsample.reduction"]
    assert {layer.module for stage in swin_t.anatomy.stages for layer in stage.merging} == {"AUX-M"}
    outer = {layer.name for layer in swin_t.anatomy.outer}
    assert outer == {"patch_embed.proj", "patch_embed.norm", "norm", "head.fc"}
    assert all(layer.stage is None and layer.block is None for layer in swin_t.anatomy.outer)


def test_every_part_is_a_module_or_parameter_of_the_model_and_none_is_listed_twice(tiny):
    names = [layer.name for layer in tiny.anatomy.layers]
    assert len(names) == len(set(names))
    known = {name for name, _ in tiny.model.named_modules()} | {name for name, _ in tiny.model.named_parameters()}
    assert set(names) <= known
    for layer in tiny.anatomy.prunable:
        weight = tiny.model.get_parameter(f"{layer.name}.weight")
        assert tuple(weight.shape) == layer.shape and weight.numel() == layer.size


def test_a_distilled_deit_has_two_heads_and_a_deit3_its_layer_scales():
    distilled = build_anatomy(on_meta("deit_tiny_distilled_patch16_224"), "deit")
    assert {"head", "head_dist", "dist_token"} <= {layer.name for layer in distilled.outer}
    assert distilled.prunable[0].macs_per_unit == 14 * 14 + 2
    deit3 = build_anatomy(on_meta("deit3_small_patch16_224"), "deit")
    assert {"blocks.0.ls1", "blocks.0.ls2"} <= {layer.name for layer in deit3.layers if not layer.prunable}


@pytest.mark.parametrize(
    ("name", "family", "found"),
    [
        ("vit_base_patch16_siglip_224", "deit", "attn_pool"),
        ("vit_small_patch16_18x2_224", "deit", "ParallelThingsBlock"),
        ("resnet18", "deit", "ResNet"),
        ("resnet18", "swin", "ResNet"),
        ("deit_tiny_patch16_224", "swin", "VisionTransformer"),
        ("swin_tiny_patch4_window7_224", "deit", "SwinTransformer"),
        ("vit_dwee_patch16_reg1_gap_256", "deit", "DiffAttention"),
        ("aimv2_large_patch14_224", "deit", "fc1_g"),
    ],
)
def test_a_model_of_another_build_is_refused_with_what_was_found(name, family, found):
    with pytest.raises(UnsupportedModel, match=r"choose another( model)?\.$") as error:
        build_anatomy(on_meta(name), family)
    assert found in str(error.value) and "\n" not in str(error.value)
