"""A ViT's or DeiT's architecture by the shapes of its weights: a name of timm's where one fits whole, else the name of
the plain ViT with such blocks, and settings for all that it has otherwise.

Next door: `swins` does the same for Swin, `fitting` compares with known architectures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...types import Shape, UnsupportedModel
from .fitting import (
    PATCHES,
    Architecture,
    Build,
    ambiguous,
    channels,
    classes,
    count,
    fitting,
    nearest,
    patch_side,
    ratio,
)

_VIT, _DISTILLED = "vit_base_patch16_224", "deit_base_distilled_patch16_224"
_BLOCK, _QUERIES = "blocks.0.", "blocks.0.attn.q_norm.weight"
_HEAD_WIDTH = 64  # of nearly every published ViT
_PLAIN: dict[str, Any] = {
    "patch_size": 16, "in_chans": 3, "qkv_bias": True, "proj_bias": True, "qk_norm": False, "scale_attn_norm": False,
    "scale_mlp_norm": False, "pre_norm": False, "class_token": True, "reg_tokens": 0, "no_embed_class": False,
    "global_pool": "token",
}  # fmt: skip
"""What a ViT of timm's has where nothing is said."""


def vit(shapes: Mapping[str, Shape], known: Sequence[Build], wanted: str, told: Mapping[str, Any]) -> Architecture:
    """What has such `shapes`, called as one of those that are `known`; see `architectures.architecture`."""
    patch, width = patch_side(shapes), shapes["blocks.0.attn.proj.weight"][0]
    if shapes.get("head.weight") == (classes(shapes), 2 * width):
        raise UnsupportedModel(
            "This file's classifier reads the class token and the mean patch together, and timm's ViT has no such "
            "head; save the backbone alone, without its classifier."
        )
    if "pos_embed" not in shapes and any(name.endswith("relative_position_bias_table") for name in shapes):
        raise UnsupportedModel(
            "This file's weights are a BEiT's, whose attention has tables of positions, and not a ViT's; choose "
            "another file."
        )
    places = shapes["pos_embed"][1]
    for found, more, tokens in ((shapes, {}, 0), _extended(shapes)):
        fits = [build for build in fitting(found, known, wanted) if _side(places - build.positions - tokens)]
        if len({build.behaviour for build in fits}) > 1:
            raise ambiguous(fits, "what weights do not show")
        if fits:
            size = _side(places - fits[0].positions - tokens) * patch
            name = wanted or nearest(fits, size)[0].name
            return Architecture(
                name, {"img_size": size, "num_classes": classes(shapes), **more, **channels(shapes), **_heads(told)}
            )
    return _by_features(shapes, _plain_name(shapes, known), wanted, told)


def _extended(shapes: Mapping[str, Shape]) -> tuple[dict[str, Shape], dict[str, Any], int]:
    """(shapes without what settings can add to any ViT, those settings, tokens with a position that they add): a norm
    after the mean of all patches (MAE, fine-tuned), and tokens beside the class's (a teacher's that nobody reads)."""
    found, settings, tokens = dict(shapes), dict[str, Any](), 0
    if "fc_norm.weight" in shapes and "norm.weight" not in shapes:
        found = {name.replace("fc_norm.", "norm."): shape for name, shape in found.items()}
        settings["global_pool"] = "avg"
    if token := found.pop("reg_token", None):
        settings["reg_tokens"] = tokens = token[1]
    return found, settings, tokens


def _by_features(shapes: Mapping[str, Shape], plain: str, wanted: str, told: Mapping[str, Any]) -> Architecture:
    """A ViT that timm has no name for: each of its features is a setting, and its heads are told, or those of the
    wanted architecture or of the plain ViT with the same blocks, if timm has one."""
    (size, bare), notes, question = _input_size(shapes, told)
    features = {**_features(shapes), **channels(shapes), "no_embed_class": bare}
    width = shapes["blocks.0.attn.proj.weight"][0]
    name = wanted or plain or (_DISTILLED if "dist_token" in shapes else _VIT)
    if not wanted or "dist_token" in shapes:  # what is wanted may have features of its own, which the file then decides
        features = {key: value for key, value in features.items() if _PLAIN.get(key) != value}
    sizes: dict[str, Any] = {}
    if not plain or wanted:
        sizes = {"embed_dim": width, "depth": _depth(shapes), "mlp_ratio": ratio(shapes[f"{_BLOCK}mlp.fc1.weight"])}
    heads = _heads(told)
    if _QUERIES in shapes:
        heads = {"num_heads": _heads_of(width, shapes[_QUERIES][0])}
    elif not heads and not wanted:
        if plain:
            notes.append(f"Heads taken as {plain} has them, whose blocks have these shapes (else FILE@?num_heads=6).")
        else:
            question, heads = question or _question(width, _depth(shapes)), {"num_heads": 1}
    if features.get("pre_norm"):
        notes.append("A norm before the blocks is CLIP's way; the activation is taken as GELU, not QuickGELU.")
    settings = {"img_size": size, "num_classes": classes(shapes), **sizes, **features, **heads}
    return Architecture(name, settings, tuple(notes), question)


def _question(width: int, depth: int) -> str:
    likely = max(1, width // _HEAD_WIDTH)
    return (
        f"This file's weights are a ViT of width {width} and depth {depth}, which timm has no name for, and weights "
        f"do not tell the number of heads; say it (FILE@?num_heads={likely} for heads {width // likely} wide; most are "
        f"{_HEAD_WIDTH}) or name an architecture of as many."
    )


def _features(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """What timm is told of a ViT besides its sizes, heads and channels."""
    has = shapes.__contains__
    pooled = has("fc_norm.weight") or not has("cls_token")
    scaled = {"init_values": 1e-5} if has(f"{_BLOCK}ls1.gamma") else {}  # what training began with
    return {
        "patch_size": patch_side(shapes),
        "qkv_bias": has(f"{_BLOCK}attn.qkv.bias"),
        "proj_bias": has(f"{_BLOCK}attn.proj.bias"),
        "qk_norm": has(_QUERIES),
        "scale_attn_norm": has(f"{_BLOCK}attn.norm.weight"),
        "scale_mlp_norm": has(f"{_BLOCK}mlp.norm.weight"),
        "pre_norm": has("norm_pre.weight"),
        "class_token": has("cls_token"),
        "reg_tokens": shapes.get("reg_token", (1, 0))[1],
        **({"global_pool": "avg", "fc_norm": has("fc_norm.weight")} if pooled else {"global_pool": "token"}),
        **scaled,
    }


def _input_size(shapes: Mapping[str, Shape], told: Mapping[str, Any]) -> tuple[tuple[int, bool], list[str], str]:
    """((side of the image, whether only patches have a position), what was guessed in it, what only the user can say);
    raises UnsupportedModel where no square image has so many patches."""
    places, patch = shapes["pos_embed"][1], patch_side(shapes)
    tokens = sum(shapes.get(name, (0, 0))[1] for name in ("cls_token", "dist_token", "reg_token"))
    sizes = {_side(places) * patch: tokens > 0, _side(places - tokens) * patch: False}
    sizes = {size: bare for size, bare in sizes.items() if size}
    oblong = f"This file's weights are a ViT for images that are not square ({places} positions)"
    if not sizes:
        raise UnsupportedModel(
            f"{oblong}, and only square ones are supported; resample pos_embed to a square "
            "(timm.layers.resample_abs_pos_embed) and save it again."
        )
    if told.get("img_size") in sizes:
        return (told["img_size"], sizes[told["img_size"]]), [], ""
    size, *others = sorted(sizes, reverse=True)
    notes = [f"Input size guessed: {size} px ({other} px fits too: FILE@?img_size={other})." for other in others]
    # DINOv2 with registers and DeiT-3, which scales its layers, have no position for these tokens; of others a number
    # that makes a square without them may be an oblong's with them: 3 x 5 + 1.
    usual = "reg_token" in shapes or f"{_BLOCK}ls1.gamma" in shapes
    question = f"{oblong}, or its class token has none; if so, say it (FILE@?img_size={size})."
    return (size, sizes[size]), notes, question if sizes[size] and not usual else ""


def _plain_name(shapes: Mapping[str, Shape], known: Sequence[Build]) -> str:
    """timm's name of the plain ViT or DeiT of this width, depth and hidden width; "" where it has none."""
    width, hidden = shapes["blocks.0.attn.proj.weight"][0], shapes[f"{_BLOCK}mlp.fc1.weight"][0]
    layers = {"norm1": (width,), "attn.qkv": (3 * width, width), "attn.proj": (width, width), "norm2": (width,)}
    layers |= {"mlp.fc1": (hidden, width), "mlp.fc2": (width, hidden)}
    layers = {f"blocks.{number}.{name}": shape for number in range(_depth(shapes)) for name, shape in layers.items()}
    layers |= {PATCHES.removesuffix(".weight"): (width, 3, 16, 16), "norm": (width,)}
    tokens = ("cls_token", *(name for name in ("dist_token",) if name in shapes))
    plain: dict[str, Shape] = dict.fromkeys(tokens, (1, 1, width))
    for name, shape in layers.items():
        plain |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return next((build.name for build in nearest(fitting(plain, known), 224)), "")


def _heads(told: Mapping[str, Any]) -> dict[str, Any]:
    return {"num_heads": told["num_heads"]} if "num_heads" in told else {}


def _heads_of(width: int, normed: int) -> int:
    """Heads by how many channels of a query are normed together; raises UnsupportedModel for all of a wide one."""
    if normed == width > 2 * _HEAD_WIDTH:
        raise UnsupportedModel(
            f"This file's weights norm the queries of all heads together ({_QUERIES} has {normed} channels), and "
            "timm's ViT norms each head's; choose another file."
        )
    return width // normed


def _depth(shapes: Mapping[str, Shape]) -> int:
    return count(shapes, r"blocks\.(\d+)\.attn\.qkv\.weight")


def _side(number: int) -> int:
    """Side of a square of so many cells; 0 where there is none."""
    side = math.isqrt(max(number, 0))
    return side if side**2 == number else 0
