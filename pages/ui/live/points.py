"""Measured rows, tried points and trained ones as the trade-off figure draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from dimap_core.figures import Curve, Point, Tradeoff
from dimap_core.measure import add, wilson
from dimap_core.pipeline import kept_count
from dimap_core.plan import UNIFORM
from dimap_core.types import AccuracyEstimate, CostReport, Part, Proportion, PruningError

from ..look import plan_names
from ..parts import live_map
from ..session import Setting, Tried, cache, jobs

_ESTIMATE = TypeAdapter(AccuracyEstimate)
_CELLS = TypeAdapter(list[tuple[int | None, str, Part]])
_PLAN = ("criterion", "scope", "granularity", "cost_exponent", "ratio")  # of a row, which name its map


@dataclass
class PrecomputedRow(Tried):
    """A row measured beforehand, with its model's other rows, and what its map is drawn from."""

    rows: tuple[dict[str, Any], ...] = ()
    drawn: live_map.Beforehand | None = None


def precomputed_row(setting: Setting) -> PrecomputedRow | None:
    """What was measured beforehand for exactly this setting, if anything."""
    plan, card = setting.plan, cache.cards().get(setting.model)
    own = card is not None and setting.weights == "pretrained" and not setting.data
    if not own or plan.overrides or plan.protected or plan.budget is not None:
        return None
    rows = cache.precomputed_rows(setting.model, plan)
    row = next((row for row in rows if row["ratio"] == plan.ratio), None)
    if row is None:
        return None
    cells = {(stage, module): part for stage, module, part in _CELLS.validate_python(row["cells"])}
    total = add(cells.values())
    estimate = _ESTIMATE.validate_python(row["estimate"])
    return PrecomputedRow(0, setting, total, estimate, rows=tuple(rows), drawn=_drawn(setting, row, cells))


def _drawn(
    setting: Setting, row: Mapping[str, Any], cells: Mapping[tuple[int | None, str], Part]
) -> live_map.Beforehand:
    known = cache.maps()[setting.model]
    kept = known["rows"][tuple(row[what] for what in _PLAN)]
    anatomy = known["anatomy"]
    bands = dict(zip(live_map.bands_of(anatomy), (share / 1e4 for share in kept), strict=True))
    key = live_map.key_by(known["fingerprint"], known["input_size"], setting.plan)
    return live_map.Beforehand(anatomy, CostReport(add(cells.values()), cells, {}), bands, key)


def _dense_point(tried: Tried, cue: str) -> Point | None:
    """The dense model's point: measured beforehand, or on chosen images what the pruned one's drop tells."""
    setting, found = tried.setting, tried.estimate
    if (known := known_dense(setting, cue)) is not None:
        return known
    if found is None or cue not in found.drops:
        return None
    right = found.cues[cue].correct - round(found.drops[cue].value * found.n)
    return _point(1.0, wilson(right, found.n), "dense")


def known_dense(setting: Setting, cue: str) -> Point | None:
    """The dense model's point where it was measured beforehand: a bundled model on its own images."""
    if setting.model not in cache.cards() or setting.data:
        return None
    estimate = _ESTIMATE.validate_python(cache.precomputed(setting.model)["dense"])
    return _point(1.0, estimate.cues[cue], "dense")


def stored_beside(setting: Setting) -> str:
    """Of a model that was judged beforehand on images which are not here, where others are chosen: what those gave, so
    that the two are told apart."""
    stored = replace(setting, data="")
    spec, row = stored.absent, precomputed_row(stored) if stored.absent and setting.data else None
    if spec is None or row is None or row.estimate is None:
        return ""
    top1 = row.estimate.top1
    between = f"{100 * top1.low:.1f} to {100 * top1.high:.1f}"
    return (
        f"Another figure, stored: {100 * top1.value:.1f} % ({between}), precomputed on {top1.n:,} photographs "
        f"({spec.judged})."
    )


def stored_ratios(tried: Tried, rows: Sequence[Mapping[str, Any]]) -> str:
    """Of a cut that was not measured beforehand, where nothing else can be: which ones of its curve were."""
    if not tried.setting.absent or tried.estimate:
        return ""
    shares = sorted({100 * row["ratio"] for row in rows})
    if not shares:
        return "Nothing of this way of cutting was measured beforehand."
    return f"Measured beforehand: {', '.join(f'{share:g}' for share in shares)} %."


def chance(setting: Setting, cue: str, classes: int | None = None) -> float:
    """What guessing gets right; `classes`: how many compete, where images were chosen."""
    if setting.data or setting.model not in cache.cards():
        return 1 / classes if classes else 0.0
    return cache.cards()[setting.model]["chance"][cue]


def point(tried: Tried, cue: str, axis: str) -> Point:
    """A tried point with an estimate, as the figure draws it."""
    if tried.estimate is None:
        raise ValueError("a point without an estimate cannot be drawn")
    total = tried.total
    kept = total.macs_after / total.macs if axis == "MACs" else total.params_after / total.params
    smaller = tried.setting.plan.granularity == "structure"
    label = plan_names.label(tried.setting.plan) + (", preview" if tried.preview else "")
    return _point(kept, tried.estimate.cues[cue], label, tried.number, smaller)


AGREEING = "same answer as the dense model"
"""What is judged by where images have no labels."""


def picture(
    rows: Any,
    current: Tried,
    tried: list[Tried],
    pins: dict[str, Tried],
    axis: str,
    cue: str,
    chance: float,
    recovered: Sequence[tuple[Point, Point]] = (),
    agreement: bool = False,
) -> Tradeoff:
    """All that the trade-off figure shows of one model on its images: `rows` are its current curve's, `tried` its
    history, `recovered` trained points, which are known for the joint answer only."""
    return Tradeoff(
        dense=_dense_point(current, cue),
        curves=curves(current.setting, rows, cue, axis),
        history=[point(p, cue, axis) for p in tried if _drawable(p, current.setting) and p is not current],
        pins={pin: point(p, cue, axis) for pin, p in pins.items() if _drawable(p, current.setting)},
        current=point(current, cue, axis) if current.estimate else None,
        recovered=recovered if cue == "joint" else (),
        chance=chance,
        unit=axis,
        judged_by=AGREEING if agreement else "top-1 accuracy" if cue == "joint" else f"accuracy of the {cue}",
    )


def _drawable(tried: Tried, setting: Setting) -> bool:
    return tried.estimate is not None and tried.setting.judged == setting.judged


def curves(setting: Setting, rows: Any, cue: str, axis: str) -> list[Curve]:
    """The current criterion's curve over global ratios, and what was measured beforehand beside it: uniform magnitude,
    and the criterion as published where its own curve is a repaired one."""
    plan, own = setting.plan, plan_names.family(setting.plan)
    found = [Curve(own, row_points(rows, cue, axis), reference=own == plan_names.family(UNIFORM))]
    if not found[0].reference and not setting.data:
        other = row_points(cache.precomputed_rows(setting.model, UNIFORM), cue, axis)
        name = plan_names.family(UNIFORM) + (" (zeros)" if plan.granularity == "structure" else "")
        found.insert(0, Curve(name, other, reference=True))
    plain = replace(plan, repair=False)
    if plan.repair and not setting.data and (known := cache.precomputed_rows(setting.model, plain)):
        found.insert(0, Curve(f"{plan_names.family(plain)}, as published", row_points(known, cue, axis), faint=True))
    return found


def recovered(name: str, dense: Mapping[str, int], axis: str) -> list[tuple[Point, Point]]:
    """Before and after of the session's finished recoveries of a model on its own images, as the trade-off figure draws
    them; `dense`: its MACs and params."""
    pairs: list[tuple[Point, Point]] = []
    try:
        known = jobs.trained()
    except PruningError:  # the Recover page says it
        return pairs
    for job in known:
        if job.result is None or job.result["model"] != name or job.request.get("images"):
            continue
        found, share = job.result, kept_count(job.result, axis.lower()) / dense[axis]
        before, after = (
            Point(share, found[key], *found[f"{key}_ci95"], found["n"], label)
            for key, label in (("top1_before", "before training"), ("top1_after", f"{job.title}, trained"))
        )
        pairs.append((before, after))
    return pairs


def row_points(rows: Any, cue: str, axis: str) -> list[Point]:
    """Measured rows on the figure's axes."""
    key = "macs_removed" if axis == "MACs" else "params_removed"
    found = []
    for row in rows:
        estimate = _ESTIMATE.validate_python(row["estimate"])
        found.append(_point(1 - row[key], estimate.cues[cue], f"{100 * row['ratio']:g} % removed"))
    return found


def _point(x: float, share: Proportion, text: str, key: int = -1, smaller: bool = False) -> Point:
    return Point(x, share.value, share.low, share.high, share.n, text, key, smaller)
