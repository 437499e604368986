"""What the first screen draws before a model is open: its parts, and what each precomputed cut keeps of every band.

    python -m benchmarks.maps [MODEL ...]      writes assets/maps.json; `benchmarks.oneshot` does it after its curves

Nothing is judged here: rows are those of assets/curves, selected and counted anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from dimap_core import pipeline
from dimap_core.measure import kept_by_band
from dimap_core.models import BUNDLED
from dimap_core.types import ASSETS, Anatomy, PruningPlan

from .measured import command_line, read

FILE, CURVES = ASSETS / "maps.json", ASSETS / "curves"
_PLAN = ("criterion", "scope", "granularity", "cost_exponent", "ratio")


def drawn(name: str) -> dict[str, Any]:
    """One model's anatomy, and of each global ratio's row its plan and kept shares in ten-thousandths, in the order of
    `measure.kept_by_band`."""
    opened = pipeline.open_model(name)
    curves = json.loads((CURVES / f"{name}.json").read_text(encoding="utf-8"))
    plans = [{what: row[what] for what in _PLAN} for row in curves["rows"] if row["budget"] is None]
    return {
        "model": name,
        "input_size": opened.info.input_size,
        "fingerprint": opened.info.fingerprint,
        "anatomy": TypeAdapter(Anatomy).dump_python(opened.anatomy, mode="json"),
        "rows": [[*plan.values(), _kept(opened, PruningPlan(**plan))] for plan in plans],
    }


def _kept(opened: pipeline.Opened, plan: PruningPlan) -> list[int]:
    shares = kept_by_band(opened.anatomy, pipeline.apply_plan(opened, plan)[1])
    return [round(1e4 * share) for share in shares.values()]


def write(names: Iterable[str]) -> None:
    """Draw these models anew; the others stay."""
    known = {found["model"]: found for found in read(FILE)} | {name: drawn(name) for name in names}
    lines = [json.dumps(known[spec.name], separators=(",", ":")) for spec in BUNDLED if spec.name in known]
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    measured = [spec.name for spec in BUNDLED if (CURVES / f"{spec.name}.json").exists()]
    write(command_line(__doc__, measured).parse_args().models)
