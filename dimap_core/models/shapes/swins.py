"""A Swin's or SwinV2's architecture by the shapes of its weights and of what was saved along.

No weight tells the input size: a bias table is as large as a window, and windows of one size fit many images. What is
known narrows it down (windows that are as small as their map, masks of shifted windows); of the rest the likeliest is
taken, and said so.
Next door: `vits` does the same for ViT, `fitting` compares with known architectures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...types import Shape, UnsupportedModel
from .fitting import Architecture, Build, ambiguous, channels, classes, count, fitting, nearest, patch_side, ratio
from .limits import MOST_PIXELS

_SWIN, _SWIN2 = "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"
_USUAL = (224, 256, 384, 192, 112, 96, 64, 32, 128, 160, 48, 448, 512)
"""Sides that Swins are trained at, the most frequent first."""


def swin(
    shapes: Mapping[str, Shape], buffers: Mapping[str, Shape], known: Sequence[Build], wanted: str,
    told: Mapping[str, Any],
) -> Architecture:  # fmt: skip
    """What has such `shapes`, called as one of those that are `known`; see `architectures.architecture`."""
    stages = range(count(shapes, r"layers\.(\d+)\.blocks\.0\.attn\.qkv\.weight"))
    second, patch = "layers.0.blocks.0.attn.logit_scale" in shapes, patch_side(shapes)
    windows, fits = _windows(shapes, buffers, stages), fitting(shapes, known, wanted)
    if not windows and "window_size" in told and "img_size" in told:
        maps = _maps(int(told["img_size"]), patch, len(stages))
        windows = tuple(min(int(told["window_size"]), side) for side in maps)
    if second:
        fits = [build for build in fits if windows in ((), build.windows)]
        if len({(build.windows, build.behaviour) for build in fits}) > 1:
            raise ambiguous(fits, "window sizes")
        windows = windows or next((build.windows for build in fits), ())
    if not windows:
        raise UnsupportedModel(
            "This file's weights are a SwinV2 that timm has no name for, and do not tell its window size; say it and "
            "the input size (FILE@?img_size=256&window_size=8)."
        )
    size, notes = _input_size(_sizes(shapes, buffers, windows, patch), windows, fits, wanted, told)
    name = wanted or next((build.name for build in _alike(fits, windows, size)), _SWIN2 if second else _SWIN)
    settings = {"img_size": size, "num_classes": classes(shapes), "window_size": windows, **channels(shapes)}
    if second and not fits:
        notes += ("Positions are taken as learned in windows of this size, not carried over from smaller ones.",)
    return Architecture(name, settings if fits else settings | _parts(shapes, stages, second), notes)


def _alike(fits: list[Build], windows: tuple[int, ...], size: int) -> list[Build]:
    """Those of these windows first, then those of one window for all stages: in small images the last ones shrink."""
    return sorted(nearest(fits, size), key=lambda build: (build.windows != windows, len({*build.windows})))


def _parts(shapes: Mapping[str, Shape], stages: range, second: bool) -> dict[str, Any]:
    """Sizes of a Swin that timm has no name for."""
    heads = "logit_scale" if second else "relative_position_bias_table"
    biased = f"layers.0.blocks.0.attn.{'q_bias' if second else 'qkv.bias'}" in shapes
    return {
        "patch_size": patch_side(shapes),
        "embed_dim": shapes["patch_embed.proj.weight"][0],
        "depths": tuple(count(shapes, rf"layers\.{stage}\.blocks\.(\d+)\.attn\.qkv\.weight") for stage in stages),
        "num_heads": tuple(shapes[f"layers.{stage}.blocks.0.attn.{heads}"][0 if second else 1] for stage in stages),
        "mlp_ratio": ratio(shapes["layers.0.blocks.0.mlp.fc1.weight"]),
        **({} if biased else {"qkv_bias": False}),
    }


def _windows(shapes: Mapping[str, Shape], buffers: Mapping[str, Shape], stages: range) -> tuple[int, ...]:
    """Each stage's window by its bias table, or by an index that was saved along; empty where neither tells. Raises
    UnsupportedModel for windows that are not square."""
    found = []
    for stage in stages:
        block = f"layers.{stage}.blocks.0.attn."
        index = buffers.get(f"{block}relative_position_index")
        if table := shapes.get(f"{block}relative_position_bias_table"):
            side = (math.isqrt(table[0]) + 1) // 2
            if (2 * side - 1) ** 2 != table[0]:
                raise _not_square(f"windows are not square ({table[0]} offsets in stage {stage})")
            found.append(side)
        elif index:
            found.append(math.isqrt(math.isqrt(math.prod(index))))  # torchvision's is flat
    return tuple(found) if len(found) == len(stages) else ()


def _not_square(what: str) -> UnsupportedModel:
    return UnsupportedModel(
        f"This file's weights are a Swin whose {what}, and only square images in square windows are supported; train "
        "or save it for those."
    )


def _maps(size: int, patch: int, stages: int) -> list[int]:
    """Side of each stage's map: merging fills an odd one up."""
    maps = [size // patch]
    while len(maps) < stages:
        maps.append((maps[-1] + 1) // 2)
    return maps


def _sizes(
    shapes: Mapping[str, Shape], buffers: Mapping[str, Shape], windows: tuple[int, ...], patch: int
) -> dict[int, list[int]]:
    """Every input size that such windows and the masks of shifted windows come from, with its maps. Raises
    UnsupportedModel where there is none."""
    blocks = {stage: f"layers.{stage}.blocks.1.attn" for stage in range(len(windows))}
    masks = {stage: mask[0] for stage, block in blocks.items() if (mask := buffers.get(f"{block}_mask"))}
    # Where masks are saved, a stage of two blocks without one is not shifted: its window is all of its map.
    whole = {stage for stage, block in blocks.items() if masks and f"{block}.qkv.weight" in shapes} - set(masks)
    found = {}
    for size in range(patch, MOST_PIXELS + 1, patch):
        maps = _maps(size, patch, len(windows))
        masked = all(math.ceil(maps[stage] / windows[stage]) ** 2 == number for stage, number in masks.items())
        if masked and all(windows[stage] == maps[stage] for stage in whole) and _hold(maps, windows):
            found[size] = maps
    # One window for all stages is the rule, and where a map is smaller its window is the map; else each has its own.
    ruled = {size: maps for size, maps in found.items() if _hold(maps, windows, max(windows))}
    if not found:
        raise _not_square("windows come from no square image")
    return ruled or found


def _hold(maps: list[int], windows: tuple[int, ...], window: int = 0) -> bool:
    """Whether windows fit into maps, and are `window` where they are smaller, if that is given."""
    return all(w == side or (w < side and window in (0, w)) for w, side in zip(windows, maps, strict=True))


def _input_size(
    sizes: Mapping[int, list[int]], windows: tuple[int, ...], fits: list[Build], wanted: str, told: Mapping[str, Any]
) -> tuple[int, tuple[str, ...]]:
    """(the input size, a sentence where it was guessed); raises UnsupportedModel where what is told cannot be."""
    low, high = min(sizes), max(sizes)
    span = f"{low} px" if low == high else f"{low} to {high} px" if high <= MOST_PIXELS // 2 else f"{low} px and more"
    if size := told.get("img_size"):
        if size not in sizes:
            raise UnsupportedModel(
                f"Images of {size} px do not fit the windows of this file's weights ({span} do); say another img_size, "
                "or leave it out."
            )
        return int(size), ()
    published = [build.input_size for build in fits if build.windows == windows and build.input_size in sizes]
    if wanted and published:
        return published[0], ()
    size = min(sizes, key=lambda size: _likeliness(size, sizes[size], windows, published))
    if low == high:
        return size, ()
    other = next((one for one in _USUAL if one in sizes and one != size), high if size == low else low)
    return size, (
        f"Input size guessed: {size} px, since no weight tells it and {span} fit the windows; say it if it is another "
        f"(FILE@?img_size={other}).",
    )


def _likeliness(size: int, maps: list[int], windows: tuple[int, ...], published: list[int]) -> tuple[Any, ...]:
    """What is less is likelier: the last map is one window, as Swins are made; a published size, a usual one, one in
    which nothing has to be filled up, a small one."""
    usual = _USUAL.index(size) if size in _USUAL else len(_USUAL)
    filled = sum(side % window > 0 for side, window in zip(maps, windows, strict=True))
    return maps[-1] != windows[-1], size not in published, usual, filled, size
