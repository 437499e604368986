"""A trial's row: the sweep's, with its model and who measured it.

Next door: `working` asks, `ledger` keeps it, `tables` shows it.
"""

from __future__ import annotations

import os
import platform
from typing import Any

from ...pipeline import Opened
from ...types import InvalidPlan, LabelledImages, PruningPlan
from ..sweep import measure, settings


def row(model: str, opened: Opened, judged: LabelledImages, plan: PruningPlan, limit: int | None) -> dict[str, Any]:
    """`sweep.Measured.full_row` of one plan, or its reason under "error" where it cannot be met, after the model's name
    and what of the plan no row of a sweep says; "worker" is the machine and process."""
    begins = {"model": model, "repair": plan.repair, "budget_kind": plan.budget_kind if plan.budget else None}
    ends = {"worker": f"{platform.node()}:{os.getpid()}"}
    try:
        return begins | measure(opened, judged, plan, limit).full_row() | ends
    except InvalidPlan as error:
        return begins | settings(plan) | {"ratio": plan.ratio, "error": str(error)} | ends
