"""How a picture becomes what a file's model takes: mean and std, crop and interpolation, and where each was learned.
Weights tell none of it, and a wrong mean costs points without a word.

In order: what the user says behind the @, what lies beside the weights (preprocessor_config.json of transformers,
timm's config.json), what the layout's own library does, what timm does with the architecture of that name. The last is
a guess.
Next door: `asked` reads what the user says of sizes, `data.from_source` makes timm's transform of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

from ...types import ModelInfo, UnsupportedModel

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
INTERPOLATIONS = ("bicubic", "bilinear", "nearest", "lanczos")
CROPS = ("center", "squash")
"""The middle of the picture; the whole of it, whatever its shape."""
_PILLOW = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # how transformers writes interpolations


def _channels(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))


_READ: dict[str, Callable[[str], Any]] = {
    "mean": _channels, "std": _channels, "crop_pct": float, "crop_mode": str, "interpolation": str,
}  # fmt: skip
KEYS = tuple(_READ)
GUESS = "a guess"
"""How it ends what is said of a value that nothing tells."""


def said(key: str, text: str) -> Any:
    """The value of one of `KEYS` that a user wrote; raises UnsupportedModel for one that no model has."""
    try:
        value = _READ[key](text)
    except ValueError:
        value = None
    if not fits(key, value):
        raise UnsupportedModel(
            f"'{key}={text[:60]}' says nothing of how pictures become the model's input; write mean=0.485,0.456,0.406, "
            f"std=0.229,0.224,0.225, crop_pct=0.9, crop_mode={' or '.join(CROPS)}, interpolation="
            f"{', '.join(INTERPOLATIONS)}."
        )
    return value


def fits(key: str, value: Any) -> bool:
    """Whether a value of one of `KEYS` is one that pictures can be treated by."""
    if key in ("mean", "std"):
        numbers = value if isinstance(value, list | tuple) else ()
        least = 1e-3 if key == "std" else 0.0
        return len(numbers) in (1, 3) and all(isinstance(x, int | float) and least <= x <= 1 for x in numbers)
    if key == "crop_pct":
        return isinstance(value, int | float) and 0.1 <= value <= 1
    return value in (CROPS if key == "crop_mode" else INTERPOLATIONS)


def beside(config: Mapping[str, Any], processor: Mapping[str, Any]) -> dict[str, Any]:
    """What a folder's config.json (timm's "pretrained_cfg") and preprocessor_config.json (transformers') tell."""
    timms = config.get("pretrained_cfg")
    found = {key: timms[key] for key in KEYS if key in timms} if isinstance(timms, Mapping) else {}
    found |= {key: processor[f"image_{key}"] for key in ("mean", "std") if f"image_{key}" in processor}
    if processor.get("do_normalize") is False:
        found |= {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    if type(code := processor.get("resample")) is int and code in _PILLOW:
        found["interpolation"] = _PILLOW[code]
    found |= _crop(processor)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items() if fits(key, value)}


def _crop(processor: Mapping[str, Any]) -> dict[str, Any]:
    """transformers resizes by the shorter side, or to a height and width whatever the picture's; then it may crop the
    middle."""
    size, crop = processor.get("size"), _pixels(processor.get("crop_size"), "height")
    short, squashed = _pixels(size, "shortest_edge", alone=False), _pixels(size, "height")
    if not processor.get("do_center_crop"):
        return {"crop_mode": "squash", "crop_pct": 1.0} if squashed else {}
    resized = short or squashed
    return {"crop_mode": "center" if short else "squash", "crop_pct": crop / resized} if crop and resized else {}


def _pixels(given: Any, name: str, alone: bool = True) -> int:
    """A number of pixels by its name or, as older configs have it, alone; 0: not told."""
    value = given.get(name) if isinstance(given, Mapping) else given if alone else None
    return value if type(value) is int and value > 0 else 0


def on_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """What the card of a pruned checkpoint tells."""
    return {
        key: tuple(value) if isinstance(value, list) else value for key in KEYS if fits(key, value := card.get(key))
    }


def with_pictures(info: ModelInfo, *sources: tuple[str, Mapping[str, Any]]) -> ModelInfo:
    """What is known of a model, with what the `sources` (name, values) tell of pictures, the first before the last;
    what none tells is timm's for its architecture."""
    values: dict[str, Any] = {}
    where = dict.fromkeys(KEYS, f"timm's usual, {GUESS}")
    for name, told in reversed(sources):
        fresh = {key: told[key] for key in KEYS if key in told}
        values |= {key: _as_many(info, value) for key, value in fresh.items()}
        where |= dict.fromkeys(fresh, name)
    return replace(info, **values, learned={**info.learned, **where})


def _as_many(info: ModelInfo, value: Any) -> Any:
    """A value of each channel for as many as the model takes."""
    if not isinstance(value, tuple) or len(value) == info.channels:
        return value
    return (fmean(value),) if info.channels == 1 else value * info.channels


def written(info: ModelInfo) -> dict[str, str]:
    """By key what a user would write to say how pictures are treated now."""
    numbers = {key: ",".join(f"{x:g}" for x in getattr(info, key)) for key in ("mean", "std")}
    return {
        **numbers,
        "crop_pct": f"{info.crop_pct:g}",
        "crop_mode": info.crop_mode,
        "interpolation": info.interpolation,
    }
