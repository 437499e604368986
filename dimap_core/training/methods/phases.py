"""What the searches share: a smaller model is found, kept on disk, fine-tuned as in recovery, and told about.

Next door: `nvit`, `spvit` and `apma` are the searches, `recovery` the fine-tuning.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from ... import pipeline
from ...anatomy import build_anatomy
from ...cut import kept_sizes
from ...measure import cost_report, measure_latency
from ...models import checkpoints, fill
from ...pipeline import removed_share, training_data
from ...types import CheckpointError, InvalidPlan, LabelledImages
from .. import recovery
from ..loop import Training, processes
from ..settings import Settings

Event = dict[str, Any]
Searching = Generator[Event, None, tuple[nn.Module, dict[str, Any]]]
"""A search's events; it returns the smaller model and its card."""
_LATENCY_BATCH = 16
_TOLD = {"search", "search_steps", "left", "units", "macs_before", "macs_after"}  # of a search, by its card


def search_and_tune(
    opened: pipeline.Opened,
    find: Callable[[LabelledImages, LabelledImages, Path | None], Searching],
    finetuning: Settings,
    out: Path,
    state: Path | None,
) -> recovery.Events:
    """Find a smaller model, fine-tune it and write the checkpoint directory `out`; close it to stop within a step.

    `find`: from images to train on, images to judge by and a folder for its state. Yields events as `recovery.recover`
    does; steps count through both phases. `state`: a folder; what an earlier run left there is gone on from. Raises
    DataError without images or trained weights, and what `find` does.
    """
    pipeline.check_trained(opened)
    checkpoints.check_writable(out)
    images = training_data(opened), pipeline.default_data(opened)
    place = None if state is None else state / "found"
    if place is None or not place.exists():
        smaller, card = yield from find(*images, None if state is None else state / "search")
        if place is not None:
            _keep(place, smaller, card)
    else:
        smaller, card = kept_model(place, opened)
    before = card["result"]["search_steps"]
    pruned = recovery.Pruned(smaller, opened.info, opened.model, card, *images)
    found = {"cut": card["result"]["left"], "kept": card["result"]["units"]}
    for event in tune(pruned, finetuning, out, state, before, found):
        if "result" in event:
            event["result"] |= _told(opened, smaller, card)
        yield event


def tune(
    pruned: recovery.Pruned,
    finetuning: Settings,
    out: Path,
    state: Path | None,
    before: int,
    found: Event,
    finish: Callable[[nn.Module], nn.Module] | None = None,
) -> recovery.Events:
    """Fine-tune what a search found in `before` steps, on from which the steps are counted; `found` goes into every
    step's event. The last event has the recovery's result, to which the search adds its own. See `recovery.recover`."""
    for event in recovery.recover(pruned, finetuning, out, None if state is None else state / "tuned", finish):
        if "step" in event:
            event |= {"step": event["step"] + before, "steps": event["steps"] + before, **found}
        if "result" in event:
            yield {"doing": "Measuring the latency"}
        yield event


def search_steps(
    opened: pipeline.Opened,
    training: Training,
    judged: LabelledImages,
    state: Path | None,
    expected: int,
    told: Callable[[], Event],
    over: Callable[[], bool] = lambda: False,
) -> recovery.Events:
    """A search's steps as events, until it is `over` or its training ends; what `told` gives goes into each.

    `expected`: steps until the fine-tuning ends, see `steps_expected`.
    """
    if state is not None:
        recovery.Kept(training, state)  # what an earlier run left, if anything
    if over():
        return
    for event in recovery.steps(training, opened.info, judged, state):
        if "step" in event:
            event |= {"steps": expected, **told()}
            event["seconds_left"] = training.spent / training.step * (expected - training.step)
        yield event
        if over():
            return


def steps_expected(training: Training, searching: Settings, finetuning: Settings, faster: int = 1) -> int:
    """About how many steps fine-tuning will take; `faster`: so many of them in the time of one of the search's."""
    if finetuning.seconds is not None and searching.seconds is not None:
        return max(1, round(faster * training.steps * finetuning.seconds / searching.seconds))
    return max(1, round(finetuning.epochs * len(training.loader)))


def check_target(target: float, least: float, paid: str, units: str) -> None:
    """Raise InvalidPlan where even the smallest model costs the share `least`, more than the target leaves."""
    if least > 1 - target:
        raise InvalidPlan(
            f"{100 * target:g} % of the {paid} cannot be removed by {units}; the most that can is "
            f"{math.floor(1000 * (1 - least)) / 10:g} %."
        )


def found_card(
    opened: pipeline.Opened,
    smaller: nn.Module,
    seed: int,
    result: Mapping[str, Any],
    deployed: nn.Module | None = None,
) -> dict[str, Any]:
    """What rebuilds the smaller model, and how it was found; `result`: what the search tells of itself; `deployed`: the
    form that is counted, where another one is trained."""
    dense = cost_report(opened.anatomy).total
    total = cost_report(build_anatomy(smaller if deployed is None else deployed, opened.info.family)).total
    counted = {
        "params_before": dense.params, "macs_before": dense.macs,
        "params_after": total.params, "macs_after": total.macs,
    }  # fmt: skip
    card = {**pipeline.origin(opened, seed), "result": {**result, **counted}}
    return card | {"kept": kept_sizes(smaller, opened.anatomy)}


def _keep(place: Path, smaller: nn.Module, card: dict[str, Any]) -> None:
    """Leave the found model for a run that goes on."""
    if processes().is_main_process:
        checkpoints.write(place, smaller.state_dict(), card)


def kept_model(place: Path, opened: pipeline.Opened) -> tuple[nn.Module, dict[str, Any]]:
    """What a search left in a directory: the smaller model and its card.

    Raises CheckpointError for a directory that `models` would not open, and for one of another model or no search.
    """
    tensors, card = checkpoints.read(place)
    own = pipeline.origin(opened, 0)
    if any(card.get(key) != own.get(key) for key in ("model", "settings")):
        raise CheckpointError(f"'{place}' holds what was found for another model; choose another folder.")
    if not isinstance(found := card.get("result"), dict) or not found.keys() >= _TOLD:
        raise CheckpointError(f"'{place}' does not say how it was found; choose another folder.")
    smaller = copy.deepcopy(opened.model)
    fill(smaller, opened.info.name, place, tensors, card)
    return smaller, card


def _told(opened: pipeline.Opened, smaller: nn.Module, card: Mapping[str, Any]) -> dict[str, Any]:
    """What a search adds to a recovery's result."""
    found = card["result"]
    return {
        "method": found["search"]["method"], "aware": found["search"]["aware"], "left": found["left"],
        "kept": found["units"], **saved(opened, smaller, found),
    }  # fmt: skip


def saved(opened: pipeline.Opened, smaller: nn.Module, result: Mapping[str, Any]) -> dict[str, Any]:
    """What the smaller model saves, of MACs as its card's `result` has them, of latency as it is measured now."""
    (row,) = measure_latency(opened.model, smaller, opened.info.input_size, (_LATENCY_BATCH,))
    return {
        "macs_removed": removed_share(result["macs_before"], result["macs_after"]),
        "latency_removed": row.removed, "latency": asdict(row),
    }  # fmt: skip
