"""The result objects of the CLI contract, as JSON-ready dicts. Next door: `cli` prints them."""

from __future__ import annotations

from typing import Any

from .cost import add, cost_report
from .estimates import AccuracyEstimate
from .plan import to_recipe
from .types import MODULES, Anatomy, CostReport, ModelInfo, Part, PruningPlan, Selection


def describe(info: ModelInfo, anatomy: Anatomy, cost: CostReport) -> dict[str, Any]:
    """The dense model: totals, stages and module classes; parts sum to the totals."""
    total = cost.total
    return {
        "model": info.name,
        "family": info.family,
        "input_size": info.input_size,
        "params": total.params,
        "macs": total.macs,
        "prunable_params": total.prunable,
        "stages": [
            {"stage": stage, "blocks": blocks, **_dense(part), "modules": {m: _dense(p) for m, p in modules.items()}}
            for stage, blocks, part, modules in _stages(anatomy, cost)
        ],
        "modules": {module: _dense(part) for module, part in _modules(cost).items()},
    }


def pruned(
    plan: PruningPlan, info: ModelInfo, anatomy: Anatomy, selection: Selection, cost: CostReport
) -> dict[str, Any]:
    """What a plan removed and what that costs; `*_removed` are shares of the dense totals, ratios of weights."""
    total = cost.total
    return {
        "plan": to_recipe(plan, info.name),
        "ratio": selection.ratio,
        **_both(total),
        "params_removed": removed_share(total.params, total.params_after),
        "macs_removed": removed_share(total.macs, total.macs_after),
        "stages": [
            {
                "stage": stage,
                "blocks": blocks,
                **_both(part),
                "ratio": part.ratio,
                "modules": {m: {**_both(p), "ratio": p.ratio} for m, p in modules.items()},
            }
            for stage, blocks, part, modules in _stages(anatomy, cost)
        ],
        "modules": {module: {**_both(part), "ratio": part.ratio} for module, part in _modules(cost).items()},
        "layers": [
            {"name": layer.name, "module": layer.module, "stage": layer.stage, "ratio": cost.layers[layer.name].ratio}
            for layer in anatomy.prunable
        ],
    }


def accuracy(estimate: AccuracyEstimate) -> dict[str, Any]:
    """n, top-1 with its interval, top-5 and each cue; shares 0..1."""
    top1 = estimate.top1
    return {
        "n": estimate.n,
        "top1": top1.value,
        "top5": None if estimate.top5 is None else estimate.top5.value,
        "ci95": [top1.low, top1.high],
        "cues": {cue: share.value for cue, share in estimate.cues.items() if cue != "joint"},
    }


def nonzero_cost(model: Any, anatomy: Anatomy) -> tuple[int, int]:
    """(params, MACs) of a model as it is, prunable weights that are exactly zero left out; for loaded checkpoints."""
    zeros = {layer.name: int((model.get_parameter(f"{layer.name}.weight") == 0).sum()) for layer in anatomy.prunable}
    total = cost_report(anatomy, Selection(zeros, 0.0)).total
    return total.params_after, total.macs_after


def removed_share(before: int, after: int) -> float:
    """1 - after / before."""
    return 1 - after / before


def _stages(anatomy: Anatomy, cost: CostReport) -> list[tuple[int | None, int, Part, dict[str, Part]]]:
    """(stage, number of blocks, its cost, its modules' costs); None stands for patch embedding, final norm and head."""
    rows = []
    for stage, blocks in [*((s.index, len(s.blocks)) for s in anatomy.stages), (None, 0)]:
        modules = {m: cost.cells[stage, m] for m in MODULES if (stage, m) in cost.cells}
        rows.append((stage, blocks, add(modules.values()), modules))
    return rows


def _modules(cost: CostReport) -> dict[str, Part]:
    return {m: add(part for (_, module), part in cost.cells.items() if module == m) for m in MODULES}


def _dense(part: Part) -> dict[str, int]:
    return {"params": part.params, "macs": part.macs}


def _both(part: Part) -> dict[str, int]:
    return {
        "params_before": part.params,
        "params_after": part.params_after,
        "macs_before": part.macs,
        "macs_after": part.macs_after,
    }
