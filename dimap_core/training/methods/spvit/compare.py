"""Whether SPViT's search earned its cost: its result beside two cuts that need no search, trained as long.

"random": the same operations and as many hidden units in every block, drawn at random, fine-tuned for as many steps.
"one-shot": DIMAP's structured cut with least-squares repair at the same MACs, trained for as many steps as search and
fine-tuning together leave time for, at the speed of SPViT's fine-tuning, whose MACs are the same; seconds are steps
times the quickest step, so that other work on the machine does not decide who may train longer. All are judged on the
same images, differences paired image by image.
Next door: `method` searches, `recovery` trains.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .... import pipeline
from ....measure import estimate as estimated, predict_all
from ....types import InvalidPlan, PruningPlan
from ... import recovery
from ...settings import Settings
from .derived import Found, build, finished, measure_batchnorms
from .settings import Search

Event = dict[str, Any]
_EVERY = 10  # steps between two events

LABELS = {
    "spvit": "SPViT",
    "random": "the same operations with random hidden units",
    "one-shot": "a one-shot DIMAP cut, repaired and trained as long",
}


def compare(
    opened: pipeline.Opened,
    asked: Search,
    found: Found,
    pruned: recovery.Pruned,
    result: dict[str, Any],
    state: Path | None,
) -> Generator[Event, None, dict[str, Any]]:
    """Make and train both rivals of a finished search; yields {"doing"} on the way. Returns "rows", each with key,
    label, top-1 with interval, n, macs, params, steps, seconds and the paired "difference" SPViT - rival, and a
    "verdict" in a sentence; a rival that cannot be made has "why" instead."""
    own = predict_all(pruned.model, pruned.info, pruned.judged)
    rows = [_row("spvit", result, result["undisturbed_seconds"], result["steps"] + found.steps)]
    with tempfile.TemporaryDirectory() as folder:
        for key in ("random", "one-shot"):
            place = Path(folder) if state is None else state
            try:
                rival, settings = _rival(key, opened, asked, found, pruned, result)
            except InvalidPlan as error:
                rows.append({"key": key, "label": LABELS[key], "why": str(error)})
                continue
            told = yield from _trained(key, rival, settings, place / key)
            rows.append(_row(key, told, told["undisturbed_seconds"], told["steps"]))
            change = estimated(own, pruned.judged, predict_all(rival.model, rival.info, rival.judged)).drops["joint"]
            rows[-1]["difference"] = [change.value, change.low, change.high]
    return {"rows": rows, "verdict": verdict(rows)}


def _rival(
    key: str, opened: pipeline.Opened, asked: Search, found: Found, pruned: recovery.Pruned, result: dict[str, Any]
) -> tuple[recovery.Pruned, Settings]:
    """What is trained instead, and how long; raises InvalidPlan where no such cut exists."""
    batches = -(-len(pruned.train) // asked.finetuning.batch_size)
    if key == "random":
        rng = np.random.default_rng(asked.training.seed)
        of = {block.name: block.part("mlp.fc1").shape[0] for block in opened.anatomy.blocks}
        hidden = {n: np.sort(rng.choice(of[n], len(kept), replace=False)) for n, kept in found.hidden.items()}
        model = build(opened, found, hidden)
        measure_batchnorms(model, opened.info, pruned.train)
        rival, steps = replace(pruned, model=model), result["steps"]
    else:
        plan = PruningPlan("dimap", "structure", "module", None, budget=result["macs_removed"], repair=True)
        rival = recovery.from_plan(opened, plan)
        a_step = (result["undisturbed_seconds"] - found.seconds) / result["steps"]
        steps = result["steps"] + round(found.seconds / a_step)
    return rival, replace(asked.finetuning, seconds=None, epochs=steps / batches)


def _trained(key: str, rival: recovery.Pruned, settings: Settings, place: Path) -> Generator[Event, None, Event]:
    """Train a rival in place; its result."""
    deployed = recovery.recover(
        rival, settings, place / "checkpoint", place / "state",
        (lambda model: finished(model, rival)) if key == "random" else None,
    )  # fmt: skip
    quickest = math.inf
    for event in deployed:
        if "result" in event:
            return {**event["result"], "undisturbed_seconds": undisturbed(quickest, event["result"])}
        quickest = min(quickest, event.get("took", math.inf))
        if "step" in event and event["step"] % _EVERY == 0:
            yield {"doing": f"For comparison: {LABELS[key]}, step {event['step']:,} of {event['steps']:,}"}
        elif "step" not in event:
            yield {}
    raise RuntimeError("a recovery ends with its result")


def undisturbed(quickest: float, told: dict[str, Any]) -> float:
    """Seconds that a training's "steps" take if each is as quick as the quickest; of one that was over already, what it
    is said to have taken ("seconds")."""
    return round(told["steps"] * quickest if math.isfinite(quickest) else told["seconds"], 2)


def _row(key: str, told: dict[str, Any], seconds: float, steps: int) -> dict[str, Any]:
    numbers = {name: told[name] for name in ("n", "params", "macs", "top1_before")}
    accuracy = {"top1": told["top1_after"], "ci95": told["top1_after_ci95"]}
    return {"key": key, "label": LABELS[key], **accuracy, **numbers, "seconds": round(seconds, 1), "steps": steps}


def verdict(rows: list[dict[str, Any]]) -> str:
    """Whether the search earned its cost, by the paired intervals."""
    changes = {row["key"]: row["difference"] for row in rows if "difference" in row}
    if not changes:
        return "No cut without a search could be made at these MACs, so there is nothing to compare with."
    better = [LABELS[key] for key, (_, low, _) in changes.items() if low > 0]
    worse = [LABELS[key] for key, (_, _, high) in changes.items() if high < 0]
    if worse:
        return f"The search did not earn its cost here: {' and '.join(worse)} did better."
    if len(better) == len(changes):
        return "The search earned its cost here: it is ahead of what needs no search by more than chance."
    same = " and ".join(LABELS[key] for key in changes if LABELS[key] not in better)
    return f"The search did not earn its cost here: no difference beyond chance from {same}."
