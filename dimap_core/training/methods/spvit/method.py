"""SPViT as a whole: gates are learned together with the weights, a smaller model is derived, trained and folded.

Paper: He et al., "Pruning Self-attentions into Convolutional Layers in Single Path", TPAMI 2024 (arXiv 2111.11802).
The loss is cross-entropy plus lambda (F / F0 - tau)^2, F the MACs of the likeliest gates; when they are within the
budget, the signs of the gates say what stands where. The smaller model starts again from the original weights, is
trained with ordinary cross-entropy (or distillation), and its convolutions are folded into what is deployed.
A reconstruction from the released code; `settings.SIMPLIFICATIONS` lists what differs.
Next door: `gates` holds the gates and their cost, `derived` what comes of them, `compare` sets the result beside
one-shot cuts, `pictures` shows what attention did where convolutions stand; `phases` has what all searches share.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Generator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from .... import pipeline
from ....cut import check_attends, check_sliceable, fold
from ....models import check_writable
from ....pipeline import removed_share, training_data
from ....types import LabelledImages, UnsupportedModel, whole_file
from ... import recovery
from ...loop import Training, processes
from ..phases import found_card, saved, search_steps, steps_expected, tune
from .compare import compare, undisturbed
from .derived import Found, build, finished, measure_batchnorms, read_found
from .gates import Gated
from .pictures import pictures
from .settings import Search

Event = dict[str, Any]


def search(opened: pipeline.Opened, asked: Search, out: Path, state: Path | None = None) -> recovery.Events:
    """Search, derive, fine-tune, fold and write the checkpoint directory `out`; close it to stop within a step.

    Yields events as `recovery.recover` does; steps count through both phases. While it searches they hold "cut", the
    share of MACs that is left, and "blocks" (`Gated.shown`). `state`: a folder; what an earlier run left there is gone
    on from. Raises DataError without images or trained weights, UnsupportedModel for a model that has no plain
    attention in every block.
    """
    pipeline.check_trained(opened)
    check_writable(out)
    images = training_data(opened), pipeline.default_data(opened)
    place = None if state is None else state / "found.json"
    if place is not None and place.exists():
        found = read_found(place, opened.anatomy)
    else:
        found = yield from _search(opened, asked, *images, None if state is None else state / "search")
        _keep(place, found)
    pruned = _smaller(opened, asked, found, *images)
    told, finish = {"cut": found.left, "blocks": found.blocks}, partial(finished, pruned=pruned)
    quickest = math.inf
    for event in tune(pruned, asked.finetuning, out, state, found.steps, told, finish):
        quickest = min(quickest, event.get("took", math.inf))
        if "result" in event:
            event["result"] |= _told(opened, pruned, found)
            event["result"]["undisturbed_seconds"] = found.seconds + undisturbed(quickest, event["result"])
            if asked.compare:
                event["result"]["comparison"] = yield from compare(opened, asked, found, pruned, event["result"], state)
        yield event


def _search(
    opened: pipeline.Opened, asked: Search, train: LabelledImages, judged: LabelledImages, state: Path | None
) -> Generator[Event, None, Found]:
    """Train weights and gates until the likeliest gates are within the budget, or to the last step."""
    check_attends(opened.anatomy, "SPViT's search")
    if any(block.mixer != "softmax" for block in opened.anatomy.blocks):
        raise UnsupportedModel(
            "SPViT's search makes convolutions of softmax attention, and some of it is linear here; choose another "
            "model."
        )
    for block in opened.anatomy.blocks:
        check_sliceable(opened.model.get_submodule(block.name), block.name)
    opened.model.cpu()
    model, budget = copy.deepcopy(opened.model), 1 - asked.target
    gated = Gated(model, opened.anatomy)
    normal = opened.info.mean, opened.info.std
    training = Training(
        model, train, asked.training, *normal,
        extra_loss=lambda: asked.strength * (gated.share() - (budget - asked.margin)) ** 2,
        extra_groups=[{"params": list(gated.logits()), "lr": asked.gate_lr, "weight_decay": 0.0}],
    )  # fmt: skip
    # Without gates a step takes about half as long.
    expected = training.steps + steps_expected(training, asked.training, asked.finetuning, faster=2)
    quickest = math.inf
    for event in search_steps(
        opened, training, judged, state, expected,
        told=lambda: {"cut": gated.left(), "blocks": gated.shown()},
        over=lambda: asked.reached(gated.left()),
    ):  # fmt: skip
        quickest = min(quickest, event.get("took", math.inf))
        yield event
    training.result()  # on the CPU, in evaluation mode
    mixers, hidden = gated.derived()
    kept, left = {name: units.tolist() for name, units in hidden.items()}, gated.left()
    seconds = undisturbed(quickest, {"steps": training.step, "seconds": training.spent})
    return Found(mixers, kept, gated.shown(), training.step, seconds, left, left <= budget)


def _keep(place: Path | None, found: Found) -> None:
    """Leave what was found for a run that goes on."""
    if place is not None and processes().is_main_process:
        with whole_file(place) as part:
            part.write_text(json.dumps(asdict(found)), encoding="utf-8")


def _smaller(
    opened: pipeline.Opened, asked: Search, found: Found, train: LabelledImages, judged: LabelledImages
) -> recovery.Pruned:
    """The derived model ready to be fine-tuned, with the card of its checkpoint; its batch norms know the images."""
    model = build(opened, found)
    measure_batchnorms(model, opened.info, train)
    result = {"search": {"method": "spvit", **asdict(asked)}, "search_steps": found.steps, "left": found.left}
    card = found_card(opened, model, asked.training.seed, result, deployed=fold(copy.deepcopy(model)))
    return recovery.Pruned(model, opened.info, opened.model, {**card, "mixers": dict(found.mixers)}, train, judged)


def _told(opened: pipeline.Opened, pruned: recovery.Pruned, found: Found) -> dict[str, Any]:
    """What the search adds to a recovery's result."""
    result = pruned.card["result"]
    return {
        "method": "spvit", "left": found.left, "met": found.met, "blocks": found.blocks,
        "search_steps": found.steps, "search_seconds": found.seconds,
        "mixers": dict(found.mixers), "hidden": {name: len(kept) for name, kept in found.hidden.items()},
        "params_removed": removed_share(result["params_before"], result["params_after"]),
        **saved(opened, pruned.model, result),
        "pictures": pictures(opened.model, pruned.model, pruned.info, pruned.judged),
    }  # fmt: skip
