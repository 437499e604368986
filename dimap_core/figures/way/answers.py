"""What two models answer to one image, and after which block they part.

Next door: `stages` draws what happens inside the blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from ...types import Spread, Way, WayStep, answer
from ..look import Look, base, rgba
from .svg import WIDTH, Picture, bar, box, cells, frame, picture, text

_LINE = 9  # % between two words at the ends of lines
_LONGEST, _SAID = 30, 18  # letters of a class, in a line of its own and in the answer
_END = 7  # letters that fit behind a line
_BARS = 4  # answers that are listed where classes have no cues


def answer_picture(way: Way, who: str, look: Look) -> Picture:
    """What one model ("dense" or "pruned") says: the shares of all classes by their two cues, or the largest ones."""
    shares = way.dense if who == "dense" else way.pruned
    said = answer(shares)
    color = look.ink if said == way.wanted else look.cut_text
    names = [*way.cues]
    square = len(names) == 2 and math.prod(len(way.cue_names[cue]) for cue in names) == len(way.classes)
    body, height = _by_cues(way, shares, look) if square else _by_class(way, shares, look)
    body = text(0, 15, who.capitalize(), look.ink, 15, 700) + body
    name, sure = way.classes[said], f"{100 * shares[said]:.0f} %"
    short = name if len(name) <= _SAID else f"{name[: _SAID - 1]}…"
    body += text(0, height + 18, f"says {short}, {sure}", color, 14, 700)
    right = "" if way.label is None else ", right" if said == way.label else ", wrong"
    return picture(body, WIDTH, height + 26, f"The {who} model says {name}, {sure}{right}")


def _by_cues(way: Way, shares: Sequence[float], look: Look) -> tuple[str, float]:
    """A square for each class: values of the first cue across, of the second one down."""
    across, down = way.cues
    left, top, unit = 62, 40, 14.8
    body = "".join(text(left + unit * (k + 0.5), 34, name[:2], look.muted, 12, 400, "middle")
                   for k, name in enumerate(way.cue_names[across]))  # fmt: skip
    for row, name in enumerate(way.cue_names[down]):
        body += text(left - 6, top + unit * (row + 0.72), name[:9], look.muted, 12, 400, "end")
    columns, rows = (len(way.cue_names[cue]) for cue in (across, down))
    table = [0.0] * len(shares)
    for share, column, row in zip(shares, way.cues[across], way.cues[down], strict=True):
        table[row * columns + column] = share
    wide, high = unit * columns, unit * rows
    body += box(left, top, wide, high, look.shade)
    body += cells(table, columns, (left, top, unit), 1.0, look)
    lines = [f"M{left + unit * k:.2f} {top}v{high:.2f}" for k in range(1, columns)]
    lines += [f"M{left} {top + unit * k:.2f}h{wide:.2f}" for k in range(1, rows)]
    body += f'<path d="{"".join(lines)}" stroke="{look.surface}" fill="none"/>'
    column, row = way.cues[across][way.wanted], way.cues[down][way.wanted]
    return body + frame(left + column * unit, top + row * unit, unit, unit, look.cut, 2), top + high


def _by_class(way: Way, shares: Sequence[float], look: Look) -> tuple[str, float]:
    """A bar for each of the largest shares, the wanted class always among them."""
    best = sorted(range(len(shares)), key=lambda place: -shares[place])[:_BARS]
    best = best if way.wanted in best else [*best[:-1], way.wanted]
    long = any(len(way.classes[place]) > 9 for place in best)  # then names have lines of their own
    body, height = "", 42 if long else 22
    for row, place in enumerate(best):
        color = look.cut if place == way.wanted else look.muted
        top, name = 30 + height * row, way.classes[place]
        body += text(0, top + 11, name[:_LONGEST], look.muted) if long else ""
        body += bar(top + (18 if long else 0), "" if long else name, shares[place], color, look)
    return body, 30 + height * len(best)


def survival_picture(way: Way, look: Look) -> Picture:
    """What each model gives the wanted class, or its value of each cue."""
    body, top = text(0, 15, "What survives", look.ink, 15, 700), 38.0
    told = []
    for by in way.by:
        body += text(0, top, f"{by}: {way.name(by)}"[:_LONGEST], look.ink, 13, 700)
        for who, color in (("dense", look.ink), ("pruned", look.cut)):
            share = way.share(way.dense if who == "dense" else way.pruned, by)
            body += bar(top + 8, who, share, color, look)
            told.append(f"{by} {way.name(by)}, {who}: {100 * share:.0f} %")
            top += 22
        top += 28
    return picture(body, WIDTH, top - 18, "What survives: " + "; ".join(told))


def parting_chart(way: Way, spread: Spread | None, look: Look) -> go.Figure:
    """How far apart the two residual streams are after each block, in % of the dense one; `spread`: those of many
    images."""
    found = [0.0, *(100 * step.difference for step in way.steps)]  # what enters the blocks is never cut
    figure = _by_block(way, look, max(105.0, 1.1 * max(found)))
    if spread is not None:
        _band(figure, spread, look)
    figure.add_scatter(
        x=list(range(len(found))), y=found, mode="lines+markers", marker={"size": 8},
        line={"color": look.cut, "width": 2.5},
        customdata=["start", *(_name(way, step) for step in way.steps)],
        hovertemplate="%{customdata}: %{y:.1f} %<extra></extra>",
    )  # fmt: skip
    _told(figure, len(way.steps), found[-1], f"<b>{found[-1]:.0f} %</b>", look.cut_text)
    return figure


def _band(figure: go.Figure, spread: Spread, look: Look) -> None:
    """Many images: their middle dashed, eight of ten in the band."""
    low, middle, high = ([0.0, *(100 * value for value in part)] for part in (spread.low, spread.middle, spread.high))
    places = list(range(len(low)))
    figure.add_scatter(
        x=[*places, *reversed(places)], y=[*low, *reversed(high)], fill="toself", mode="lines", line={"width": 0},
        fillcolor=rgba(look.muted, 0.22), hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=places, y=middle, mode="lines", line={"color": look.muted, "width": 1.5, "dash": "dash"}, hoverinfo="skip"
    )
    for shift, words, color in (
        (0, f"{spread.images} images: median, 10 to 90 %", look.muted), (-18, "<b>this image</b>", look.cut_text),
    ):  # fmt: skip
        figure.add_annotation(
            x=0.02, xref="paper", y=0.97, yref="paper", xanchor="left", yanchor="top", yshift=shift, text=words,
            showarrow=False, font={"color": color}, bgcolor=look.surface,
        )  # fmt: skip


def handing_chart(way: Way, look: Look) -> go.Figure:
    """What the dense model would give the wanted answer (its value of each cue) if it took over after each block; on
    the left its own answer, on the right the pruned model's."""
    figure = _by_block(way, look, 105.0)
    ends = []
    for by, color, dash, symbol in zip(
        way.by, (look.cut, look.muted), ("solid", "dash"), ("circle", "square"), strict=False
    ):
        found = [100 * way.share(way.dense, by), *(100 * step.handed[by] for step in way.steps)]
        figure.add_scatter(
            x=list(range(len(found))), y=found, mode="lines+markers", marker={"size": 8, "symbol": symbol},
            line={"color": color, "width": 2.5, "dash": dash},
            customdata=["dense alone", *(_name(way, step) for step in way.steps)],
            hovertemplate=f"{by} {way.name(by)}, %{{customdata}}: %{{y:.0f}} %<extra></extra>",
        )  # fmt: skip
        told = by if way.cues else way.name(by)[:_END]
        ends.append((found[-1], told, look.cut_text if dash == "solid" else look.muted))
    above = math.inf
    for value, told, color in sorted(ends, reverse=True):
        above = min(value, above - _LINE)
        _told(figure, len(way.steps), above, f"<b>{told}</b>", color)
    return figure


def _by_block(way: Way, look: Look, top: float) -> go.Figure:
    """An empty figure over the blocks, stages parted and named."""
    figure = base(look, 270)
    stages, word = [step.stage for step in way.steps], way.stage_word.split()[-1]
    for stage in dict.fromkeys(stages):
        first = stages.index(stage) + 1
        last = first + stages.count(stage) - 1
        if stage:
            figure.add_vline(x=first - 0.5, line={"color": look.grid, "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=(first + last) / 2, y=1, yref="paper", yanchor="bottom", showarrow=False, text=f"{word} {stage + 1}",
            font={"color": look.muted, "size": look.size},
        )  # fmt: skip
    shown = range(1, len(stages) + 1) if len(stages) <= 12 else range(1, len(stages) + 1, 3)
    figure.update_xaxes(
        range=[-0.3, len(stages) + 0.3], showgrid=False, tickvals=[0, *shown],
        ticktext=["start", *(str(way.steps[place - 1].block + 1) for place in shown)], title_text="block",
    )  # fmt: skip
    figure.update_yaxes(range=[-4, top], ticksuffix=" %", nticks=6)
    figure.update_layout(margin={"t": 26, "r": 60})
    return figure


def _name(way: Way, step: WayStep) -> str:
    return f"{way.stage_word} {step.stage + 1}, block {step.block + 1}"


def _told(figure: go.Figure, x: float, y: float, told: str, color: str) -> None:
    """Words behind the end of a line."""
    figure.add_annotation(
        x=x, y=y, text=told, showarrow=False, xanchor="left", xshift=10, font={"color": color},
    )  # fmt: skip
