"""APMA-style (after Lee & Hwang): learned channel pruning of multi-head attention.

Paper: Lee & Hwang, "Automatic Channel Pruning for Multi-Head Attention" (arXiv 2405.20867, 2024; TNNLS 2025). Every Q/K
channel, V channel and hidden unit has a learnable indicator; similarity weights keep the more informative channels of
each head, all heads lose equally many, a first pass over attention differences says where to start, factors make up for
what goes, and a resource loss presses the MACs down to a target while the model trains. Then what is masked is taken
out and the rest fine-tuned. Only the abstract could be read: this is a reconstruction, named as such everywhere, and
`settings.RECONSTRUCTIONS` lists each part of it:

- the mask 1[m w >= 0.5] and its straight-through gradient; w = mean of 1 - |cosine| within the head, scaled to mean 1,
  taken anew every epoch, for Q/K and V; one indicator for Q with K;
- k = max(1, round(mean over heads of the channels at or above 0.5)), each head its own best k;
- factors r of V channels before proj, folded into it; indicators started by rank of the attention difference;
- the loss 5 (R + R^2) with a target that falls linearly; masks frozen when it is met; learning rates.

Next door: `indicators` masks, `scores` has the formulas, `calibration` the first pass, `removal`
the cut, `similarity` what is shown of it; `phases` has what all searches share.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .... import pipeline
from ....cut import check_sliceable
from ....types import LabelledImages, UnsupportedModel
from ... import recovery
from ...loop import Training, processes
from ..phases import Searching, check_target, found_card, kept_model, search_and_tune, search_steps, steps_expected
from . import similarity
from .calibration import differences
from .indicators import Indicators
from .removal import removed
from .scores import resource_loss
from .settings import Search

_FALL = 0.75  # of the search, then the target holds still


class Learner:
    """What an APMA-style search does in every step of its training: press the MACs down, freeze masks at the target.

    `done`: steps so far.
    """

    def __init__(self, indicators: Indicators, asked: Search) -> None:
        self.indicators, self.asked = indicators, asked
        self.steps = self.epoch = 1
        self.done = 0

    def attach(self, training: Training) -> None:
        """Look on in a training that has this one's `loss`, and be saved and loaded with it."""
        self.steps, self.epoch = training.steps, len(training.loader)
        training.before_update = self.step
        training.accelerator.register_for_checkpointing(self)

    @property
    def target(self) -> float:
        """T_t: the share of MACs that is paid for without penalty in this step."""
        way = min(1.0, (self.done + 1) / max(1.0, _FALL * self.steps)) if self.asked.anneal else 1.0
        return 1 - self.asked.target * way

    def loss(self) -> torch.Tensor:
        """The resource loss; nothing once the masks are frozen."""
        found = resource_loss(self.indicators.share(), self.target)
        return torch.zeros_like(found) if self.indicators.frozen else found

    def step(self, model: nn.Module) -> None:
        """After a step's gradients: freeze where the target is met or training ends; new similarity weights with a new
        epoch."""
        self.done += 1
        if not self.indicators.frozen:
            if self.done == self.steps or self.indicators.left() <= 1 - self.asked.target:
                self.indicators.freeze(1 - self.asked.target)
            elif self.done % self.epoch == 0:
                self.indicators.refresh(model)

    def told(self) -> dict[str, Any]:
        """What a step's event holds of the search."""
        own = self.indicators
        return {"cut": own.left(), "kept": own.kept(), "indicators": own.asked_for(), "search_steps": self.steps}

    def state_dict(self) -> dict[str, Any]:
        """What accelerate saves beside the training's own state."""
        return {"done": self.done, "indicators": self.indicators.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.done = state["done"]
        self.indicators.load_state_dict(state["indicators"])


def search(opened: pipeline.Opened, asked: Search, out: Path, state: Path | None = None) -> recovery.Events:
    """Search, remove, fine-tune and write the checkpoint directory `out`; see `phases.search_and_tune`.

    While it searches events hold "cut", the share of MACs that is left, "kept" (`Indicators.kept`) and "indicators"
    (`Indicators.asked_for`); the directory gets what `similarity` writes too. Raises InvalidPlan where one channel
    a head and one hidden unit a block cost more than the target, UnsupportedModel where a block has no attention.
    """

    def find(train: LabelledImages, judged: LabelledImages, folder: Path | None) -> Searching:
        return _search(opened, asked, train, judged, folder)

    for event in search_and_tune(opened, find, asked.finetuning, out, state):
        if "result" in event and processes().is_main_process:
            similarity.write(out, opened, *kept_model(out, opened))
        yield event


def _search(
    opened: pipeline.Opened, asked: Search, train: LabelledImages, judged: LabelledImages, state: Path | None
) -> Searching:
    """Train weights and indicators until the target is met; the smaller model and its card."""
    for block in opened.anatomy.blocks:
        if block.mixer not in ("softmax", "linear"):
            raise UnsupportedModel(
                f"'{block.name}' has no attention, and heads are pruned here; choose the model that it was made from."
            )
        check_sliceable(opened.model.get_submodule(block.name), block.name)
    model = copy.deepcopy(opened.model)
    indicators = Indicators(opened.anatomy, asked)
    check_target(asked.target, indicators.left(threshold=float("inf")), "MACs", "channels")
    found = None
    if asked.difference_init:
        yield {"doing": "Reading training images"}
        found = yield from differences(model, opened.info, train, opened.anatomy, asked.images, asked.training.seed)
    indicators.begin(model, found)
    indicators.to(processes().device)
    learner = Learner(indicators, asked)
    with indicators.on(model):
        training = Training(
            model, train, asked.training, opened.info.mean, opened.info.std, opened.model,
            extra_loss=learner.loss, extra_groups=indicators.groups(),
        )  # fmt: skip
        learner.attach(training)
        expected = training.steps + steps_expected(training, asked.training, asked.finetuning)
        yield from search_steps(opened, training, judged, state, expected, learner.told)
        training.result()  # on the CPU, in evaluation mode
    opened.model.cpu()
    smaller = removed(model, indicators.cpu())
    result = {
        "search": {"method": "apma", "aware": "macs", **asdict(asked)}, "search_steps": training.steps,
        "left": indicators.left(), "units": indicators.kept(), "channels": indicators.channels(),
    }  # fmt: skip
    return smaller, found_card(opened, smaller, asked.training.seed, result)
