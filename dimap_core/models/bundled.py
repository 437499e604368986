"""The bundled models: what they are and the cards that tell how good they are. Read by the app too, so no torch here.

Next door: `named_models` builds and loads them, `training` made them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..types import ASSETS, CheckpointError, Family


@dataclass(frozen=True)
class BundledModel:
    """A small model this project trained itself: a timm architecture shrunk by `kwargs`, for one data set; a Swin's
    first `linear_stages` have focused linear attention (`cut.linear_attention`).

    `judged`: which images its card and curves were judged on, where they do not come with the project; the model then
    waits for images of its user's, and `names` are its classes.
    """

    name: str
    family: Family
    data: str
    base: str
    input_size: int
    classes: int
    kwargs: dict[str, Any]
    linear_stages: int = 0
    judged: str = ""
    names: tuple[str, ...] = ()


PHOTOS = "CIFAR-10's test images, re-encoded as JPEG"
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def _swin(name: str, data: str, size: int, patch: int, classes: int, linear_stages: int = 0) -> BundledModel:
    kwargs = {
        "patch_size": patch,
        "window_size": 4,
        "embed_dim": 24,
        "depths": (2, 2, 4, 2),
        "num_heads": (2, 4, 8, 16),
    }
    return BundledModel(name, "swin", data, "swin_tiny_patch4_window7_224", size, classes, kwargs, linear_stages)


def _deit(name: str, data: str, size: int, patch: int, classes: int) -> BundledModel:
    kwargs = {"patch_size": patch, "embed_dim": 96, "depth": 8, "num_heads": 6}
    return BundledModel(name, "deit", data, "deit_tiny_patch16_224", size, classes, kwargs)


def _photos(family: Family, base: str, kwargs: dict[str, Any]) -> BundledModel:
    name = f"{family}-photos"
    return BundledModel(name, family, "cifar10", base, 32, len(CIFAR10), kwargs, judged=PHOTOS, names=CIFAR10)


BUNDLED = (
    _swin("swin-textured", "textured-digits", 64, 4, 40),
    _deit("deit-textured", "textured-digits", 64, 8, 40),
    _swin("swin-digits", "digits", 32, 2, 10),
    _deit("deit-digits", "digits", 32, 4, 10),
    _swin("swin-flatten", "textured-digits", 64, 4, 40, linear_stages=2),
    _photos(
        "swin",
        "swin_tiny_patch4_window7_224",
        {"patch_size": 2, "window_size": 4, "embed_dim": 32, "depths": (2, 2, 6, 2), "num_heads": (2, 4, 8, 16)},
    ),
)
"""The bundled models; the first is the app's default."""


def bundled(name: str) -> BundledModel | None:
    """The bundled model of that name, or None."""
    return next((model for model in BUNDLED if model.name == name), None)


def bundled_card(spec: BundledModel) -> dict[str, Any]:
    """The JSON card beside a bundled checkpoint: data, accuracy with n, params, MACs and the command that made it."""
    path = ASSETS / f"{spec.name}.json"
    if not path.exists():
        raise CheckpointError(f"{path} is missing; make it with 'python -m dimap_core train {spec.name}'.")
    return json.loads(path.read_text(encoding="utf-8"))
