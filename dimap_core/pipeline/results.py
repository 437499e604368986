"""The result objects of the CLI contract, as JSON-ready dicts, and what a count means in all of them.

`params` and `macs` are those of the tensors that are there, whatever their values. Where single weights were cut,
`params_nonzero` and `macs_nonzero` beside them leave out prunable weights that are zero; elsewhere zeros are chance.
Next door: `measure.cost` counts, `cli` prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..measure import add, cost_report
from ..plan import to_recipe
from ..types import MODULES, AccuracyEstimate, Anatomy, CostReport, Granularity, ModelInfo, Part, PruningPlan, Selection


def describe(info: ModelInfo, anatomy: Anatomy, cost: CostReport) -> dict[str, Any]:
    """The dense model: totals, stages and module classes; parts sum to the totals."""
    total = cost.total
    return {
        "model": info.name,
        "family": info.family,
        "input_size": info.input_size,
        "input": _input(info),
        "notes": list(info.notes),
        "params": total.params,
        "macs": total.macs,
        "prunable_params": total.prunable,
        "stages": [
            {"stage": stage, "blocks": blocks, **_dense(part), "modules": {m: _dense(p) for m, p in modules.items()}}
            for stage, blocks, part, modules in _stages(anatomy, cost)
        ],
        "modules": {module: _dense(part) for module, part in _modules(cost).items()},
    }


def _input(info: ModelInfo) -> dict[str, Any]:
    """How a picture becomes the model's input, and where that was learned, if it was."""
    keys = ("mean", "std", "crop_pct", "crop_mode", "interpolation")
    return {key: getattr(info, key) for key in keys} | ({"learned": dict(info.learned)} if info.learned else {})


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


def counts(total: Part, granularity: Granularity) -> dict[str, int]:
    """Counts of the model that a cut leaves; `total`: of the whole model."""
    if granularity == "structure" or total.params_after == total.params:
        return {"params": total.params_after, "macs": total.macs_after}
    return {**_dense(total), "params_nonzero": total.params_after, "macs_nonzero": total.macs_after}


def counted(model: Any, anatomy: Anatomy, zeroed: bool) -> dict[str, int]:
    """Counts of a model as it is; `zeroed`: single weights of it were cut (see `zeroed`)."""
    if not zeroed:
        return _dense(cost_report(anatomy).total)
    zeros = {layer.name: int((model.get_parameter(f"{layer.name}.weight") == 0).sum()) for layer in anatomy.prunable}
    return counts(cost_report(anatomy, zeros=zeros).total, "weight")


def kept_count(told: Mapping[str, Any], what: str) -> int:
    """How many "params" or "macs" of a row or result take part in anything: those that are not zero, where single
    weights were cut."""
    nonzero = told.get(f"{what}_nonzero")
    return told[what] if nonzero is None else nonzero


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
