"""Checkpoints of other code bases: each gives the logits of the library that it comes from, whatever it is wrapped in.

What needs transformers is tested where it is installed; the same layouts are written by hand here as well."""

import re

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from timm.models.vision_transformer import checkpoint_filter_fn
from torch import nn

from dimap_core import pipeline
from dimap_core.models.load import load_model
from dimap_core.types.errors import UnsupportedModel
from dimap_core.types.plan import PruningPlan
from tests.models.foreign import CLOSE, DEIT, SWIN, VIT, apart, check, lively, logits, named, opened, prefixed, written

SMALL = {"img_size": 64, "window_size": 4, "embed_dim": 12, "depths": (2, 2, 2, 1), "num_heads": (1, 2, 3, 4)}
SMALL |= {"patch_size": 2, "num_classes": 7}
HF_4 = ((r"\.attn\.(query|key|value)\.", r".attention.{0}.\1."), (r"\.attn\.proj\.", ".attention.output.dense."),
        (r"\.mlp\.fc1\.", ".intermediate.dense."), (r"\.mlp\.fc2\.", ".output.dense."))  # fmt: skip
HF_5 = ((r"\.attn\.proj\.", ".attention.o_proj."), (r"\.attn\.(relative)", r".attention.relative_position_bias.\1"),
        (r"\.attn\.", ".attention."))  # fmt: skip
HF_ALL = ((r"\.norm1\.", ".layernorm_before."), (r"\.norm2\.", ".layernorm_after."), (r"^norm\.", "{0}.layernorm."),
          (r"^patch_embed\.proj\.", "{0}.embeddings.patch_embeddings.projection."),
          (r"^patch_embed\.norm\.", "{0}.embeddings.norm."), (r"^cls_token", "{0}.embeddings.cls_token"),
          (r"^dist_token", "{0}.embeddings.distillation_token"), (r"^reg_token", "{0}.embeddings.distillation_token"),
          (r"^pos_embed", "{0}.embeddings.position_embeddings"), (r"^head\.(fc\.)?", "classifier."))  # fmt: skip


def filled(rules, part):
    return tuple((pattern, new.replace("{0}", part)) for pattern, new in rules)


def hugging_face(state, version, root):
    """timm's state dict as transformers 4 or 5 names it, with `root` as the backbone's name."""
    swin = root == "swin"
    own = filled(HF_4, "self" if swin else "attention") if version == 4 else HF_5
    last = ((r"\.attn\.", ".attention.self."),) if swin and version == 4 else ()
    where = (r"^blocks", f"{root}.encoder.layer" if version == 4 else f"{root}.layers")
    stages = (
        (r"^layers\.(\d)\.downsample", lambda at: f"layers.{int(at[1]) - 1}.downsample"),
        (r"^layers", f"{root}.encoder.layers"),
    )
    heads = ((r"^head_dist", "distillation_classifier"), (r"^head\.", "cls_classifier.")) if root == "both" else ()
    names = ("query", "key", "value") if version == 4 else ("q_proj", "k_proj", "v_proj")
    return written(apart(state, names), (*own, *last, where, *stages, *heads, *filled(HF_ALL, root)))


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize(
    ("root", "name", "settings"),
    [
        ("swin", SWIN, SMALL),
        ("vit", DEIT, VIT),
        ("both", "deit_tiny_distilled_patch16_224", VIT),
        ("deit", DEIT, {**VIT, "reg_tokens": 1}),
    ],
)
def test_hugging_faces_layouts_written_by_hand(tmp_path, root, name, settings, version):
    model = named(name, eps=None if root == "swin" else 1e-12, **settings)
    state = hugging_face(model.state_dict(), version, root)
    assert not {*state} & {*model.state_dict()}
    if root == "vit":
        state |= {"vit.pooler.dense.weight": torch.ones(192, 192)}
    info = check(tmp_path, state, logits(model, settings["img_size"]), settings["img_size"], tolerance=0, safe=True)
    assert info.settings["num_classes"] == 7


SIZES = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "intermediate_size": 768,
         "image_size": 64, "patch_size": 16, "num_labels": 7}  # fmt: skip
SWIN_SIZES = {"image_size": 64, "patch_size": 2, "embed_dim": 12, "depths": [2, 2, 2, 1], "num_heads": [1, 2, 3, 4],
              "window_size": 4, "num_labels": 7}  # fmt: skip
DINO_SIZES = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "image_size": 56, "patch_size": 14}
V2_SIZES = {"image_size": 256, "depths": [2, 2, 6, 2], "window_size": 8, "num_labels": 7}


@pytest.mark.parametrize(
    ("kind", "sizes", "named"),
    [
        ("SwinForImageClassification", SWIN_SIZES, ""),
        ("Swinv2ForImageClassification", V2_SIZES, "swinv2_tiny_window8_256"),
        ("ViTForImageClassification", SIZES, ""),
        ("DeiTForImageClassification", SIZES, ""),
        ("DeiTForImageClassificationWithTeacher", SIZES, ""),
        ("ViTModel", SIZES, ""),
        ("Dinov2Model", DINO_SIZES, ""),
        ("Dinov2WithRegistersModel", DINO_SIZES, ""),
    ],
)
def test_a_file_gives_hugging_faces_logits(tmp_path, kind, sizes, named):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = getattr(transformers, kind).config_class(**sizes)
    model = lively(getattr(transformers, kind)(config))
    wanted = logits(model, config.image_size)
    if not isinstance(wanted, torch.Tensor):
        wanted = wanted.last_hidden_state[:, 0]
    check(tmp_path, model.state_dict(), wanted, config.image_size, architecture=named, safe=True)


def test_a_classifier_that_timm_cannot_have_is_named(tmp_path):
    state = named("vit_small_patch14_dinov2", img_size=28, num_classes=0).state_dict()
    with pytest.raises(UnsupportedModel, match="class token and the mean patch together"):
        opened(tmp_path, {**state, "head.weight": torch.zeros(7, 768), "head.bias": torch.zeros(7)})


@pytest.mark.parametrize("kind", ["swin", "swin 2", "vit"])
def test_a_file_gives_torchvisions_logits(tmp_path, kind):
    torch.manual_seed(0)
    if kind == "vit":
        sizes = {"image_size": 32, "patch_size": 16, "num_classes": 7}
        wide = {"num_layers": 12, "num_heads": 3, "hidden_dim": 192, "mlp_dim": 768}
        model = torchvision.models.VisionTransformer(**sizes, **wide)
    else:
        sizes = {"patch_size": [2, 2], "embed_dim": 12, "depths": [2, 2, 2], "num_heads": [1, 2, 3], "num_classes": 7}
        parts = torchvision.models.swin_transformer
        second = {"block": parts.SwinTransformerBlockV2, "downsample_layer": parts.PatchMergingV2}
        more = second if kind == "swin 2" else {}
        model = torchvision.models.SwinTransformer(**sizes, window_size=[4, 4], **more)
    check(tmp_path, lively(model).state_dict(), logits(model, 32), 32)


class Unfolding(nn.Module):
    """mmcv's merging of patches: what nn.Unfold gathers, [C * 2 * 2] a patch. [B, H, W, C] -> [B, H/2, W/2, 2C]."""

    def __init__(self, own):
        super().__init__()
        self.norm, self.reduction = own.norm, own.reduction

    def forward(self, x):
        height, width = x.shape[1] // 2, x.shape[2] // 2
        patches = nn.functional.unfold(x.movedim(-1, 1), 2, stride=2).mT
        return self.reduction(self.norm(patches)).unflatten(1, (height, width))


OPENMMLAB = (
    (r"^layers\.(\d)\.downsample", lambda at: f"layers.{int(at[1]) - 1}.downsample"), (r"^layers\.", "stages."),
    (r"\.attn\.", ".attn.w_msa."), (r"\.mlp\.fc1\.", ".ffn.layers.0.0."), (r"\.mlp\.fc2\.", ".ffn.layers.1."),
    (r"^patch_embed\.proj\.", "patch_embed.projection."), (r"^norm\.", "norm3."), (r"^(?!head)", "backbone."),
)  # fmt: skip


def test_openmmlabs_swin_merges_patches_in_another_order(tmp_path):
    model = named(SWIN, **SMALL)
    straight = logits(model, 64)
    for stage in model.layers[1:]:
        stage.downsample = Unfolding(stage.downsample)
    wanted, state = logits(model, 64), written(model.state_dict(), OPENMMLAB)
    assert (wanted - straight).abs().max() > 100 * CLOSE
    names = tuple("abcdefg")
    for meta, told in (
        ({"dataset_meta": {"classes": names}}, names),
        ({"CLASSES": [*names]}, names),
        ({"epoch": 3}, ()),
    ):
        info = check(tmp_path, {"meta": meta, "state_dict": state}, wanted, 64)
        assert info.class_names == told


def test_a_detectors_backbone_opens_without_a_head(tmp_path):
    model = named(SWIN, **{**SMALL, "num_classes": 0})
    rules = ((r"^layers\.(\d)\.downsample", lambda at: f"layers.{int(at[1]) - 1}.downsample"), (r"^norm\.", "norm3."))
    state = prefixed(written(model.state_dict(), rules), "backbone.")
    state |= {"backbone.norm0.weight": torch.ones(12), "backbone.norm0.bias": torch.ones(12)}
    state |= {"neck.convs.0.weight": torch.ones(3), "roi_head.bbox_head.fc_cls.weight": torch.ones(3)}
    info = check(tmp_path, {"state_dict": state}, logits(model, 64), 64, tolerance=0)
    assert info.settings["num_classes"] == 0


def test_metas_dinov2_is_read_as_timm_reads_it(tmp_path):
    for name, registers in (("vit_small_patch14_dinov2", 0), ("vit_small_patch14_reg4_dinov2", 4)):
        model = named(name, img_size=28, num_classes=0)
        own = {key: value.clone() for key, value in model.state_dict().items()}
        state = {key: value for key, value in own.items() if key not in ("reg_token", "pos_embed")}
        state |= {"mask_token": torch.ones(1, 384), "pos_embed": torch.randn(1, 5, 384)}
        state |= {"register_tokens": own["reg_token"]} if registers else {}
        model.load_state_dict(checkpoint_filter_fn(dict(state), model))
        assert check(tmp_path, state, logits(model, 28), 28, tolerance=1e-6).architecture == name


def test_dinos_projection_head_is_left_out(tmp_path):
    model = named(DEIT, **{**VIT, "num_classes": 0})
    head = {"head.mlp.0.weight": torch.ones(8, 192), "head.mlp.0.bias": torch.ones(8)}
    head |= {"head.last_layer.weight_g": torch.ones(9, 1), "head.last_layer.weight_v": torch.ones(9, 8)}
    teacher = prefixed(model.state_dict(), "backbone.") | head
    student = prefixed(named(DEIT, 5, **VIT).state_dict(), "module.backbone.")
    check(tmp_path, {"student": student, "teacher": teacher}, logits(model, 64), 64, tolerance=0)


@pytest.mark.parametrize("kind", ["DINOv2 in training", "MAE before it is fine-tuned"])
def test_what_only_training_needs_is_left_out(tmp_path, kind):
    model = named(DEIT, **{**VIT, "num_classes": 0})
    state = {**model.state_dict(), "mask_token": torch.ones(1, 192)}
    if kind.startswith("DINO"):
        state = written(state, ((r"^blocks\.(\d+)", lambda at: f"blocks.{int(at[1]) // 3}.{at[1]}"),))
        state = prefixed(state, "backbone.") | {"dino_head.mlp.0.weight": torch.ones(3, 192)}
        content = {"teacher": state | {"ibot_head.mlp.0.weight": torch.ones(3, 192)}}
    else:
        content = {"model": state | {"decoder_embed.weight": torch.ones(3), "decoder_blocks.0.a.weight": torch.ones(3)}}
    check(tmp_path, content, logits(model, 64), 64, tolerance=0)


def test_mae_fine_tuned_norms_the_mean_of_patches(tmp_path):
    model = named(DEIT, **VIT)
    state = {name.replace("norm.", "fc_norm.") if name.startswith("norm.") else name: value
             for name, value in model.state_dict().items()}  # fmt: skip
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        tokens = model.blocks(model._pos_embed(model.patch_embed(images)))
        wanted = model.head(model.norm(tokens[:, 1:].mean(1)))
    info = check(tmp_path, {"model": state}, wanted, 64)
    assert info.settings["global_pool"] == "avg"


@pytest.mark.parametrize("kind", ["DeiT", "MAE"])
def test_what_no_shape_tells_is_kept_through_a_cut(tmp_path, kind):
    model = named(DEIT, **VIT, reg_tokens=1)
    state = hugging_face(model.state_dict(), 4, "deit")
    if kind == "MAE":
        model = named(DEIT, **VIT)
        state = {re.sub("^norm", "fc_norm", name): value for name, value in model.state_dict().items()}
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "theirs")
    opened = pipeline.open_model(str(tmp_path / "theirs"))
    plan = PruningPlan(ratio=0.5, granularity="structure", scope="layer")
    pipeline.save_pruned(tmp_path / "out", opened, plan)
    pruned, again = pipeline.prune(opened, plan)[0], load_model(str(tmp_path / "out"))[0]
    torch.testing.assert_close(logits(again, 64), logits(pruned, 64))
    assert {module.eps for module in again.modules() if isinstance(module, nn.LayerNorm)} == (
        {1e-6} if kind == "MAE" else {1e-12}
    )
