"""NViT as a whole: gradual, cost-aware structured pruning between training steps, extraction, distilled fine-tuning.

Paper: Yang et al., "Global Vision Transformer Pruning with Hessian-Aware Saliency", CVPR 2023 (arXiv 2110.04869).
Between two cuts the model trains with distillation from the dense one while Eq. 6 is averaged over the steps and over
cuts; at a cut the groups of lowest Eq. 7 go, over all kinds and layers in one ranking, until a straight line from the
dense cost to the target is met. What is left is extracted as a smaller model and fine-tuned by the same loop.
A reconstruction from the text and what is known of the released code; `nvit_settings.SIMPLIFICATIONS` lists what
differs. For Swin the embedding channels stay fixed (`nvit_settings.SWIN_FIXED`).
Next door: `nvit_ranking` scores and ranks, `units` masks and extracts, `costs` and `latency_table` price.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Generator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import checkpoints, pipeline, recovery
from ..anatomy import build_anatomy
from ..cost import cost_report
from ..cut.convolution import check_attends
from ..cut.embed import resize_embed
from ..cut.slicing import BlockSizes, check_sliceable, kept_sizes, resize
from ..errors import InvalidPlan
from ..judging import training_data
from ..latency import measure
from ..training import Training, processes
from ..types import KINDS, LabelledImages
from .costs import Cost, MacCost
from .latency_table import LatencyCost, latency_cost
from .nvit_ranking import remove_down_to, squared_effects
from .nvit_settings import PAID, Search
from .units import Units

Event = dict[str, Any]
_LATENCY_BATCH = 16


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
    """Search, extract, fine-tune and write the checkpoint directory `out`; close it to stop within a step.

    Yields events as `recovery.recover` does; steps count through both phases. While it searches they hold "cut", the
    share of the cost that is left, and "kept", what is live by block (`Units.kept`). `state`: a folder; what an earlier
    run left there is gone on from. Raises DataError without images or trained weights, InvalidPlan where even the
    smallest model costs more than the target.
    """
    pipeline.check_trained(opened)
    images = training_data(opened), pipeline.default_data(opened)
    place = None if state is None else state / "found"
    if place is None or not place.exists():
        smaller, card = yield from _search(opened, asked, *images, None if state is None else state / "search")
        if place is not None:
            _keep(place, smaller, card)
    else:
        smaller, card = _found(place, opened.model)
    before = card["result"]["search_steps"]
    pruned = recovery.Pruned(smaller, opened.info, opened.model, card, *images)
    found = {"cut": card["result"]["left"], "kept": card["result"]["units"]}
    for event in recovery.recover(pruned, asked.finetuning, out, None if state is None else state / "tuned"):
        if "step" in event:
            event |= {"step": event["step"] + before, "steps": event["steps"] + before, **found}
        if "result" in event:
            yield {"doing": "Measuring the latency"}
            event["result"] |= _told(opened, smaller, card)
        yield event


def _search(
    opened: pipeline.Opened, asked: Search, train: LabelledImages, judged: LabelledImages, state: Path | None
) -> Generator[Event, None, tuple[nn.Module, dict[str, Any]]]:
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
    _check_target(asked, units, cost)
    training = Training(model, train, asked.training, opened.info.mean, opened.info.std, opened.model)
    pruner = Pruner(units, cost, asked, training.steps)
    pruner.attach(training)
    steps, after = pruner.cuts * pruner.every, _expected(asked, training)
    if state is not None:
        recovery.Kept(training, state)  # what an earlier run left, if anything
    if pruner.done < pruner.cuts:
        for event in recovery.steps(training, opened.info, judged, state):
            if "step" in event:
                event |= {"steps": steps + after, "cut": pruner.left, "kept": units.kept()}
                event["seconds_left"] = training.spent / training.step * (steps + after - training.step)
            yield event
            if pruner.done == pruner.cuts:
                break
    training.result()  # on the CPU, in evaluation mode
    opened.model.cpu()
    smaller = units.extract()
    return smaller, _card(opened, asked, pruner, smaller, steps)


def _expected(asked: Search, training: Training) -> int:
    """About how many steps fine-tuning will take."""
    tuning, searching = asked.finetuning, asked.training
    if tuning.seconds is not None and searching.seconds is not None:
        return max(1, round(training.steps * tuning.seconds / searching.seconds))
    return max(1, round(tuning.epochs * len(training.loader)))


def _check_target(asked: Search, units: Units, cost: Cost) -> None:
    """Raise InvalidPlan where even one group in every layer costs too much."""
    least = cost.share(units.least_widths())
    if least > 1 - asked.target:
        raise InvalidPlan(
            f"{100 * asked.target:g} % of the {PAID[asked.aware]} cannot be removed by units; the most that can is "
            f"{np.floor(1000 * (1 - least)) / 10:g} %."
        )


def _card(opened: pipeline.Opened, asked: Search, pruner: Pruner, smaller: nn.Module, steps: int) -> dict[str, Any]:
    """What rebuilds the smaller model, and how it was found."""
    dense = cost_report(opened.anatomy).total
    total = cost_report(build_anatomy(smaller, opened.info.family)).total
    result = {
        "search": {"method": "nvit", **asdict(asked)}, "search_steps": steps, "left": pruner.left,
        "units": pruner.units.kept(), "params_before": dense.params, "macs_before": dense.macs,
        "params_after": total.params, "macs_after": total.macs,
    }  # fmt: skip
    card = {**pipeline.origin(opened, asked.training.seed), "result": result}
    card["kept"] = kept_sizes(smaller, opened.anatomy)
    return card if pruner.units.embed is None else {**card, "embed": pruner.units.embed}


def _keep(place: Path, smaller: nn.Module, card: dict[str, Any]) -> None:
    """Leave the found model for a run that goes on; moved there whole."""
    if processes().is_main_process:
        part = place.with_name("found.part")
        shutil.rmtree(part, ignore_errors=True)
        checkpoints.write(part, smaller.state_dict(), card)
        part.replace(place)


def _found(place: Path, dense: nn.Module) -> tuple[nn.Module, dict[str, Any]]:
    """What `_keep` left: the smaller model and its card."""
    tensors, card = checkpoints.read(place)
    smaller = copy.deepcopy(dense)
    resize(smaller, {name: BlockSizes(*(kept[kind] for kind in KINDS)) for name, kept in card["kept"].items()})
    if "embed" in card:
        resize_embed(smaller, card["embed"])
    smaller.load_state_dict(tensors, assign=True)
    return smaller, card


def _told(opened: pipeline.Opened, smaller: nn.Module, card: Mapping[str, Any]) -> dict[str, Any]:
    """What the search adds to a recovery's result."""
    found = card["result"]
    (row,) = measure(opened.model, smaller, opened.info.input_size, (_LATENCY_BATCH,))
    return {
        "method": "nvit", "aware": found["search"]["aware"], "left": found["left"], "kept": found["units"],
        "macs_removed": 1 - found["macs_after"] / found["macs_before"],
        "latency_removed": row.removed, "latency": asdict(row),
    }  # fmt: skip
