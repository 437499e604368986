"""Everything that was tried and judged, as a table."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from dimap_core.pipeline import counts

from ..look import plan_names
from ..session import Tried, own_models


def table(tried: list[Tried]) -> pd.DataFrame:
    """Tried points with estimates as rows, shares 0..1: setting, cost and every cue's accuracy with n and interval."""
    rows = pd.json_normalize([_table_row(p) for p in tried], sep="_")
    return rows.astype({name: "Int64" for name in rows.columns if name.endswith("_nonzero")})  # missing where none went


def _table_row(tried: Tried) -> dict[str, Any]:
    setting, total, found = tried.setting, tried.total, tried.estimate
    shares = {} if found is None else found.cues
    return {
        "number": tried.number + 1,
        "model": own_models.shown(setting.model),
        "images": setting.data or "own",
        "cut": plan_names.label(setting.plan),
        "preview": tried.preview,  # accuracies with the quick refit: the repair was not waited for
        **counts(total, setting.plan.granularity),
        "params_kept": round(total.params_after / total.params, 6),
        "macs_kept": round(total.macs_after / total.macs, 6),
        **{
            cue: {"n": s.n, "accuracy": round(s.value, 6), "low": round(s.low, 6), "high": round(s.high, 6)}
            for cue, s in shares.items()
        },
        "recipe": json.dumps(setting.recipe()),
    }
