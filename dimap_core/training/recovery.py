"""Recovery: training brings a pruned model back, from the current plan or from a checkpoint that `prune` wrote.

Masked weights stay zero, sliced models stay as small as they are. What is measured before and after is judged on the
whole validation split, with the change paired image by image; the curve on the way on its first images only.
Next door: `loop` trains, `service.jobs` runs this in the background, `models.checkpoints` holds the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import pipeline
from ..anatomy import build_anatomy
from ..measure import estimate, evaluate
from ..models import check_leads_back, checkpoints, load_model, load_named, save, zeroed
from ..pipeline import judged_by_name, results, training_data
from ..types import (
    AccuracyEstimate,
    CheckpointError,
    Difference,
    LabelledImages,
    ModelInfo,
    PruningError,
    PruningPlan,
    last,
)
from .kept_state import Kept
from .loop import Training
from .settings import Settings

CURVE_IMAGES = 256  # of the validation split, judged on the way
_CURVE_POINTS = 10
Events = Iterator[dict[str, Any]]


@dataclass(frozen=True)
class Pruned:
    """A pruned model, the dense one it came from (None: not known), what its checkpoint's card says, and the images to
    train on and to judge by; `notice` says how they were chosen, where they were."""

    model: nn.Module
    info: ModelInfo
    dense: nn.Module | None
    card: Mapping[str, Any]
    train: LabelledImages
    judged: LabelledImages
    notice: str = ""

    def held(self) -> dict[str, torch.Tensor]:
        """Parameter name -> where prunable weights are not zero; nothing of a model whose single weights were left."""
        if not zeroed(self.card):
            return {}
        layers = build_anatomy(self.model, self.info.family).prunable
        names = [f"{layer.name}.weight" for layer in layers]
        return {name: self.model.get_parameter(name).detach() != 0 for name in names}


def from_plan(opened: pipeline.Opened, plan: PruningPlan) -> Pruned:
    """The plan's cut of an open model, with its images; raises DataError where it has none."""
    pipeline.check_trained(opened)
    images = training_data(opened), pipeline.default_data(opened)
    model, card = pipeline.pruned_with_card(opened, plan)
    return Pruned(model, opened.info, opened.model, card, *images)


def from_directory(path: Path, data: str | None = None, dense: str | None = None, distill: bool = False) -> Pruned:
    """A checkpoint that `prune` wrote, with the dense model that `dense` or its card names and the images that `data`
    names as --data does; raises CheckpointError for others, and to `distill` where no dense model is known."""
    opened = pipeline.open_model(str(path))
    if opened.info.source != "directory":
        raise CheckpointError(f"'{path}' is not a directory that prune wrote; prune a model with --out first.")
    pipeline.check_trained(opened)
    card = checkpoints.read_card(path)
    if not {"plan", "search"} & set(card.get("result", {})):
        raise CheckpointError(f"'{path}' does not say how it was pruned; prune the model again.")
    taught_by = _dense(path, opened, dense, distill)
    opened, judged = judged_by_name(opened, data)
    return Pruned(opened.model, opened.info, taught_by, card, training_data(opened), judged, opened.notice)


def _dense(path: Path, opened: pipeline.Opened, named: str | None, needed: bool) -> nn.Module | None:
    """The model that a checkpoint was made from: the one `named`, else the file of its card while that holds the same
    weights, else the one of its name. None where it cannot be had and is not `needed`."""
    info, model = opened.info, None
    if named is not None:
        model, found = load_model(named)
        sizes = [(given.input_size, taught.num_classes) for given, taught in ((found, model), (info, opened.model))]
        if sizes[0] != sizes[1]:
            raise CheckpointError(
                f"'{named}' (input size, classes: {sizes[0]}) cannot teach '{path}' ({sizes[1]}); name the model that "
                "it was made from."
            )
        return model
    try:
        if not info.dense:
            return load_named(info.architecture, "pretrained")[0]
        model, found = load_model(info.dense["file"])
        if found.fingerprint == info.dense["fingerprint"]:
            return model
    except PruningError:
        if needed and not info.dense:
            raise
    if needed:
        raise _unknown(str(path))
    return None


def _unknown(name: str) -> CheckpointError:
    return CheckpointError(
        f"The dense model that '{name}' was made from is not known or has changed; name it with --dense, or train "
        "without --distill."
    )


def recover(
    pruned: Pruned,
    settings: Settings,
    out: Path,
    state: Path | None = None,
    finish: Callable[[nn.Module], nn.Module] | None = None,
) -> Events:
    """Train and write the checkpoint directory `out`; close it to stop within a step.

    Yields {"doing"}, then {"step", "steps", "loss", "seconds_left"} after every step, with "top1", "low", "high" and
    "n" where the curve was judged, at last {"result": ...}. `state`: a folder; what was left there by an earlier run is
    gone on from, see `Kept`. `finish`: what is done with the trained model before it is judged and written.
    """
    judged = pruned.judged
    checkpoints.check_writable(out)
    if settings.distill != "none" and pruned.dense is None:
        raise _unknown(pruned.info.name)
    if finish is None:  # better refused now than after hours
        check_leads_back(out, pruned.model, pruned.card)
    yield {"doing": "Judging the pruned model"}
    before, answers = yield from last(evaluate(pruned.model, pruned.info, judged), {})
    gains = {"gain": answers}
    if pruned.dense is not None:
        _, gains["against_dense"] = yield from last(evaluate(pruned.dense, pruned.info, judged), {})
    normal = pruned.info.mean, pruned.info.std
    training = Training(pruned.model, pruned.train, settings, *normal, pruned.dense, pruned.held())
    yield from steps(training, pruned.info, judged, state)
    model = training.result()
    model = model if finish is None else finish(model)
    after, recovered = yield from last(evaluate(model, pruned.info, judged), {})
    paired = {key: estimate(recovered, judged, other).drops["joint"] for key, other in gains.items()}
    result = _result(pruned, model, before, after, paired)
    result |= {"settings": asdict(settings), "steps": training.steps, "seconds": round(training.spent, 1)}
    if training.accelerator.is_main_process:
        save(out, model, {**pruned.card, "weights": "trained", "recovered": result})
    yield {"result": {**result, "out": str(out)}}


def steps(training: Training, info: ModelInfo, judged: LabelledImages, state: Path | None) -> Events:
    """A training's steps as events, with the accuracy so far now and then; goes on from `state` and keeps it fresh."""
    kept = None if state is None else Kept(training, state)
    every = -(-training.steps // _CURVE_POINTS)
    for step in training.run():
        event = asdict(step)
        if step.step % every == 0 or step.step == training.steps:
            training.bare.eval()
            found, _ = yield from last(evaluate(training.bare, info, judged, limit=CURVE_IMAGES), {})
            training.bare.train()
            event |= {"top1": found.top1.value, "low": found.top1.low, "high": found.top1.high, "n": found.n}
        if kept is not None:
            kept.after(training.spent)
        yield event


def _result(
    pruned: Pruned,
    model: nn.Module,
    before: AccuracyEstimate,
    after: AccuracyEstimate,
    paired: Mapping[str, Difference],
) -> dict[str, Any]:
    """The CLI contract's result object of the trained `model`, with intervals and paired differences: value, low,
    high."""
    counted = results.counted(model, build_anatomy(model, pruned.info.family), zeroed(pruned.card))
    found: dict[str, Any] = {"model": pruned.info.name, "n": after.n, **counted}
    for key, share in (("top1_before", before.top1), ("top1_after", after.top1)):
        found |= {key: share.value, f"{key}_ci95": [share.low, share.high]}
    return found | {key: [change.value, change.low, change.high] for key, change in paired.items()}
