"""The map of the model that is moved by hand: a component of the browser, the tables it counts from, and what it sends.

Next door: `map_drawing.js` draws, `map_sliders.js` is moved, `live_map.js` counts and asks; pages/ui/live/`answer`
tells it what the server found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from dimap_core.anatomy import kept_counts
from dimap_core.figures import EDGES, FILLS, INK, NARROW, colors, finding, geometry, labels, ramp
from dimap_core.measure import cost_report, kept_by_band
from dimap_core.studies import Steps, common_steps, stage_counts, stage_shares, stage_steps
from dimap_core.types import AUX, QKV, Anatomy, CostReport, PruningPlan

from ..look import theme
from ..session import View, cache, state
from . import fills

HERE = Path(__file__).parent
SIZES = 1100, 860, 720, NARROW
_PARTS = tuple(HERE / f"{name}.js" for name in ("map_image", "map_drawing", "map_sliders", "live_map"))
_LEVELS = 16
_TOLD = 2  # words of a stage that tell of its form, the rest tells shares
_LATE = '<p class="late">The drawing could not start in this browser. All ratios are under More.</p>'


def component() -> Callable[..., Any]:
    """The map; registered anew by every run, since a server forgets what it knew of an earlier one."""
    body = f'<div class="map light">{_LATE}</div>'
    return st.components.v2.component("dimap_map", html=body, css=style(), js=script(*_PARTS))


@lru_cache
def style() -> str:
    """What live parts look like: the figures' tokens, and the rest."""
    tokens = {
        **INK, "never": FILLS[AUX], "never-edge": EDGES[AUX], "head": FILLS["head"], "head-edge": EDGES[QKV]
    }  # fmt: skip
    told = (
        f".{theme} {{ {' '.join(f'--{name}: {pair[place]};' for name, pair in tokens.items())} }}\n"
        for place, theme in enumerate(("light", "dark"))
    )
    return "".join(told) + (HERE / "live.css").read_text(encoding="utf-8")


@lru_cache
def script(*files: Path) -> str:
    """One module of the shared tools and these files, which export to nobody else."""
    parts = [file.read_text(encoding="utf-8") for file in (HERE / "live_tools.js", *files)]
    return "\n".join(part.replace("export class", "class") for part in parts)


@dataclass(frozen=True)
class Beforehand:
    """What is known of a model that is not open yet: its parts, and the cut's cost and kept shares by band; `key` as of
    `key_of`. `cost` has no layers."""

    anatomy: Anatomy
    cost: CostReport
    kept: Mapping[tuple[int, str], float]
    key: str


def key_of(view: View, plan: PruningPlan) -> str:
    """What the tables depend on: the model, and the plan but for its amount."""
    return key_by(view.info.fingerprint, view.info.input_size, plan)


def key_by(fingerprint: str, input_size: int, plan: PruningPlan) -> str:
    """`key_of` a model that need not be open."""
    family = replace(plan, ratio=0.0 if plan.granularity != "nm" else None, overrides=(), budget=None)
    return f"{abs(hash((fingerprint, input_size, family))):x}"


def data(view: View, plan: PruningPlan, low: bool = False) -> dict[str, Any]:
    """All that stays while sliders move: places, colours, fills, and what every step leaves. `low`: for a picture above
    another figure, which has no sliders."""
    look, key = theme.look(), key_of(view, plan)
    known = (key, look, low, tuple(fills.key_of(view, name) for name in fills.names(view)))
    return cache.memo("low_map" if low else "live_map", known, lambda: _data(view, plan, low, key))


def locked(data: dict[str, Any]) -> dict[str, Any]:
    """The same before a learner's guess: nothing moves, and no share of weights or MACs is told."""
    sizes = {
        width: {**drawn, "stages": [{**stage, "words": stage["words"][:_TOLD]} for stage in drawn["stages"]]}
        for width, drawn in data["sizes"].items()
    }
    return {**data, "off": True, "sizes": sizes, "fills": []}


def _data(view: View, plan: PruningPlan, low: bool, key: str) -> dict[str, Any]:
    anatomy, off = view.anatomy, plan.granularity == "nm"
    bands = bands_of(anatomy)
    tables = {}
    if not off and not low:
        tables["all"] = _table(common_steps(view.scores, anatomy, plan))
        tables["each"] = _table(stage_steps(view.scores, anatomy, plan))
    filled = [_fill(view, name, bands) for name in fills.names(view)[1:]]
    smaller = plan.granularity == "structure"
    return {**_form(anatomy, view.cost, low), "key": key, "off": off, "smaller": smaller, "fills": filled, **tables}


def beforehand(known: Beforehand, plan: PruningPlan) -> dict[str, Any]:
    """The map of a model that is not open yet: with one cut, and sliders that do not move yet."""
    shares = {}
    for stage in known.anatomy.stages:
        parts = [part for (at, _), part in known.cost.cells.items() if at == stage.index]
        shares[stage.index] = round(sum(x.removed for x in parts) / max(1, sum(x.prunable for x in parts)), 3)
    return {
        **_form(known.anatomy, known.cost), "key": known.key, "off": True, "smaller": False, "waiting": True,
        "fills": [],
        "cut": _cut(known.anatomy, known.cost, known.kept, shares, plan),
    }  # fmt: skip


def bands_of(anatomy: Anatomy) -> list[tuple[int, str]]:
    """The order of `measure.kept_by_band`."""
    return list(kept_by_band(anatomy, cost_report(anatomy)))


def _form(anatomy: Anatomy, cost: CostReport, low: bool = False) -> dict[str, Any]:
    """What the model gives the map, whatever is cut."""
    bands, look = bands_of(anatomy), theme.look()
    places = [(block.stage, block.index) for block in anatomy.blocks]
    inner = {stage.index: sum(part.prunable for (at, _), part in cost.cells.items() if at == stage.index)
             for stage in anatomy.stages}  # fmt: skip
    outer = [part for (stage, _), part in cost.cells.items() if stage is None]
    return {
        "dark": look.dark, "sliders": not low, "low": low, "labels": labels(anatomy),
        "sizes": {str(width): _places(anatomy, bands, width, low) for width in SIZES},
        "colors": colors(anatomy, look), "ramp": [ramp(level, look) for level in range(_LEVELS + 1)],
        "bands": {
            "stage": [places[place][0] for place, _ in bands], "block": [places[place][1] for place, _ in bands],
            "name": [module for _, module in bands],
        },
        "size": list(inner.values()),
        "rest": {"params": sum(part.params_after for part in outer), "macs": sum(part.macs_after for part in outer)},
    }  # fmt: skip


def _places(anatomy: Anatomy, bands: list[tuple[int, str]], width: int, low: bool) -> dict[str, Any]:
    """Where things lie at that width; `opened`: the same for each stage of which several blocks are drawn as one."""
    found = geometry(anatomy, bands, width, low)
    grouped = {stage for stage, _, count, *_ in found["blocks"] if count > 1}
    return {**found, "opened": {stage: geometry(anatomy, bands, width, low, stage) for stage in sorted(grouped)}}


def _table(steps: Steps) -> dict[str, Any]:
    """Shares in thousandths, counts as they are."""
    return {
        "kept": np.rint(1000 * steps.kept).astype(int).tolist(),
        "share": np.rint(1000 * steps.share).astype(int).tolist(),
        "left": steps.left.tolist(), "params": steps.params.tolist(), "macs": steps.macs.tolist(),
        "most": steps.most.tolist(),
    }  # fmt: skip


def _fill(view: View, name: str, bands: list[tuple[int, str]]) -> dict[str, Any]:
    """Levels of the ramp; None where a band was not measured."""
    fill = fills.of(view, name)
    values = fill.values if fill else {}
    most = max(values.values(), default=0.0)
    levels = [round(_LEVELS * values[band] / most) if most and band in values else None for band in bands]
    unit = fill.unit if fill else ""
    return {"name": name, "levels": levels, "most": f"{most:.3g}{unit}" if most else "", "note": fills.told(view, name)}


def cut(view: View, plan: PruningPlan) -> dict[str, Any]:
    """What the cut in force leaves, exactly, as the map shows it."""
    shares = stage_shares(view.anatomy, view.selection, plan)
    found = _cut(view.anatomy, view.cost, kept_by_band(view.anatomy, view.cost), shares, plan)
    if plan.granularity == "structure":
        found["heads"] = [[kept_counts(block, view.selection)[1] for block in stage.blocks] for stage in
                          view.anatomy.stages]  # fmt: skip
    return found


def _cut(
    anatomy: Anatomy, cost: CostReport, kept: Mapping[tuple[int, str], float], shares: Mapping[int, float],
    plan: PruningPlan,
) -> dict[str, Any]:  # fmt: skip
    counts, total, at = stage_counts(anatomy, cost), cost.total, state.selected()
    common = plan.ratio if plan.ratio is not None and not plan.overrides else total.removed / total.prunable
    return {
        "selected": {"stage": at.stage, "block": at.block}, "finding": finding(anatomy, kept),
        "own": state.mode_of(plan) == "stages",
        "ratios": [shares.get(stage.index, 0.0) for stage in anatomy.stages], "all": round(common, 4),
        "kept": [round(share, 4) for share in kept.values()],
        **{what: [count[place] for count in counts] for place, what in enumerate(("left", "params", "macs"))},
    }  # fmt: skip


def choose(key: str) -> None:
    """The callback of the map under `key`: a click on a block selects it for the whole app."""
    chosen = state.heard(key, "selected")
    if isinstance(chosen, Mapping):
        stage, block = (_whole(chosen.get(what)) for what in ("stage", "block"))
        state.select(stage, block)


def _whole(value: Any) -> int | None:
    """What a browser sent as a number of a part; too large ones are dropped where the model is known."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def way_to_sensitivity(view: View) -> None:
    """Where the map cannot be coloured by sensitivity yet: the way to what measures it."""
    if fills.SENSITIVITY in fills.names(view):
        fills.way_to(view, fills.SENSITIVITY)
