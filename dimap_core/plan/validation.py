"""Whether a plan is well formed, and fits a model; and what the parts of it are called.

Next door: `recipe` reads and writes plans.
"""

from __future__ import annotations

from typing import Any, get_args

from ..criteria import criterion
from ..types import KINDS, PRUNABLE_MODULES, Anatomy, Cell, Granularity, InvalidPlan, PruningPlan, Scope, cell_name

SCOPES: tuple[str, ...] = get_args(Scope)
GRANULARITIES: tuple[str, ...] = get_args(Granularity)
PATTERNS = ("2:4", "4:8")
BUDGETS = ("macs", "params", "latency")
MOST_IMAGES = 100_000
_UNITS = {"weight": "single weights", "structure": "whole structures"}


def validate(plan: PruningPlan, anatomy: Anatomy | None = None) -> PruningPlan:
    """Return `plan` if it is well formed (and, given an anatomy, fits the model); raises InvalidPlan otherwise."""
    _one_of("scope", plan.scope, SCOPES)
    _one_of("granularity", plan.granularity, GRANULARITIES)
    if plan.scored not in criterion(plan.criterion).scores:
        raise InvalidPlan(
            f"'{plan.criterion}' cannot score {_UNITS[plan.scored]}; choose another criterion or other units."
        )
    if plan.granularity == "nm":
        _check_nm(plan)
    else:
        _check_ratios(plan)
    _check_structure(plan)
    if not isinstance(plan.seed, int) or isinstance(plan.seed, bool) or not 0 <= plan.seed < 2**32:
        raise InvalidPlan(f"The seed must be a whole number from 0 to 2^32 - 1, not {plan.seed!r}.")
    if not isinstance(plan.images, int) or isinstance(plan.images, bool) or not 1 <= plan.images <= MOST_IMAGES:
        raise InvalidPlan(f"The training images to read must be from 1 to {MOST_IMAGES:,}, not {plan.images!r}.")
    if anatomy is not None:
        _fits(plan, anatomy)
    return plan


def _check_ratios(plan: PruningPlan) -> None:
    if (plan.ratio is None) == (plan.budget is None):
        raise InvalidPlan("A plan has either a ratio or a budget; give one of the two.")
    if plan.nm is not None:
        raise InvalidPlan(
            "Only where N of every M weights go is there a pattern; choose to remove those, or leave the pattern out."
        )
    if plan.ratio is not None:
        _in_range("ratio", plan.ratio, 0, 1)
    modules = KINDS if plan.granularity == "structure" else PRUNABLE_MODULES
    for cell, ratio in plan.overrides:
        if cell[1] is not None:
            _one_of("kind" if plan.granularity == "structure" else "module", cell[1], modules)
        _in_range(f"ratio of {cell_label(cell)}", ratio, 0, 1)
    if plan.budget is not None:
        _one_of("budget kind", plan.budget_kind, BUDGETS)
        _in_range("budget", plan.budget, 0, 1)
    _in_range("cost exponent", plan.cost_exponent, 0, 2)


def _check_nm(plan: PruningPlan) -> None:
    if plan.nm not in PATTERNS:
        raise InvalidPlan(f"Removing N of every M weights needs a pattern; choose one of {', '.join(PATTERNS)}.")
    if plan.ratio is not None or plan.budget is not None or plan.overrides or plan.cost_exponent:
        raise InvalidPlan(
            "A pattern fixes every ratio; leave out ratio, budget, ratios of stages and what is paid for."
        )


def _check_structure(plan: PruningPlan) -> None:
    """What only a cut of whole structures can have."""
    step = plan.round_to
    if not isinstance(step, int) or isinstance(step, bool) or not 1 <= step <= 64:
        raise InvalidPlan(f"Kept sizes are rounded to a multiple from 1 to 64, not {step!r}.")
    if not isinstance(plan.repair, bool):
        raise InvalidPlan(f"repair is true or false, not {plan.repair!r}.")
    latency = plan.budget is not None and plan.budget_kind == "latency"
    if plan.granularity != "structure" and (step != 1 or latency):
        what = "rounding" if step != 1 else "a latency budget"
        raise InvalidPlan(f"Zeros have no use for {what}; choose to remove whole structures, or leave it out.")


def _fits(plan: PruningPlan, anatomy: Anatomy) -> None:
    count = len(anatomy.stages)
    for (stage, _), _ in plan.overrides:
        if stage is not None and not 0 <= stage < count:
            raise InvalidPlan(f"There is no stage {stage}; this model has stages 0 to {count - 1}.")
    for name in plan.protected:
        if all(name != layer.name for layer in anatomy.prunable):
            raise InvalidPlan(f"There is no prunable layer '{name}'; 'describe' lists the names.")


def cell_label(cell: Cell) -> str:
    """What a sentence calls a cell: "stage 0:MLP-M", or the module alone."""
    return cell_name(cell) if cell[0] is None else f"stage {cell_name(cell)}"


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidPlan(f"There is no {what} '{value}'; choose one of {', '.join(allowed)}.")


def _in_range(what: str, value: Any, low: float, high: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    closed = what == "cost exponent"
    if not number or not (low <= value < high or (closed and value == high)):
        raise InvalidPlan(
            f"The {what} must be a number from {low} to {'' if closed else 'below '}{high}, not {value!r}."
        )
