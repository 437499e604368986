"""The pictures of an image's way, in rows that fold on narrow screens: answers, stages, curves with their table."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from pydantic import TypeAdapter

from dimap_core.figures import (
    Look,
    Picture,
    answer_picture,
    handing_chart,
    image_picture,
    parting_chart,
    stage_picture,
    survival_picture,
)
from dimap_core.types import Spread, Way, WayStep

from ..look import TERMS, theme
from ..session import View, cache, polling
from . import choosing

_GRID = "display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:20px 24px"
_FITTED = 'style="width:100%;max-width:300px;height:auto"'
_SPREAD = TypeAdapter(Spread)
_OLD = 0.45  # opacity of pictures of another cut, until theirs have come


def draw(view: View, way: Way, chosen: int, old: bool) -> None:
    """All pictures; `chosen`: the block shown, -1 for each stage's last, -2 for its first; `old`: others are coming."""
    look = theme.look()
    answers, stages = cache.memo("way_pictures", (way, chosen, look), lambda: _pictures(way, chosen, look))
    _row(answers, old)
    st.subheader("What happens inside", anchor=False, help=f"{TERMS['windows']} {TERMS['attention']} {TERMS['energy']}")
    st.caption(_explained(way))
    _row(stages, old)
    st.caption(
        "Dense and pruned share one scale, from the ground’s colour for zero to full blue for the larger maximum; "
        "attention is drawn by its square root, and each head’s adds up to 100 %. Framed: the followed token. Crossed "
        "out: heads that say nothing."
    )
    if old:
        _curves(way, None, "")
    else:
        running = choosing.ask_spread(view).running
        polling.polled(_among_others, running)(view, way, running)


def _pictures(way: Way, chosen: int, look: Look) -> tuple[str, str]:
    """What goes in and comes out, and the stages, as HTML."""
    answers = [answer_picture(way, who, look) for who in ("dense", "pruned")]
    stages = [_stage(way, stage, chosen, look) for stage in dict.fromkeys(step.stage for step in way.steps)]
    first = [image_picture(way, look), *answers, survival_picture(way, look)]
    answers_shown, stages_shown = ("".join(theme.image(drawn, _FITTED) for drawn in part) for part in (first, stages))
    return answers_shown, stages_shown


def _row(pictures: str, old: bool) -> None:
    st.html(f'<div style="{_GRID};opacity:{_OLD if old else 1}">{pictures}</div>')


def _explained(way: Way) -> str:
    rows, columns = way.patches
    windows = any(step.window != step.grid for step in way.steps)
    inside = (
        "only inside a window (blue) do they look at each other, and every second block shifts the windows."
        if windows
        else "every token looks at all others."
    )
    return (
        f"The image is cut into {rows} × {columns} patches; the model keeps a note, a token, on each, and {inside} A "
        "head is one way of looking; energy is how strongly the notes on a place are written."
    )


def _stage(way: Way, stage: int, chosen: int, look: Look) -> Picture:
    steps = [step for step in way.steps if step.stage == stage]
    shown = steps[-1 if chosen != -2 else 0]
    if chosen >= 0 and way.steps[chosen].stage == stage:
        shown = way.steps[chosen]
    return stage_picture(steps, shown, f"{way.stage_word.capitalize()} {stage + 1}", look)


def _among_others(view: View, way: Way, polling: bool) -> None:
    """The curves, beside those of other images as soon as these are in."""
    ticket = choosing.ask_spread(view)
    if polling and not ticket.running:
        st.rerun()
    spread = _SPREAD.validate_python(ticket.last) if ticket.last and "middle" in ticket.last else None
    band = f"; band: eight of ten of {spread.images} images, dashed their median" if spread else ""
    _curves(way, spread, f" Line: this one image{'; others follow' if ticket.running else band}.")


def _curves(way: Way, spread: Spread | None, others: str) -> None:
    """Where the two part and where the answer gets lost, over the blocks; `others`: what is said of other images."""
    look = theme.look()
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Where the two part", anchor=False, help=TERMS["apart"])
        alt = "Difference between the two models' residual streams after each block, in percent of the dense one"
        theme.chart(parting_chart(way, spread, look), "parting", alt)
        st.caption(
            f"Difference of the pruned model’s notes from the dense model’s after each block, in % of these.{others}"
        )
    with right:
        st.subheader("Where the answer gets lost", anchor=False, help=TERMS["handing"])
        alt = "Share of the right answer when the dense model takes over after each block"
        theme.chart(handing_chart(way, look), "handing", alt)
        st.caption(
            "The pruned model works up to this block, the dense model does the rest: the share that it still gives "
            + " and ".join(f"the {by} {way.name(by)}" if way.cues else way.name(by) for by in way.by)
            + ". One image, so no interval."
        )
    with st.expander("Show as table"):
        st.dataframe(pd.DataFrame([_line(way, step) for step in way.steps]), hide_index=True)


def _line(way: Way, step: WayStep) -> dict[str, object]:
    line: dict[str, object] = {way.stage_word.capitalize(): step.stage + 1, "Block": step.block + 1}
    line |= {"Difference, %": round(100 * step.difference, 1)}
    return line | {f"{by} {way.name(by)} after handing over, %": round(100 * step.handed[by], 1) for by in way.by}
