"""A report's pictures: the drawn map of each cut, and the trade-off of each model. SVG but for the one to hover over.

Next door: `curves` has what lies under the cuts, `figures` draws.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ...figures import (
    NARROW,
    WIDE,
    Look,
    Picture,
    Point,
    Tradeoff,
    findings,
    model_picture,
    path_picture,
    told_tradeoff,
)
from ...measure import cost_report, kept_by_band
from .contents import Basis, Report, Reported
from .curves import curves

_ACROSS, _HIGH = 1180, 620  # px of the still trade-off


class Drawn(NamedTuple):
    """The trade-off of a model: its title, which says what was found; whether there are curves; still, and as plotly's
    JSON by theme."""

    title: str
    curves: bool
    still: Picture
    live: dict[str, Any]


def model_map(one: Reported, look: Look, narrow: bool = False) -> Picture:
    """The model as a map, with what the cut keeps of each band."""
    anatomy = one.basis.anatomy
    kept = dict(zip(kept_by_band(anatomy, cost_report(anatomy)), one.told.bands, strict=True))
    return model_picture(anatomy, kept, look, width=NARROW if narrow else WIDE, smaller=one.smaller)


def kept_title(one: Reported) -> str:
    """What the map shows, in a sentence."""
    return findings.kept(one.told.cost.cells, one.basis.anatomy.stage_word)


def trade_off(report: Report, basis: Basis, look: Look) -> Drawn | None:
    """The cuts of a model over what was measured beforehand; None where nothing was judged."""
    estimate, cuts = basis.ground.estimate, report.of(basis)
    if estimate is None:
        return None
    top1, under = estimate.top1, curves(basis, cuts)
    dense = Point(1.0, top1.value, top1.low, top1.high, top1.n, "dense")
    pins = {one.letter: _point(one) for one in cuts}
    names = {one.letter: one.cut.name for one in cuts}
    data = Tradeoff(dense, under, pins=pins, chance=1 / max(len(basis.ground.class_names), 1))
    still, _ = path_picture(data, names, look, _ACROSS, _HIGH)
    live = {
        theme: json.loads(told_tradeoff(data, names, Look(dark=theme == "dark")).to_json())
        for theme in ("light", "dark")
    }
    return Drawn(_title(basis, cuts), bool(under), still, live)


def _title(basis: Basis, cuts: tuple[Reported, ...]) -> str:
    """How little of the MACs is enough so that nothing is lost beyond chance."""
    held = [one for one in cuts if one.drop is not None and one.drop.high >= 0]
    if not held:
        return f"{'Every' if len(cuts) > 1 else 'This'} cut of {basis.model} loses beyond chance"
    least = min(held, key=lambda one: one.total.macs_after)
    kept = findings.percent(least.total.macs_after / least.total.macs)
    return f"{least.letter} goes farthest without a loss beyond chance: {kept} of the MACs kept"


def _point(one: Reported) -> Point:
    assert one.told.estimate is not None
    total, top1 = one.total, one.told.estimate.top1
    kept = total.macs_after / total.macs
    return Point(kept, top1.value, top1.low, top1.high, top1.n, one.cut.name, smaller=one.smaller)


def own_names(svg: str, key: str) -> str:
    """The picture with names of its own for its patterns: several stand in one page."""
    renamed = re.sub(r'<pattern id="([^"]+)"', rf'<pattern id="{key}-\1"', svg)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", renamed)
