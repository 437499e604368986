"""What an SPViT search is asked for, and in what it differs from the paper. No torch: pages show and fill it in.

Next door: `method` does what is said here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ....types import InvalidPlan
from ...settings import Settings, preset_settings
from ..options import Option

SIMPLIFICATIONS = (
    "Reconstructed from the released code and the abstract; the paper's body was not read.",
    "A slot that is switched off adds zero, in the search and ever after. The released code does so in the search "
    "only: when it fine-tunes, such a slot returns its input.",
    "The data set of the model itself, its light augmentation, and minutes instead of 130 epochs after 20 of search.",
    "Gates learn at 2e-2 instead of 5e-4 to 1e-3, since a few hundred steps have to move them by 1.5; weights at a "
    "constant 3e-4.",
    "The cost term is 30 (F / F0 - aim)^2, about what the published weights come to; it aims 3 points below the "
    "budget, and the search ends by itself in the first step that is at most 6 points below. In the paper a person "
    "picks the epoch.",
    "The cost is the derived model's exact MACs: hidden units see the class token too, norms cost nothing.",
    "On Swin convolutions see the whole, unshifted map in the search as they do later; the released search keeps them "
    "inside windows.",
    "Taps are folded into one kernel for an ordinary convolution instead of being gathered, which is the same. One "
    "sharpness (1e-2) of the mixture over heads for both families.",
    "A convolution that costs as much as attention is left out of its block (fewer than three heads).",
    "Batch norm is measured anew on training images before and after fine-tuning.",
    "Where distillation is asked for, the dense model teaches by its probabilities (published: a RegNetY's answers).",
)
OPTIONS = (
    Option("distill", False, "fine-tune on the dense model's answers too", label="Learn from the dense model too"),
    Option(
        "compare", False, "then train two one-shot cuts as long", label="Compare with a one-shot cut", usual=True,
        hint="Afterwards trains two cuts that need no search: the same operations with hidden units chosen at random, "
        "and DIMAP's structured cut with repair at the same MACs, for as long as search and fine-tuning took.",
        longer=1.5,
    ),
)  # fmt: skip
_SEARCH_LR = 3e-4
_STEPS = 400  # at most of the search, and of fine-tuning
LEAST, MOST = 0.05, 0.9


@dataclass(frozen=True)
class Search:
    """`target`: share 0..1 of the dense model's MACs to remove. `training` while the gates are open, `finetuning` of
    the derived model. `strength`: lambda of the cost term on shares of the dense MACs; `margin`: how far below the
    budget it aims; `gate_lr`: the gates' learning rate. `compare`: with two one-shot cuts afterwards.
    """

    target: float = 0.4
    training: Settings = field(default_factory=Settings)
    finetuning: Settings = field(default_factory=Settings)
    strength: float = 30.0
    margin: float = 0.03
    gate_lr: float = 2e-2
    compare: bool = False

    def reached(self, left: float) -> bool:
        """Whether a search that leaves this share of the MACs is over: within the budget, and not far below it, where
        the cost term pushes gates open again."""
        return 0 <= 1 - self.target - left <= 2 * self.margin


def suited_search(
    data: str | None,
    target: float,
    seconds: float | None = None,
    seed: int = 0,
    distill: bool = False,
    images: int = 1000,
    **given: Any,
) -> Search:
    """A search that suits small models in minutes: `seconds` for search and fine-tuning together, half each (default:
    400 steps each on a training set of that many `images`).

    Raises InvalidPlan for a target outside 5 to 90 %.
    """
    if not LEAST <= target <= MOST:
        raise InvalidPlan(f"A search removes {100 * LEAST:g} to {100 * MOST:g} % of the MACs, not {100 * target:g} %.")
    batches = -(-images // Settings.batch_size)
    length = {"epochs": _STEPS / batches} if seconds is None else {"seconds": seconds / 2}
    both = preset_settings("suited", data, {**length, "seed": seed})
    training = replace(both, lr=_SEARCH_LR, rise=1.0, fall=1.0)
    return Search(target, training, replace(both, distill="soft" if distill else "none"), **given)
