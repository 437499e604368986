"""Layouts: parameter names of other code bases as timm's. Names in, names out: no torch, no file.

Known layouts: timm's own, which Facebook's DeiT has too, and the rows of `LAYOUTS`; to add one, add a row. A prefix
that all names share goes, whatever it is; those of DataParallel, torch.compile and detection code bases also where only
some have them. What is saved along (windows' masks, indices) is left out.
Next door: `packing` has made one tensor of several before, `architectures` says what the shapes belong to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from ...types import CheckpointError, Shape, listed
from ..shapes import IMAGENET

_PREFIXES = r"^(?:(?:module|backbone|model)\.)+"
_BUFFERS = ("relative_position_index", "relative_coords_table", "attn_mask", "k_bias")
_ASIDE = r"n_averaged|(?:criterion|loss\w*|(?:\w+_)?metrics?)\..+"  # what a training script keeps beside its model
_WITHIN = r"\b_(?:orig_mod|fsdp_wrapped_module|checkpoint_wrapped_module)\."
_ROOT = r"^(?:\w+\.)?"  # transformers' name of the model itself, which a classifier has and a backbone has not


def _next_stage(at: re.Match[str]) -> str:
    """timm's Swin begins a stage with its merging, so its first stage has none."""
    return f"layers.{int(at[1]) + 1}.downsample"


def _features(at: re.Match[str]) -> str:
    """torchvision counts stages and mergings in one list, from 1."""
    number = int(at[1])
    return f"layers.{number // 2}.blocks." if number % 2 else f"layers.{number // 2}.downsample."


@dataclass(frozen=True)
class Layout:
    """How another code base names parameters: it is that one's where `mark` is a whole name, and `rules` (pattern,
    replacement) make timm's of each name, one after the other. What becomes "" is no part of a Swin, DeiT or ViT and is
    left out. `settings`: what its models have otherwise than timm's, and no shape tells."""

    label: str
    mark: str
    rules: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def timms(self, name: str) -> str:
        """timm's name."""
        for pattern, new in self.rules:
            name = re.sub(pattern, new, name)
        return name


LAYOUTS = (
    Layout(
        "Microsoft's Swin and SwinV2, old timm: patch merging at the end of the stage before",
        r"layers\.0\.downsample\.reduction\.weight",
        ((r"^layers\.(\d{1,3})\.downsample", _next_stage),),
    ),
    Layout(
        "Microsoft's Swin and SwinV2, old timm: the head is a layer alone",
        r"layers\.\d+\.blocks\..+",
        ((r"^head\.(weight|bias)$", r"head.fc.\1"),),
    ),
    Layout("Facebook's DeiT-3", r"blocks\.\d+\.gamma_1", ((r"\.gamma_([12])$", r".ls\1.gamma"),)),
    Layout("Meta's DINO and DINOv2 in training", r"(?:head\.last_layer|dino_head)\..+", (
        (r"^(?:head\.(?:mlp|last_layer)|(?:dino|ibot)_head)\..+", ""),
    )),
    Layout("MoCo's projection of a ViT's class token", r"head\.\d+\.weight", ((r"^head\.\d+\..+", ""),)),
    Layout("Meta's DINOv2 and MAE", r"mask_token|blocks\.0\.mlp\.w12\.weight", (
        (r"^(?:mask_token|decoder_.+)$", ""), (r"\.mlp\.w12\.", ".mlp.fc1."), (r"\.mlp\.w3\.", ".mlp.fc2."),
        (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),
    ), IMAGENET),
    Layout("MAE, fine-tuned", r"fc_norm\.weight", (), IMAGENET),
    Layout("torchvision's ViT", r"conv_proj\.weight", (
        (r"^class_token$", "cls_token"), (r"^encoder\.pos_embedding$", "pos_embed"),
        (r"^conv_proj\.", "patch_embed.proj."), (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
        (r"\.ln_([12])\.", r".norm\1."), (r"\.self_attention\.in_proj_", ".attn.qkv."),
        (r"\.self_attention\.out_proj\.", ".attn.proj."), (r"\.mlp\.(?:0|linear_1)\.", ".mlp.fc1."),
        (r"\.mlp\.(?:3|linear_2)\.", ".mlp.fc2."), (r"^encoder\.ln\.", "norm."), (r"^heads\.head\.", "head."),
    ), {**IMAGENET, "crop_pct": 0.875, "interpolation": "bilinear"}),
    Layout("torchvision's Swin and SwinV2", r"features\.1\.0\.attn\.qkv\.weight", (
        (r"^features\.0\.0\.", "patch_embed.proj."), (r"^features\.0\.2\.", "patch_embed.norm."),
        (r"^features\.(\d{1,3})\.", _features), (r"\.mlp\.0\.", ".mlp.fc1."), (r"\.mlp\.3\.", ".mlp.fc2."),
        (r"^head\.", "head.fc."),
    ), IMAGENET),
    Layout("OpenMMLab's Swin", r"stages\.0\.blocks\.0\.attn\.w_msa\..+", (
        (r"^stages\.", "layers."), (r"^layers\.(\d{1,3})\.downsample", _next_stage), (r"\.attn\.w_msa\.", ".attn."),
        (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."), (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
        (r"^patch_embed\.projection\.", "patch_embed.proj."),
    )),
    Layout("a Swin backbone of OpenMMLab and Microsoft, normed after each stage", r"norm3\.weight", (
        (r"^norm[012]\..+", ""), (r"^norm3\.", "norm."),
    )),
    Layout("OpenMMLab's detectors and segmenters", r"(?:neck|rpn_head|roi_head|bbox_head|mask_head|decode_head)\..+", (
        (r"^(?:neck|(?:rpn|roi|bbox|mask|decode|auxiliary)_head)\..+", ""),
    )),
    Layout("Hugging Face", r"(?:\w+\.)?embeddings\.patch_embeddings\.projection\.weight", (
        (rf"{_ROOT}pooler\..+|^decoder\..+", ""), (rf"{_ROOT}embeddings\.mask_token$", ""),
        (rf"{_ROOT}embeddings\.(cls_token|reg_token)$", r"\1"),
        (rf"{_ROOT}embeddings\.distillation_token$", "dist_token"),
        (rf"{_ROOT}embeddings\.position_embeddings$", "pos_embed"),
        (rf"{_ROOT}embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
        (rf"{_ROOT}embeddings\.norm\.", "patch_embed.norm."), (rf"{_ROOT}layernorm\.", "norm."),
        (rf"{_ROOT}encoder\.layers\.", "layers."), (r"^layers\.(\d{1,3})\.downsample", _next_stage),
        (rf"{_ROOT}(?:encoder\.layer|layers)\.(\d+)\.(?!blocks\.|downsample\.)", r"blocks.\1."),
        (r"\.layernorm_before\.", ".norm1."), (r"\.layernorm_after\.", ".norm2."),
        (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"), (r"\.intermediate\.dense\.", ".mlp.fc1."),
        (r"\.mlp\.weights_in\.", ".mlp.fc1."), (r"\.mlp\.weights_out\.", ".mlp.fc2."),
        (r"\.attention\.(?:o_proj|output\.dense)\.", ".attn.proj."), (r"\.output\.dense\.", ".mlp.fc2."),
        (r"\.attention\.(?:(?:attention|self|relative_position_bias)\.)?", ".attn."),
        (r"\.continuous_position_bias_mlp\.", ".cpb_mlp."), (r"\.attn\.query\.bias$", ".attn.q_bias"),
        (r"\.attn\.value\.bias$", ".attn.v_bias"), (r"^(?:cls_)?classifier\.", "head."),
        (r"^distillation_classifier\.", "head_dist."),
    )),
    Layout("Hugging Face's Swin and SwinV2", r"(?:\w+\.)?encoder\.layers\.\d+\.blocks\..+", (
        (r"^head\.", "head.fc."),
    )),
    Layout("Hugging Face's ViT and DeiT", r"(?:\w+\.)?(?:encoder\.layer|layers)\.\d+\.layernorm_before\.weight", (),
           {"norm_eps": 1e-12}),
)  # fmt: skip


def renamed(names: Iterable[str]) -> dict[str, str]:
    """The file's name of each parameter, by timm's; what is no parameter (masks, indices) is left out. Raises
    CheckpointError where two names become one."""
    found: dict[str, str] = {}
    for name, new in _timms(names).items():
        if not new or new.endswith(_BUFFERS):
            continue
        if new in found:
            raise CheckpointError(f"This checkpoint file holds '{new[:80]}' twice; save one state dict alone.")
        found[new] = name
    return found


def hints(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Shapes of the buffers that `renamed` leaves out, which tell window and input sizes."""
    return {new: shapes[name] for name, new in _timms(shapes).items() if new.endswith(_BUFFERS)}


def left_out(names: Iterable[str]) -> tuple[str, ...]:
    """A sentence on what `renamed` leaves out as no part of a Swin, DeiT or ViT, if there is anything."""
    out = [name for name, new in _timms(names).items() if not new]
    if not out:
        return ()
    return (f"Left out, being no part of a Swin, DeiT or ViT: {listed(out)}.",)


def settings(names: Iterable[str]) -> dict[str, Any]:
    """What models of these layouts have otherwise than timm's."""
    return {key: value for layout in _spoken(_bare([*names]).values()) for key, value in layout.settings.items()}


def label(names: Iterable[str]) -> str:
    """Whose names they are, in a few words; timm's where nothing but a prefix is otherwise."""
    bare, found = {*_bare([*names]).values()}, "timm's"
    for layout in _spoken(bare):
        changed = {layout.timms(name) for name in bare}
        plain = changed == bare and not layout.settings
        bare, found = changed, found if plain else layout.label.partition(":")[0]
    return found


def _timms(names: Iterable[str]) -> dict[str, str]:
    """timm's name by the file's."""
    bare = _bare([*names])
    for layout in _spoken(bare.values()):
        bare = {name: layout.timms(new) for name, new in bare.items()}
    return bare


def _spoken(bare: Collection[str]) -> list[Layout]:
    return [layout for layout in LAYOUTS if any(re.fullmatch(layout.mark, name) for name in bare)]


def _bare(names: list[str]) -> dict[str, str]:
    """Names without prefixes, by the file's: what all share, then the usual ones that some have."""
    found = {name: "" if re.fullmatch(_ASIDE, name) else re.sub(_WITHIN, "", name) for name in names}
    own = [name for name in found.values() if name]
    pairs = zip(min(own, default="").split("."), max(own, default="").split(".")[:-1], strict=False)
    shared = "".join(f"{part}." for part, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return {name: re.sub(_PREFIXES, "", new.removeprefix(shared)) for name, new in found.items()}
