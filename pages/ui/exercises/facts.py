"""What a lesson's steps can ask for: the cut, its cost and its accuracy as a flat table.

Next door: `dimap_core.studies` says when a step's conditions hold on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dimap_core.measure import add
from dimap_core.types import MLP, PRJ, PRUNABLE_MODULES, QKV, AccuracyEstimate, CostReport, Part, PruningPlan

from ..look import formats
from ..session import Tried, View, state

_MODULES = {QKV: "qkv", PRJ: "prj", MLP: "mlp"}


def cut(view: View) -> dict[str, Any]:
    """What is known of the setting in force without an image."""
    at = state.selected()
    found = {"selected": str(at), "selected_block": at.block is not None}
    found["selected_stage"] = "" if at.stage is None else str(at.stage + 1)
    return found | _plan(state.current().plan) | _cost(view.cost) | _parts(view.cost)


def judged(point: Tried, settled: bool) -> dict[str, Any]:
    """Accuracies, once they are `settled`."""
    return {"settled": settled} | (_accuracy(point.estimate) if settled and point.estimate is not None else {})


def _plan(plan: PruningPlan) -> dict[str, Any]:
    return {
        "scope": plan.scope, "criterion": plan.criterion, "granularity": plan.granularity, "repair": plan.repair,
        "pattern": plan.nm or "", "by_stage": bool(plan.overrides),
    }  # fmt: skip


def _cost(cost: CostReport) -> dict[str, Any]:
    """Shares that are gone: of the weights that can go (also by stage), of MACs and of parameters."""
    total, stages = cost.total, _stages(cost)
    gone = {place: part.ratio for place, part in stages.items()}
    most, least = max(gone, key=gone.__getitem__), min(gone, key=gone.__getitem__)
    return {
        "ratio": total.ratio, "macs": formats.removed(total, "macs"), "params": formats.removed(total, "params"),
        "weights": total.prunable, **{f"stage{place + 1}": share for place, share in gone.items()},
        "most_gone_stage": str(most + 1), "most_gone_share": gone[most],
        "least_gone_stage": str(least + 1), "least_gone_share": gone[least],
    }  # fmt: skip


def _parts(cost: CostReport) -> dict[str, Any]:
    """Where the dense model's parameters and MACs lie: shares of stages, and which stage and module has most."""
    stages = _stages(cost)
    found: dict[str, Any] = {}
    for kind in ("params", "macs"):
        total = getattr(cost.total, kind)
        shares = {place: getattr(part, kind) / total for place, part in stages.items()}
        found |= {f"stage{place + 1}_of_{kind}": share for place, share in shares.items()}
        modules = {
            name: sum(getattr(part, kind) for (_, of), part in cost.cells.items() if of == module)
            for module, name in _MODULES.items()
        }
        found[f"most_{kind}_stage"] = str(max(shares, key=shares.__getitem__) + 1)
        found[f"most_{kind}_module"] = max(modules, key=modules.__getitem__)
        found |= {f"{name}_of_{kind}": count / total for name, count in modules.items()}
    return found


def _stages(cost: CostReport) -> Mapping[int, Part]:
    places = sorted({stage for stage, _ in cost.cells if stage is not None})
    return {
        place: add(
            part for (stage, module), part in cost.cells.items() if stage == place and module in PRUNABLE_MODULES
        )
        for place in places
    }


def _accuracy(estimate: AccuracyEstimate) -> dict[str, Any]:
    """Accuracy by cue, and what was lost against the dense model, each with its interval."""
    found: dict[str, Any] = {"n": estimate.n}
    for cue, share in estimate.cues.items():
        name = "top1" if cue == "joint" else cue
        found |= {name: share.value, f"{name}_low": share.low, f"{name}_high": share.high}
    for cue, drop in estimate.drops.items():
        name = "drop" if cue == "joint" else f"{cue}_drop"
        found |= {name: drop.value, f"{name}_low": drop.low, f"{name}_high": drop.high}
        found[f"{'top1' if cue == 'joint' else cue}_dense"] = estimate.cues[cue].value - drop.value
    return found
