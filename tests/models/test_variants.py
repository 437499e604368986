"""Variants of the families: parts, costs, prefixes and cuts of each are exact, or one sentence says what was found."""

import numpy as np
import pytest
import timm
import timm.layers
import torch
from torch.utils.flop_counter import FlopCounterMode

from dimap_core import pipeline
from dimap_core.anatomy.build import build_anatomy
from dimap_core.anatomy.segments import embed, head, segments
from dimap_core.criteria.statistics import collect
from dimap_core.cut.slicing import slice_model
from dimap_core.measure.cost import cost_report
from dimap_core.models.named_models import finish
from dimap_core.pipeline.chain import apply_plan, score
from dimap_core.studies.attribution import rollout
from dimap_core.types.errors import UnsupportedModel
from dimap_core.types.images import LabelledImages
from dimap_core.types.plan import PruningPlan
from tests.helpers import SINGLE, double, mask_model, same

SMALL = {"img_size": 32, "num_classes": 10}
VIT = {**SMALL, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
SLICEABLE = {
    "distilled": ("deit_tiny_distilled_patch16_224", VIT),
    "DeiT-3": ("deit3_small_patch16_224", VIT),
    "registers, pooled": ("vit_wee_patch16_reg1_gap_256", {**VIT, "qk_norm": False}),
    "pooled over all": ("deit_tiny_patch16_224", {**VIT, "global_pool": "avg", "pool_include_prefix": True}),
    "CLIP, without biases": ("vit_base_patch32_clip_quickgelu_224", {**VIT, "qkv_bias": False}),
    "norms after": ("vit_base_patch16_rpn_224", {**VIT, "class_token": False, "global_pool": "avg"}),
}
WHOLE = {
    "SwinV2": (
        "swinv2_tiny_window8_256",
        {**SMALL, "patch_size": 2, "window_size": 4, "embed_dim": 8, "depths": (1, 2), "num_heads": (2, 4)},
    ),
    "gated MLP": ("deit_tiny_patch16_224", {**VIT, "mlp_layer": timm.layers.GluMlp}),
    "normalised queries": ("deit_tiny_patch16_224", {**VIT, "qk_norm": True}),
    "norm in the attention": ("deit_tiny_patch16_224", {**VIT, "scale_attn_norm": True}),
}
FOUND = {
    "SwinV2": "SwinV2's cosine attention",
    "gated MLP": "a gated MLP",
    "normalised queries": "norms of queries",
    "norm in the attention": "a norm inside the attention",
}
CUT = PruningPlan(
    "magnitude", "structure", ratio=0.5, overrides=tuple(((None, kind), 0.5) for kind in ("qk_dim", "v_dim"))
)


def made(opened, variant):
    name, settings = {**SLICEABLE, **WHOLE}[variant]
    torch.manual_seed(1)
    model = timm.create_model(name, **settings).eval()
    for parameter in model.parameters():
        parameter.data += torch.randn_like(parameter) * 0.2  # timm starts some scales and norms at nothing
    return opened(model, "swin" if "swin" in name else "deit")


def images(count=3):
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def counted(model):
    before = timm.layers.use_fused_attn()
    timm.layers.set_fused_attn(False)
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(images(1))
    timm.layers.set_fused_attn(before)
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("variant", [*SLICEABLE, *WHOLE])
def test_params_macs_and_the_chain_of_blocks_are_exact(opened, variant):
    found = made(opened, variant)
    total = cost_report(found.anatomy).total
    assert total.params == sum(parameter.numel() for parameter in found.model.parameters())
    assert total.macs == counted(found.model)
    with torch.inference_mode():
        x = embed(found.model, found.info.family, images())
        for segment in segments(found.model, found.info.family):
            x = segment.run({}, x)
        assert same(head(found.model, x), found.model(images()))


@pytest.mark.parametrize("variant", SLICEABLE)
@pytest.mark.parametrize("kinds", [("mlp_neuron",), ("head",), ("qk_dim", "v_dim"), ("mlp_neuron", "head", "v_dim")])
def test_sliced_answers_as_masked_and_costs_what_the_report_says(opened, variant, kinds):
    found = double(made(opened, variant))
    cut = tuple(((None, kind), 0.4 if kind != "mlp_neuron" else 0.6) for kind in kinds)
    plan = PruningPlan("magnitude", "structure", ratio=0.0, overrides=cut)
    selection, cost = apply_plan(found, plan)
    scores = score(found, plan)
    masked = mask_model(found.model, found.anatomy, scores, selection)
    smaller = slice_model(found.model, found.anatomy, scores, selection)
    with torch.inference_mode():
        wanted, got, dense = (model(images().double()) for model in (masked, smaller, found.model))
    assert same(got, wanted) and not same(wanted, dense, 1e-4)
    assert cost.total.params_after == sum(parameter.numel() for parameter in smaller.parameters())
    assert cost.total.macs_after == counted(smaller.float())


@pytest.mark.parametrize("variant", WHOLE)
def test_what_cannot_be_sliced_is_pruned_by_single_weights(opened, variant):
    found = made(opened, variant)
    plan = PruningPlan(ratio=0.5)
    selection, cost = apply_plan(found, plan)
    masked = mask_model(found.model, found.anatomy, score(found, plan), selection)
    zeros = sum(int((masked.get_parameter(f"{layer.name}.weight") == 0).sum()) for layer in found.anatomy.prunable)
    assert zeros == cost.total.removed > 0.49 * cost.total.prunable
    with torch.inference_mode():
        assert masked(images()).isfinite().all() and not torch.allclose(masked(images()), found.model(images()))
    with pytest.raises(UnsupportedModel, match=FOUND[variant]) as error:
        apply_plan(found, CUT)
    assert len(str(error.value).splitlines()) == 1 and str(error.value).endswith("single weights.")


@pytest.mark.parametrize("variant", WHOLE)
def test_statistics_see_every_layer(opened, variant):
    """SwinV2: timm hands qkv's weight to a function, unless the flag that loading sets makes it call the layer."""
    found = made(opened, variant)
    before = found.model(images())
    model, _ = finish(found.model, found.info)
    assert same(model(images()), before)
    pixels = (np.arange(4 * 3 * 32 * 32) % 251).astype(np.uint8).reshape(4, 3, 32, 32)
    data = LabelledImages("digits", pixels, np.arange(4), found.info.class_names)
    *_, (_, _, seen) = collect(model, found.info, data, found.anatomy, images=4)
    assert set(seen.inputs) == set(seen.gradients) == {layer.name for layer in found.anatomy.prunable}


@pytest.mark.parametrize(
    ("variant", "read"),
    [("distilled", slice(0, 2)), ("registers, pooled", slice(1, None)), ("pooled over all", slice(0, None))],
)
def test_rollout_starts_at_the_tokens_that_the_classifier_reads(opened, variant, read):
    """Brute force in float64: mean over heads of softmax(q k^T / sqrt(d)), mixed with the residual, block by block."""
    found = made(opened, variant)
    image = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    steps = rollout(found.model, found.info, image, 0)
    next(steps)
    with pytest.raises(StopIteration) as end:
        next(steps)
    shown = end.value.value.values[::8, ::8]
    model = found.model.double()
    x = embed(model, "deit", ((torch.from_numpy(image).double() / 255 - 0.5) / 0.5)[None])
    joint = torch.eye(x.shape[1], dtype=torch.float64)
    for block in model.blocks:
        attention, h = block.attn, block.norm1(x)
        q, k, _ = attention.qkv(h).reshape(1, -1, 3, attention.num_heads, attention.head_dim).permute(2, 0, 3, 1, 4)
        weights = (q @ k.mT / attention.head_dim**0.5).softmax(-1)[0].mean(0)
        joint = (weights + torch.eye(len(weights), dtype=torch.float64)) / 2 @ joint
        x = block(x)
    wanted = joint[read, model.num_prefix_tokens :].mean(0).reshape(4, 4)
    assert same(shown, wanted, SINGLE)  # shown from float32


def test_a_distilled_deit_means_both_heads_at_evaluation(opened):
    found = made(opened, "distilled")
    model = found.model
    tokens = model.norm(model.blocks(model.patch_drop(model._pos_embed(model.patch_embed(images())))))
    wanted = (model.head(tokens[:, 0]) + model.head_dist(tokens[:, 1])) / 2
    assert same(model(images()), wanted)
    outer = {layer.name: layer.macs for layer in found.anatomy.outer}
    assert outer["head"] == outer["head_dist"] == 24 * 10


def test_swin_v2_counts_its_position_mlp_once_a_forward_pass(opened):
    found = made(opened, "SwinV2")
    macs = {layer.name: layer.macs for layer in found.anatomy.layers}
    # 7 x 7 offsets inside a window of 4 x 4; 2 coordinates -> 512 -> 2 heads.
    assert macs["layers.0.blocks.0.attn.cpb_mlp.0"] == 49 * 2 * 512
    assert macs["layers.0.blocks.0.attn.cpb_mlp.2"] == 49 * 512 * 2
    assert build_anatomy(found.model, "swin") == found.anatomy and pipeline.dense_cost(found).total.macs > 0
