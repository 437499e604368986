"""The architecture that a file's shapes belong to. Names (timm's) and shapes in, names and settings out: no torch, no
file.

Next door: `layouts` makes timm's names of other code bases', `catalogue` lists what timm builds, `load` builds it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ...types import Shape, UnsupportedModel
from ..catalogue import Build, builds

_HEADS = ("head.", "head_dist.")
_SWIN, _SWIN2 = "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"
_VIT, _DISTILLED = "vit_base_patch16_224", "deit_base_distilled_patch16_224"
_VIT_BLOCK = "blocks.0.mlp.fc1.weight"


@dataclass(frozen=True)
class Architecture:
    """What a file's weights are: a bundled or timm name, and the `settings` that timm needs besides it."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def exact(shapes: Mapping[str, Shape]) -> str:
    """A hash of all names and shapes."""
    return _hash(sorted(shapes.items()))


def signature(shapes: Mapping[str, Shape]) -> str:
    """A hash of names and shapes but for what classes and input size change: head, positions, bias tables' rows."""
    kept = []
    for name, shape in sorted(shapes.items()):
        if name.startswith(_HEADS) or name == "pos_embed":
            continue
        kept.append((name, shape[1:] if name.endswith("relative_position_bias_table") else shape))
    return _hash(kept)


def _hash(named: list[tuple[str, Shape]]) -> str:
    return hashlib.sha256(repr(named).encode()).hexdigest()[:12]


def architecture(
    shapes: Mapping[str, Shape],
    buffers: Mapping[str, Shape],
    wanted: str = "",
    told: Mapping[str, Any] = MappingProxyType({}),
) -> Architecture:
    """What has such `shapes` (by timm's names).

    `buffers`: see `hints`. `wanted`: the architecture's name, if the user gave one: the shapes decide its sizes, the
    name what they do not tell (heads of a ViT, activation, input size). `told`: settings known from elsewhere: a norm's
    eps, a ViT's heads, a Swin's input size and window; and the `architecture` where its shapes are these.

    Raises:
        UnsupportedModel: neither Swin nor ViT, or one that only a name can tell; the message says so.
    """
    if any(name.endswith(".attn.dwc.weight") for name in shapes):
        raise UnsupportedModel(
            "This file's weights have focused linear attention (FLatten), which is known here in the sizes of the "
            "bundled swin-flatten only; choose another file."
        )
    wanted = wanted or next(
        (build.name for build in _fitting(shapes, "") if build.name == told.get("architecture")), ""
    )
    try:
        if "layers.0.blocks.0.attn.qkv.weight" in shapes:
            return _with(_swin(shapes, buffers, wanted, told), told, ("img_size", "norm_eps"))
        if "blocks.0.attn.qkv.weight" in shapes:
            return _with(_vit(shapes, wanted, "num_heads" in told), told, ("num_heads", "norm_eps"))
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
        pass  # a part that every one of them has is missing, or has no such shape
    first = ", ".join(sorted(shapes)[:2])[:120]
    raise UnsupportedModel(
        f"This file's weights are named like no Swin, DeiT or ViT that is known here (it begins with {first}); "
        "save it from timm or the official code."
    )


def _swin(
    shapes: Mapping[str, Shape], buffers: Mapping[str, Shape], wanted: str, told: Mapping[str, Any]
) -> Architecture:
    stages = range(_count(shapes, r"layers\.(\d+)\.blocks\.0\.attn\.qkv\.weight"))
    second = "layers.0.blocks.0.attn.logit_scale" in shapes
    windows, fits = _windows(shapes, buffers, len(stages)), _fitting(shapes, wanted)
    if not windows and "window_size" in told and "img_size" in told:
        places = int(told["img_size"]) // shapes["patch_embed.proj.weight"][-1]
        windows = tuple(min(int(told["window_size"]), places >> stage) for stage in stages)
    if second:
        fits = [build for build in fits if windows in ((), build.windows)]
        if len({(build.windows, build.behaviour) for build in fits}) > 1:
            raise _ambiguous(fits, "window sizes")
        windows = windows or next((build.windows for build in fits), ())
    if not windows:
        raise UnsupportedModel(
            "This file's weights are a SwinV2 that timm has no name for, and do not tell its window size; save them "
            "with the official code, which saves its indices along."
        )
    patch = shapes["patch_embed.proj.weight"][-1]
    size = _swin_size(buffers, windows, patch)
    if wanted and fits and fits[0].windows == windows:
        size = fits[0].input_size
    alike = [build for build in fits if build.windows == windows]
    alike = alike or [build for build in fits if len({*build.windows}) == len({*windows})] or fits
    name = wanted or next((build.name for build in _nearest(alike, size)), _SWIN2 if second else _SWIN)
    settings = {"img_size": size, "num_classes": _classes(shapes), "window_size": windows}
    return Architecture(name, settings if fits else settings | _swin_sizes(shapes, stages, second))


def _swin_sizes(shapes: Mapping[str, Shape], stages: range, second: bool) -> dict[str, Any]:
    """Sizes of a Swin that timm has no name for."""
    width, _, _, patch = shapes["patch_embed.proj.weight"]
    heads = "logit_scale" if second else "relative_position_bias_table"
    return {
        "patch_size": patch,
        "embed_dim": width,
        "depths": tuple(_count(shapes, rf"layers\.{stage}\.blocks\.(\d+)\.attn\.qkv\.weight") for stage in stages),
        "num_heads": tuple(shapes[f"layers.{stage}.blocks.0.attn.{heads}"][0 if second else 1] for stage in stages),
        "mlp_ratio": _ratio(shapes["layers.0.blocks.0.mlp.fc1.weight"]),
    }


def _windows(shapes: Mapping[str, Shape], buffers: Mapping[str, Shape], stages: int) -> tuple[int, ...]:
    """Each stage's window by its bias table, or by an index that was saved along; empty where neither tells."""
    found = []
    for stage in range(stages):
        block = f"layers.{stage}.blocks.0.attn."
        table, index = (
            shapes.get(f"{block}relative_position_bias_table"),
            buffers.get(f"{block}relative_position_index"),
        )
        if table:
            found.append((math.isqrt(table[0]) + 1) // 2)
        elif index:
            found.append(math.isqrt(math.isqrt(math.prod(index))))  # torchvision's is flat
    return tuple(found) if len(found) == stages else ()


def _swin_size(buffers: Mapping[str, Shape], windows: tuple[int, ...], patch: int) -> int:
    """The input size: told by a saved mask of shifted windows, else the smallest at which every window fits."""
    mask = buffers.get("layers.0.blocks.1.attn_mask")
    if mask:
        return math.isqrt(mask[0]) * windows[0] * patch
    return max(window * 2**stage for stage, window in enumerate(windows)) * patch


def _with(made: Architecture, told: Mapping[str, Any], keys: tuple[str, ...]) -> Architecture:
    return Architecture(made.name, {**made.settings, **{key: told[key] for key in keys if key in told}})


def _vit(shapes: Mapping[str, Shape], wanted: str, heads_told: bool) -> Architecture:
    places, patch = shapes["pos_embed"][1], shapes["patch_embed.proj.weight"][-1]
    classes, width = _classes(shapes), shapes["blocks.0.attn.proj.weight"][0]
    if shapes.get("head.weight") == (classes, 2 * width):
        raise UnsupportedModel(
            "This file's classifier reads the class token and the mean patch together, and timm's ViT has no such "
            "head; save the backbone alone, without its classifier."
        )
    for found, more, tokens in ((shapes, {}, 0), _plain(shapes)):
        fits = [build for build in _fitting(found, wanted) if _is_square(places - build.positions - tokens)]
        if len({build.behaviour for build in fits}) > 1:
            raise _ambiguous(fits, "what weights do not show")
        if fits:
            side = math.isqrt(places - fits[0].positions - tokens)
            name = wanted or _nearest(fits, side * patch)[0].name
            return Architecture(name, {"img_size": side * patch, "num_classes": classes, **more})
        if _fitting(found, wanted):
            raise UnsupportedModel(
                f"This file's weights are a ViT for images that are not square ({places} positions); choose another."
            )
    if not wanted and not heads_told and (name := _almost(shapes)):
        # `load` then names what does not fit.
        return Architecture(name, {"img_size": math.isqrt(places - 1) * patch, "num_classes": classes})
    return _unnamed_vit(shapes, wanted, heads_told)


def _almost(shapes: Mapping[str, Shape]) -> str:
    """The ViT or DeiT that timm has in this width, depth and patch, from which the file then differs somewhere."""
    width, patch = shapes["blocks.0.attn.proj.weight"][0], shapes["patch_embed.proj.weight"][-1]
    layers = {"norm1": (width,), "attn.qkv": (3 * width, width), "attn.proj": (width, width), "norm2": (width,)}
    layers |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
    blocks = range(_count(shapes, r"blocks\.(\d+)\.attn\.qkv\.weight"))
    layers = {f"blocks.{number}.{name}": shape for number in blocks for name, shape in layers.items()}
    layers |= {"patch_embed.proj": (width, 3, patch, patch), "norm": (width,)}
    plain: dict[str, Shape] = {"cls_token": (1, 1, width)}
    for name, shape in layers.items():
        plain |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return next((build.name for build in _nearest(_fitting(plain, ""), 224)), "")


def _unnamed_vit(shapes: Mapping[str, Shape], wanted: str, heads_told: bool) -> Architecture:
    """A ViT that timm has no name for, with the heads that are told or those of the wanted architecture."""
    places, (width, _, _, patch) = shapes["pos_embed"][1], shapes["patch_embed.proj.weight"]
    depth = _count(shapes, r"blocks\.(\d+)\.attn\.qkv\.weight")
    if not wanted and not heads_told:
        raise UnsupportedModel(
            f"This file's weights are a ViT of width {width} and depth {depth}, which timm has no name for, and "
            "weights do not tell the number of heads; say it (FILE@?num_heads=6) or name an architecture of as many."
        )
    tokens = sum(shapes.get(name, (0, 0))[1] for name in ("cls_token", "dist_token", "reg_token"))
    side = next((s for s in (math.isqrt(places - tokens), math.isqrt(places)) if s * s in (places - tokens, places)), 0)
    sizes = {"patch_size": patch, "embed_dim": width, "depth": depth, "mlp_ratio": _ratio(shapes[_VIT_BLOCK])}
    more: dict[str, Any] = {"qkv_bias": "blocks.0.attn.qkv.bias" in shapes}
    more |= {"init_values": 1e-5} if "blocks.0.ls1.gamma" in shapes else {}
    more |= _plain(shapes)[1] | ({"no_embed_class": True} if tokens and side**2 == places else {})
    name = wanted or (_DISTILLED if "dist_token" in shapes else _VIT)
    return Architecture(name, {"img_size": side * patch, "num_classes": _classes(shapes), **sizes, **more})


def _plain(shapes: Mapping[str, Shape]) -> tuple[dict[str, Shape], dict[str, Any], int]:
    """(shapes without what settings can add to any ViT, those settings, tokens with a position that they add): a norm
    after the mean of all patches (MAE, fine-tuned), and tokens beside the class's (a teacher's that nobody reads)."""
    found, settings, tokens = dict(shapes), dict[str, Any](), 0
    if "fc_norm.weight" in shapes and "norm.weight" not in shapes:
        found = {name.replace("fc_norm.", "norm."): shape for name, shape in found.items()}
        settings["global_pool"] = "avg"
    if token := found.pop("reg_token", None):
        settings["reg_tokens"] = tokens = token[1]
    return found, settings, tokens


def _is_square(number: int) -> bool:
    return number >= 0 and math.isqrt(number) ** 2 == number


def _fitting(shapes: Mapping[str, Shape], wanted: str) -> list[Build]:
    """The catalogue's architectures of these shapes, only the wanted one where there is one."""
    seen = signature(shapes)
    return [build for build in builds() if build.signature == seen and wanted in ("", build.name)]


def _nearest(fits: list[Build], size: int) -> list[Build]:
    """Those made for the input size first, DeiT before ViT, then by the shortest name."""
    return sorted(
        fits,
        key=lambda build: (build.input_size != size, build.name.startswith("vit"), len(build.name), build.name),
    )


def _ambiguous(fits: list[Build], what: str) -> UnsupportedModel:
    """One architecture of each behaviour is named."""
    kinds = {(build.behaviour, build.windows): build.name for build in reversed(_nearest(fits, 0))}
    listed = ", ".join(sorted(kinds.values(), key=len)[:4])
    return UnsupportedModel(
        f"This file's weights fit several architectures that differ in {what} ({listed}); "
        "name the one it is (FILE@ARCHITECTURE)."
    )


def _classes(shapes: Mapping[str, Shape]) -> int:
    return next((shapes[name][0] for name in ("head.weight", "head.fc.weight") if shapes.get(name)), 0)


def _count(shapes: Mapping[str, Shape], pattern: str) -> int:
    return 1 + max((int(at[1]) for at in (re.fullmatch(pattern, name) for name in shapes) if at), default=-1)


def _ratio(shape: Shape) -> float:
    """MLP ratio of fc1's weight; a trace more, since timm rounds down what it multiplies."""
    return shape[0] / shape[1] * (1 + 1e-9)


_LIMITS: dict[str, tuple[float, float]] = {
    "img_size": (1, 1024), "num_classes": (0, 200_000), "patch_size": (1, 128), "embed_dim": (1, 16_384),
    "depth": (1, 200), "num_heads": (1, 512), "mlp_ratio": (0, 64), "init_values": (0, 1), "qkv_bias": (0, 1),
    "reg_tokens": (1, 64), "no_embed_class": (0, 1), "norm_eps": (0, 1), "window_size": (1, 64),
}  # fmt: skip
_LISTS = {"window_size": (1, 64), "depths": (1, 200), "num_heads": (1, 512)}


def checked(settings: Any) -> dict[str, Any]:
    """`settings` that a file asks for or a card holds; raises UnsupportedModel for unknown ones and sizes that no model
    has."""
    found: dict[str, Any] = {}
    for key, value in settings.items() if isinstance(settings, Mapping) else [("settings", None)]:
        several = isinstance(value, list | tuple) and 0 < len(value) <= 8
        low, high = (_LISTS if several else _LIMITS).get(key, (1, 0))
        numbers: list[Any] = [*value] if several else [value]  # type: ignore[misc]
        pooled = key == "global_pool" and value == "avg"
        if not pooled and not all(isinstance(number, int | float) and low <= number <= high for number in numbers):
            raise UnsupportedModel(f"No model of {str(key)[:40]} {str(value)[:40]} is supported; choose another file.")
        found[key] = tuple(numbers) if several else value
    return found
