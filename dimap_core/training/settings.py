"""How a model is trained, with presets for recovery. No torch: pages show and fill it in.

Next door: `loop` does what is said here, `augment` moves images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..data import image_set
from ..types import InvalidPlan

AUGMENTS = ("none", "affine", "shifts", "flips", "photos")


@dataclass(frozen=True)
class Settings:
    """How a model is trained. `epochs`, or as many steps as fit into `seconds`; `lr` is the peak learning rate of
    `optimizer`, reached after `warmup` of all steps from lr / rise, then cosine-annealed to lr / rise / fall;
    `batch_size` counts all processes' images.

    `mixup` and `cutmix` are timm's alphas, used in a share `mixed` of the batches until a share `mixed_until` of all
    steps, `ema` the decay of the average of weights that is taken in the end; 0 is off. `distill`: "soft" adds KL to
    the teacher at `temperature`, "hard" cross-entropy with its answers, either with weight `share`, the labels with
    1 - share.
    """

    epochs: float = 1.0
    seconds: float | None = None
    lr: float = 1.5e-3
    weight_decay: float = 0.05
    batch_size: int = 100
    warmup: float = 0.06
    rise: float = 25.0
    fall: float = 1e4
    smoothing: float = 0.05
    clip: float = 1.0
    augment: str = "none"
    mixup: float = 0.0
    cutmix: float = 0.0
    mixed: float = 1.0
    mixed_until: float = 1.0
    ema: float = 0.0
    distill: Literal["none", "soft", "hard"] = "none"
    temperature: float = 2.0
    share: float = 0.5
    precision: Literal["bf16", "no"] = "bf16"
    optimizer: Literal["adamw", "muon"] = "adamw"
    seed: int = 0


PRESETS = {
    "suited": Settings(epochs=10, lr=5e-4),
    "dimap": Settings(epochs=30, lr=2e-5, rise=1000.0, fall=0.1, warmup=0.5, weight_decay=1e-8),
}


def checked(settings: Settings, images: int) -> Settings:
    """The settings themselves; raises InvalidPlan with the remedy for the first that cannot be."""
    rules = (
        (settings.seconds is None or settings.seconds > 0, "seconds must be more than 0"),
        (settings.seconds is not None or settings.epochs > 0, "epochs must be more than 0"),
        (settings.lr > 0, "the learning rate must be more than 0"),
        (settings.batch_size >= 1, "a batch holds at least one image"),
        (images > 0, "there is no image to train on"),
        (0 <= settings.share <= 1, "the teacher's share must be from 0 to 1"),
        (0 <= settings.ema < 1, "the decay of the average must be from 0 to below 1"),
        (settings.temperature > 0, "the temperature must be more than 0"),
        (settings.augment in AUGMENTS, f"augment must be one of {', '.join(AUGMENTS)}"),
        (settings.optimizer in ("adamw", "muon"), "the optimizer must be adamw or muon"),
        (settings.distill in ("none", "soft", "hard"), "distill must be none, soft or hard"),
    )
    for holds, rule in rules:
        if not holds:
            raise InvalidPlan(f"This cannot be trained: {rule}.")
    return settings


def preset_settings(preset: str, data: str | None, given: Mapping[str, Any]) -> Settings:
    """A preset's settings with some replaced: "suited" to small models in minutes, or "dimap", the paper's fine-tuning
    (He & Zhou 2024: 30 epochs of AdamW, 15 of warm-up from 2e-8 to 2e-5, cosine to 2e-7, weight decay 1e-8, masks
    fixed; the warm-up is a cosine here too, batch size and augmentation are ours)."""
    if preset not in PRESETS:
        raise InvalidPlan(f"There is no preset '{preset[:40]}'; choose one of {', '.join(PRESETS)}.")
    known = image_set(data)
    return replace(PRESETS[preset], augment=known.augment if known else "flips", **given)
