"""Both cuts in numbers, and between them what each keeps, mirrored. Next door: `differences`, what is beyond chance."""

from __future__ import annotations

from html import escape

import streamlit as st

from dimap_core.figures import COLUMN_LABELS, Half, mirrored_picture
from dimap_core.types import PRUNABLE_MODULES, AccuracyEstimate

from ..look import chart_tools, formats, markup, plan_names, theme
from . import timed
from .choosing import Side
from .standing import Standing, models

_KEY = "compare_panel"
_WIDTHS = {"wide": 600, "narrow": 340}  # px that words are made for
_LONG = 24  # letters of a name from which it is set in smaller ones
_TIMES = {
    "structure": ("Time to be measured", "really smaller"),
    "weight": ("Time as before", "zeros are not faster"),
    "nm": ("Time as before", "a pattern is not faster here"),
}


def draw(first: Standing, second: Standing) -> None:
    """The panel, with what saves its picture."""
    with st.container(key=_KEY, gap=None):
        picture = _picture(first, second)
        names = models(first, second)
        sides = [
            _side(one, place, names[one.side] if len({*names.values()}) > 1 else "")
            for one, place in ((first, "first"), (second, "second"))
        ]
        markup.draw("compare_sides", f'<div class="versus">{picture.join(sides)}</div>')
        if first.told and second.told:
            both = f"{first.side.called} and {second.side.called}"
            note = "Of the weights that can go; from the middle outwards what is kept, dashed what is gone."
            title = f"Weights kept by {both}, stage by stage"
            told = {"title": title, "note": note, "large": False, "walk": False}
            chart_tools.draw(_KEY, told, _table(first, second), theme.look().dark)


def _picture(first: Standing, second: Standing) -> str:
    """The mirrored bars, for wide and for narrow screens; their empty place while something is on its way."""
    if not (first.told and second.told):
        return '<div class="middle waiting"></div>'
    halves = [Half(one.side.called, one.told.cost.cells) for one in (first, second) if one.told]
    words = {one.ground.anatomy.stage_word for one in (first, second) if one.ground}
    word = words.pop() if len(words) == 1 else "part"
    drawn = "".join(
        f'<div class="{name}">{mirrored_picture(*halves, word, theme.look(), width).svg}</div>'
        for name, width in _WIDTHS.items()
    )
    return f'<div class="saved middle"><h3>Weights kept, {escape(word)} by {escape(word)}</h3>{drawn}</div>'


def _side(one: Standing, place: str, model: str) -> str:
    """A cut in words and numbers; `model`: what it is one of, where the other one's is another."""
    side = one.side
    force, long = " force" if side.in_force else "", ' class="long"' if len(side.name) > _LONG else ""
    name = f'<span class="mark{force}" aria-hidden="true">{escape(side.mark)}</span><h2{long}>{escape(side.name)}</h2>'
    said = ": ".join(filter(None, (model, side.note or _plan(side))))
    body = f'<div class="name">{name}</div><p class="said">{escape(said)}</p>'
    if one.error:
        body += f'<p role="alert">{escape(one.error)}</p>'
    elif one.told is None:
        body += f'<p class="doing">{escape(one.doing or "Judging")} …</p>'
    else:
        body += (
            _accuracy(one.told.estimate, one.ground.images if one.ground else None)
            + _costs(one)
            + _cues(one.told.estimate)
        )
    label = f"{side.label}, in force" if side.in_force else side.label
    return f'<section class="side {place}" aria-label="{escape(label)}">{body}</section>'


def _plan(side: Side) -> str:
    """The plan in words, unless that is what the cut is called."""
    said = plan_names.label(side.kept.cut.plan) if side.kept else ""
    return "" if said[: len(side.name)] == side.name else said


def _accuracy(estimate: AccuracyEstimate | None, images: str | None) -> str:
    if estimate is None:
        return '<p class="big">–</p><p class="below">not judged</p>'
    top1 = estimate.top1
    between = f"{100 * top1.low:.1f} to {100 * top1.high:.1f}, n\u00a0=\u00a0{top1.n:,}"
    return f'<p class="big">{formats.share(top1.value)}</p><p class="below">{formats.right(images)}; {between}</p>'


def _costs(one: Standing) -> str:
    """MACs, weights and time, each against the dense model."""
    assert one.told is not None
    total = one.told.total
    kept = one.side.kept
    known = _TIMES[kept.cut.plan.granularity] if kept else ("All of its time", "100 % of dense")
    lines = (
        (f"{_count(total.macs_after)} MACs", f"{100 * total.macs_after / total.macs:.0f} % of dense"),
        (f"{_count(total.params_after)} weights", f"{100 * total.params_after / total.params:.0f} % of dense"),
        timed.line(one) or known,
    )
    return "<dl>" + "".join(f"<div><dt>{value}</dt><dd>{beside}</dd></div>" for value, beside in lines) + "</dl>"


def _count(value: int) -> str:
    """With three digits, as they stand beside those of the other cut: 8.00 M beside 9.05 M."""
    number, _, unit = formats.count(value).partition(" ")
    return f"{float(number):#.3g}".rstrip(".") + f" {unit}" if unit else number


def _cues(estimate: AccuracyEstimate | None) -> str:
    cues = {cue: found for cue, found in estimate.cues.items() if cue != "joint"} if estimate else {}
    lines = "".join(
        f"<div><dt>{cue} right</dt><dd>{formats.share(found.value)}</dd></div>" for cue, found in cues.items()
    )
    return f'<dl class="cues">{lines}</dl>' if lines else ""


def _table(first: Standing, second: Standing) -> chart_tools.Table:
    """Stage by stage and module by module what both keep, in % of the weights that can go."""
    cells = [one.told.cost.cells for one in (first, second) if one.told]
    keys = [
        (stage, module)
        for stage in sorted({stage for found in cells for stage, _ in found if stage is not None})
        for module in PRUNABLE_MODULES
        if any((stage, module) in found for found in cells)
    ]
    columns: dict[str, list[object]] = {
        "stage": [stage + 1 for stage, _ in keys],
        "module": [COLUMN_LABELS[module] for _, module in keys],
    }
    for one, found in zip((first, second), cells, strict=True):
        kept = [f"{100 * (1 - found[key].ratio):.1f}" if key in found else "–" for key in keys]
        columns[f"{one.side.called} keeps, %"] = [*kept]
    return columns
