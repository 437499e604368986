"""How images enter a model, which no weight tells: mean and standard deviation of the channels, how much of an image is
cropped and how it is made smaller. A folder's config says it, or the user.

Next door: `files.folder` reads the configs, `asked` what the user says, `limits` how large each may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...types import UnsupportedModel

ENTERING = ("mean", "std", "crop_pct", "crop_mode", "interpolation")
"""timm's names of these settings."""
_RESAMPLED = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers


def of_processor(config: Mapping[str, Any]) -> dict[str, Any]:
    """What transformers' `preprocessor_config.json` says of it."""
    told = {"mean": config.get("image_mean"), "std": config.get("image_std")}
    found = _numbers(told) if config.get("do_normalize", True) else {}
    if isinstance(resample := config.get("resample"), int) and resample in _RESAMPLED:
        found["interpolation"] = _RESAMPLED[resample]
    size, crop = config.get("size"), _side(config.get("crop_size"))
    shortest = size.get("shortest_edge") if isinstance(size, dict) else None
    if config.get("do_center_crop") and crop and type(shortest) is int and crop <= shortest:
        found |= {"crop_pct": crop / shortest, "crop_mode": "center"}
    elif not config.get("do_center_crop") and _side(size):
        found |= {"crop_pct": 1.0, "crop_mode": "squash"}  # both sides are made this long
    return found


def of_timm(config: Mapping[str, Any]) -> dict[str, Any]:
    """What timm's `config.json` says of it under `pretrained_cfg`, and the input size."""
    told = config.get("pretrained_cfg")
    told = told if isinstance(told, dict) else {}
    found = _numbers(told)
    found |= {key: told[key] for key in ("crop_pct", "crop_mode", "interpolation") if told.get(key)}
    match told.get("input_size"):
        case [int(), int(height), int(width)] if height == width:
            found["img_size"] = height
    return found


def fitted(told: Mapping[str, Any], channels: int) -> dict[str, Any]:
    """The settings among what is `told`, a mean or deviation for each channel; raises UnsupportedModel where there are
    more or fewer."""
    found = {key: told[key] for key in ENTERING if key in told}
    for key in ("mean", "std"):
        numbers = found.get(key)
        if numbers is not None and len(numbers) not in (1, channels):
            raise UnsupportedModel(
                f"This file's model takes images of {channels} channel{'s' * (channels > 1)}, and {key} is said of "
                f"{len(numbers)}; say one number, or one a channel."
            )
        if numbers is not None:
            found[key] = tuple(numbers) * (channels // len(numbers))
    return found


def _numbers(told: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: told.get(key) for key in ("mean", "std")}
    lists = {key: tuple(value) for key, value in found.items() if isinstance(value, list) and value}
    return lists if len(lists) == len(found) else {}


def _side(size: Any) -> int:
    """Of a square that transformers names by number or by height and width; 0 for none."""
    if isinstance(size, dict):
        height, width = size.get("height"), size.get("width")
        return height if type(height) is int and height == width else 0
    return size if type(size) is int else 0
