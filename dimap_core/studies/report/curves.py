"""What was measured beforehand of a bundled model, as curves under a report's cuts.

Next door: `drawing` puts cuts over them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...figures import Curve, Point
from ...models import bundled
from ...plan import UNIFORM, family
from ...types import ASSETS, PruningPlan
from .contents import Basis, Reported

_MOST = 2  # of the cuts' own ways of cutting


def curves(basis: Basis, cuts: Sequence[Reported]) -> list[Curve]:
    """One for each way of cutting of the first cuts, and uniform magnitude as the reference; none where a model isn't
    bundled, or is judged by other images than its own."""
    spec = bundled(basis.model) if basis.own_images else None
    path = None if spec is None else ASSETS / "curves" / f"{spec.name}.json"
    if path is None or not path.exists():
        return []
    rows = [row for row in json.loads(path.read_text("utf-8"))["rows"] if row["budget"] is None]
    ways = {family(plan): plan for plan in (one.cut.plan for one in cuts) if not plan.repair}
    ways.pop(family(UNIFORM), None)
    found = [Curve(name, _points(_rows(rows, plan))) for name, plan in list(ways.items())[:_MOST]]
    found.append(Curve(family(UNIFORM), _points(_rows(rows, UNIFORM)), reference=True))
    return [curve for curve in found if curve.points]


def _rows(rows: Iterable[Mapping[str, Any]], plan: PruningPlan) -> list[Mapping[str, Any]]:
    """Those cut as the plan is, at whatever ratio; a cost exponent is moot where every layer is alone."""
    wanted = plan.criterion, plan.granularity, plan.scope
    return [
        row for row in rows
        if (row["criterion"], row["granularity"], row["scope"]) == wanted
        and (plan.scope == "layer" or row["cost_exponent"] == plan.cost_exponent)
    ]  # fmt: skip


def _points(rows: Iterable[Mapping[str, Any]]) -> list[Point]:
    found = []
    for row in rows:
        low, high = row["ci95"]
        label, smaller = f"{100 * row['ratio']:g} % cut", row["granularity"] == "structure"
        found.append(Point(1 - row["macs_removed"], row["top1"], low, high, row["n"], label, smaller=smaller))
    return found
