"""What an APMA-style search is asked for, and what of it is reconstructed. No torch: pages show and fill it in.

Next door: `method` does what is said here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from ....types import ASSETS, InvalidPlan
from ...settings import Settings, preset_settings
from ..options import Option

NAME = "APMA-style (after Lee & Hwang)"
PAPER = "Lee & Hwang, arXiv 2405.20867 (2024); TNNLS 2025, doi 10.1109/TNNLS.2025.3606750"
RECONSTRUCTIONS = (
    "Only the abstract's facts are firm: the paper's equations and hyper-parameters could not be read and its code was "
    "never released. All that follows is our reconstruction.",
    "Mask: a channel is kept where its indicator m times its similarity weight w is at least 0.5; backward, the mask's "
    "gradient goes to m w unchanged (straight-through).",
    "Similarity weight: the mean of 1 − |cosine| between a channel's weights and those of every other channel of its "
    "head, scaled to mean 1 in each head; taken anew every epoch, without gradient. Q/K channels compare their rows of "
    "W_q and W_k together, V channels their rows of W_v. Hidden units have none.",
    "Equal heads: the number of channels kept is the mean over heads of how many each would keep, rounded, at least 1; "
    "each head keeps its own best.",
    "Q and K share an indicator, since they go together; V has its own.",
    "Reweighting: a factor for each V channel, 1 at first, after the attention and before the output projection; "
    "trained, and in the end multiplied into the projection.",
    "First indicators: channels are ranked within their head by the attention difference and spread evenly from just "
    "above 0.5 to 1, then raised where the similarity weight would start them as removed. The difference is "
    "|q_c| |k_c| for softmax attention, the row-normalised attention map's change for linear attention, the deviation "
    "of v_c times its column of the projection for V, that of h_c times its column of fc2 for hidden units.",
    "Resource loss: 5 (R + R²), R = max(0, MACs / dense MACs − T_t) / T_t, where T_t falls in a straight line from 1 "
    "to the target T over the first three quarters of the search.",
    "Once the target is met masks are frozen; weights and factors are trained on to the search's end. Where training "
    "ends above the target, the threshold of 0.5 is raised until it is met.",
    "AdamW: indicators and factors at 5e-3 without weight decay, weights at a tenth of that; distillation from the "
    "dense model; then fine-tuning of the smaller model.",
)
PARTS = {
    "similarity": "similarity weights within heads",
    "equal_heads": "equal removal in all heads",
    "reweight": "reweighting of V channels",
    "difference_init": "indicators that start from the attention difference",
    "anneal": "a target that falls step by step",
}
"""What can be left out of a search, by `Search`'s field: the ablation switches."""
WITHOUT = {
    "similarity": "every channel's similarity weight is 1",
    "equal_heads": "each head keeps as many channels as its indicators ask for; what is shipped is padded with zero "
    "channels to the widest head, so more MACs are left than the search counts",
    "reweight": "all factors stay 1",
    "difference_init": "all indicators start at 0.75",
    "anneal": "the target is in force from the first step",
}
OPTIONS = tuple(
    Option(part, True, name, label=name[0].upper() + name[1:], usual=True, hint=f"Off: {WITHOUT[part]}.", part=True)
    for part, name in PARTS.items()
)
ABLATIONS = ASSETS / "apma.json"
"""What `python -m benchmarks.apma` measured."""
SIMILARITY = "similarity.json"
"""What stands beside the checkpoint: how alike the channels of every head are, see `similarity`."""
LEAST, MOST = 0.05, 0.95
INDICATOR_LR = 5e-3
_SECONDS = 240.0


@dataclass(frozen=True)
class Search:
    """`target`: share 0..1 of the dense model's MACs to remove. `training` while indicators are learned, `finetuning`
    of the smaller model. `images`: how many the first indicators are read from. The rest switches parts off, see
    `PARTS`."""

    target: float = 0.4
    training: Settings = field(default_factory=Settings)
    finetuning: Settings = field(default_factory=Settings)
    images: int = 128
    similarity: bool = True
    equal_heads: bool = True
    reweight: bool = True
    difference_init: bool = True
    anneal: bool = True


def suited_search(data: str | None, target: float, seconds: float | None = None, seed: int = 0, **given: Any) -> Search:
    """A search that suits small models in minutes: `seconds` (default 240) for search and fine-tuning, half each; the
    learning rate is constant during the search.

    Raises InvalidPlan for a target outside 5 to 95 %.
    """
    if not LEAST <= target <= MOST:
        raise InvalidPlan(f"A search removes {100 * LEAST:g} to {100 * MOST:g} % of the MACs, not {100 * target:g} %.")
    finetuning = preset_settings(
        "suited", data, {"seconds": (seconds or _SECONDS) / 2, "distill": "soft", "seed": seed}
    )
    training = replace(finetuning, lr=INDICATOR_LR / 10, rise=1.0, fall=1.0)
    return Search(target, training, finetuning, **given)


@cache
def ablations() -> list[dict[str, Any]]:
    """What leaving out each part was measured to cost: a row a model, with "budget_macs", "steps", "full" (its n and
    top-1), and "without": for each part paired changes [value, low, high] after the cut and after training."""
    return json.loads(ABLATIONS.read_text(encoding="utf-8"))
