"""NViT as a whole: gradual, cost-aware structured pruning between training steps, extraction, distilled fine-tuning.

Paper: Yang et al., "Global Vision Transformer Pruning with Hessian-Aware Saliency", CVPR 2023 (arXiv 2110.04869).
Between two cuts the model trains with distillation from the dense one while Eq. 6 is averaged over the steps and over
cuts; at a cut the groups of lowest Eq. 7 go, over all kinds and layers in one ranking, until a straight line from the
dense cost to the target is met. What is left is extracted as a smaller model and fine-tuned by the same loop.
A reconstruction from the text and what is known of the released code; `settings.SIMPLIFICATIONS` lists what
differs. For Swin the embedding channels stay fixed (`settings.SWIN_FIXED`).
Next door: `ranking` scores and ranks, `units` masks and extracts, `costs` and `latency_table` price, `phases` has
what all searches share.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .... import pipeline
from ....cut import check_attends, check_sliceable
from ....types import LabelledImages
from ... import recovery
from ...loop import Training
from ..costs import Cost, MacCost
from ..latency_table import LatencyCost, latency_cost
from ..options import PAID
from ..phases import Searching, check_target, found_card, search_and_tune, search_steps, steps_expected
from ..units import Units
from .ranking import remove_down_to, squared_effects
from .settings import Search


class Pruner:
    """What NViT does in every step of the training between cuts; `Training.before_update` calls it.

    `average`: by layer of units, the running average of Eq. 6 over cuts, not yet corrected for its start at zero;
    `sums` over the `seen` steps since the last cut.
    """

    def __init__(self, units: Units, cost: Cost, asked: Search, steps: int) -> None:
        self.units, self.cost, self.asked = units, cost, asked
        self.cuts = min(asked.cuts, steps)
        self.every = steps // self.cuts
        self.average = {name: np.zeros(len(live)) for name, live in units.live.items()}
        self.sums = {name: np.zeros(len(live)) for name, live in units.live.items()}
        self.seen = self.done = 0
        self.training: Training | None = None

    def attach(self, training: Training) -> None:
        """Look on in a training, cut it, and be saved and loaded with it."""
        self.training, training.before_update = training, self.step
        training.accelerator.register_for_checkpointing(self)

    def step(self, model: nn.Module) -> None:
        """Score a step's gradients; cut after every `every` of them."""
        for name, squares in squared_effects(model, self.units):
            self.sums[name] += squares
        self.seen += 1
        if self.seen == self.every and self.done < self.cuts:
            self.cut()

    def cut(self) -> None:
        """Average, and let go what the straight line to the target asks for."""
        momentum = self.asked.momentum
        for name, total in self.sums.items():
            self.average[name] = momentum * self.average[name] + (1 - momentum) * total / self.seen
            total[:] = 0
        self.seen, self.done = 0, self.done + 1
        left = 1 - self.asked.target * self.done / self.cuts
        remove_down_to(left, self.worth(), self.units, self.cost, self.asked.strength)
        self._hold()

    def worth(self) -> dict[str, np.ndarray]:
        """The average corrected for its start at zero: A / (1 - momentum^cuts)."""
        return {name: found / (1 - self.asked.momentum**self.done) for name, found in self.average.items()}

    @property
    def left(self) -> float:
        """Share of the dense cost that is left, 0..1."""
        return self.cost.share(self.units.all_widths())

    def state_dict(self) -> dict[str, Any]:
        """What accelerate saves beside the training's own state."""
        arrays = {"average": self.average, "sums": self.sums, "live": self.units.live}
        kept = {key: {name: torch.from_numpy(v.copy()) for name, v in found.items()} for key, found in arrays.items()}
        return {**kept, "seen": self.seen, "done": self.done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        for own, key in ((self.average, "average"), (self.sums, "sums"), (self.units.live, "live")):
            own.update({name: found.numpy().copy() for name, found in state[key].items()})
        self.seen, self.done = state["seen"], state["done"]
        self._hold()

    def _hold(self) -> None:
        if self.training is not None:
            self.training.hold(self.units.masks())


def search(opened: pipeline.Opened, asked: Search, out: Path, state: Path | None = None) -> recovery.Events:
    """Search, extract, fine-tune and write the checkpoint directory `out`; see `phases.search_and_tune`.

    While it searches events hold "cut", the share of the cost that is left, and "kept", what is live by block
    (`Units.kept`). Raises InvalidPlan where even the smallest model costs more than the target.
    """

    def find(train: LabelledImages, judged: LabelledImages, folder: Path | None) -> Searching:
        return _search(opened, asked, train, judged, folder)

    return search_and_tune(opened, find, asked.finetuning, out, state)


def _search(
    opened: pipeline.Opened, asked: Search, train: LabelledImages, judged: LabelledImages, state: Path | None
) -> Searching:
    """Train and cut until the target is met; the extracted model and its card."""
    check_attends(opened.anatomy, "NViT's search")
    for block in opened.anatomy.blocks:
        check_sliceable(opened.model.get_submodule(block.name), block.name)
    model = copy.deepcopy(opened.model)
    units = Units(model, opened.anatomy)
    cost: Cost = MacCost(opened.anatomy, units.embed or 0)
    if asked.aware == "latency":
        for found in latency_cost(opened.model, opened.info, units):
            if isinstance(found, LatencyCost):
                cost = found
            else:
                yield found
    check_target(asked.target, cost.share(units.least_widths()), PAID[asked.aware], "units")
    training = Training(model, train, asked.training, opened.info.mean, opened.info.std, opened.model)
    pruner = Pruner(units, cost, asked, training.steps)
    pruner.attach(training)
    steps = pruner.cuts * pruner.every
    expected = steps + steps_expected(training, asked.training, asked.finetuning)
    yield from search_steps(
        opened, training, judged, state, expected,
        told=lambda: {"cut": pruner.left, "kept": units.kept()},
        over=lambda: pruner.done == pruner.cuts,
    )  # fmt: skip
    training.result()  # on the CPU, in evaluation mode
    opened.model.cpu()
    smaller = units.extract()
    return smaller, _card(opened, asked, pruner, smaller, steps)


def _card(opened: pipeline.Opened, asked: Search, pruner: Pruner, smaller: nn.Module, steps: int) -> dict[str, Any]:
    """What rebuilds the smaller model, and how it was found."""
    result = {
        "search": {"method": "nvit", **asdict(asked)}, "search_steps": steps, "left": pruner.left,
        "units": pruner.units.kept(),
    }  # fmt: skip
    card = found_card(opened, smaller, asked.training.seed, result)
    return card if pruner.units.embed is None else {**card, "embed": pruner.units.embed}
