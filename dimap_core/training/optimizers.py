"""What moves the weights, and how its rate rises and falls. Next door: `loop` trains with it, `settings` says which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.optim.muon import Muon
from torch import nn

from .settings import Settings


def optimizer_of(
    model: nn.Module, rest: list[nn.Parameter], extra: Sequence[Mapping[str, Any]], settings: Settings
) -> torch.optim.Optimizer:
    """AdamW; or timm's Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for the weights of layers below the
    head, at steps of AdamW's size, with NAdamW for all other parameters."""
    if settings.optimizer == "adamw":
        groups = [{"params": rest, "lr": settings.lr}, *map(dict, extra)]
        return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
    of_layers = {id(one) for name, one in model.named_parameters() if _of_a_layer(name, one)}
    parts = [[one for one in rest if (id(one) in of_layers) == whether] for whether in (True, False)]
    groups = [
        {"params": part, "lr": settings.lr, "use_fallback": by_adam}
        for part, by_adam in zip(parts, (False, True), strict=True)
        if part
    ]
    return Muon(
        [*groups, *({**group, "use_fallback": True} for group in extra)],
        weight_decay=settings.weight_decay,
        nesterov=True,
    )


def _of_a_layer(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim > 1 and name.endswith("weight") and not name.startswith("head")


def schedule_of(
    optimizer: torch.optim.Optimizer, settings: Settings, steps: int
) -> torch.optim.lr_scheduler.OneCycleLR:
    """Warm-up and cosine over all steps, each group to its own peak."""
    peaks = [group["lr"] for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peaks, total_steps=steps, pct_start=settings.warmup, cycle_momentum=False,
        div_factor=settings.rise, final_div_factor=settings.fall,
    )  # fmt: skip
