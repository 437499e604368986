"""What an NViT search is asked for, and in what it differs from the paper. No torch: pages show and fill it in.

Next door: `method` does what is said here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ....types import InvalidPlan
from ...settings import Settings, preset_settings
from ..options import AWARE, Option

SIMPLIFICATIONS = (
    "The teacher is the dense model alone; the paper also learns from a convolutional network's answers (S1).",
    "Groups are as small as the model asks for: 16 / 2 / 8 / 8 / 16 channels, heads, Q/K, V and hidden units at full "
    "size, fewer where a layer would have too few groups (S4).",
    "A few dozen cuts instead of about 1,200; at each as many of the lowest live groups go as bring the cost down to a "
    "straight line to the target, instead of a fixed number (S4, S5).",
    "The running average over cuts is corrected for its start at zero (S6).",
    "The weight of the latency term follows the median score at every cut, since scores shrink and grow with the loss "
    "(S7).",
    "The score of an embedding channel is divided by the number of blocks; the released code says 12 (S8).",
    "Light augmentation, short training, no 2:4 sparsity on top (S9, S10).",
    "After embedding channels have gone, norms are rescaled before fine-tuning; this is ours.",
)
"""Named as in our reading of the paper and its released code."""
SWIN_FIXED = (
    "Swin's embedding channels stay: each stage has a width of its own, tied by patch merging. Heads, Q/K, V and "
    "hidden units are searched in every block."
)
OPTIONS = (
    Option("cuts", 30, "how often groups go", least=1),
    Option("strength", 0.1, "weight of the cost in the ranking, per median score", least=0),
)
_SEARCH_LR = 3e-4
LEAST, MOST = 0.05, 0.95


@dataclass(frozen=True)
class Search:
    """`target`: share 0..1 of the dense model's cost to remove; `aware`: what counts as cost, MACs or this device's
    measured latency. `training` between cuts, `finetuning` of the smaller model. `cuts`: how often groups go;
    `strength`: weight of the cost term, in median scores per median gain; `momentum` of the average over cuts.
    """

    target: float = 0.5
    aware: Literal["macs", "latency"] = "macs"
    training: Settings = field(default_factory=Settings)
    finetuning: Settings = field(default_factory=Settings)
    cuts: int = 30
    strength: float = 0.1
    momentum: float = 0.9


def suited_search(
    data: str | None,
    target: float,
    aware: str = "macs",
    seconds: float | None = None,
    seed: int = 0,
    **given: Any,
) -> Search:
    """A search that suits small models in minutes: `seconds` for search and fine-tuning together, half each (default:
    10 epochs each). Learning rate constant during the search, as published; distillation throughout.

    Raises InvalidPlan for a target outside 5 to 95 % or an unknown cost.
    """
    if aware not in AWARE:
        raise InvalidPlan(f"A search can be aware of {' or '.join(AWARE)}, not of '{aware[:40]}'.")
    if not LEAST <= target <= MOST:
        raise InvalidPlan(f"A search removes {100 * LEAST:g} to {100 * MOST:g} % of the cost, not {100 * target:g} %.")
    length = {"epochs": 10.0} if seconds is None else {"seconds": seconds / 2}
    finetuning = preset_settings("suited", data, {**length, "distill": "soft", "seed": seed})
    return Search(target, aware, replace(finetuning, lr=_SEARCH_LR, rise=1.0, fall=1.0), finetuning, **given)  # type: ignore[arg-type]
