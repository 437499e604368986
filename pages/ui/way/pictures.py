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
    parting_chart,
    stage_picture,
    survival_picture,
)
from dimap_core.types import Spread, Way, WayStep

from ..look import theme
from ..session import View, cache, followed, polling
from . import asking, patches, words

_STYLE = """
<style>
.way { container-type: inline-size; }
.way > div { display: grid; gap: 20px 24px; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); }
.way img { width: 100%; max-width: 300px; height: auto; }
.way .answers { display: grid; gap: 14px 24px; grid-column: 1 / -1; order: -1;
  grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); }
.way .answers img { max-width: 240px; }
@container (min-width: 1000px) {
  .way > div { grid-template-columns: repeat(5, 1fr); gap: 16px; }
  .way .answers { display: block; grid-column: auto; order: 0; }
  .way .answers img { display: block; margin-bottom: 14px; }
}
</style>
"""
_SPREAD = TypeAdapter(Spread)
_OLD = 0.45  # opacity of pictures of another cut, until theirs have come


def draw(view: View, way: Way, chosen: int, old: bool) -> None:
    """All pictures; `chosen`: the block shown, -1 for each stage's last, -2 for its first; `old`: others are coming."""
    look, heads = theme.look(), followed.current().heads
    shown = cache.memo("way_pictures", (way, chosen, heads, look), lambda: _pictures(way, chosen, heads, look))
    image, inside = st.columns([1, 5.4], gap="medium")
    with image:
        patches.draw(view.anatomy, way)
    with inside:
        st.html(f'{_STYLE}<div class="way" style="opacity:{_OLD if old else 1}"><div>{shown}</div></div>')
    with st.expander("What the pictures show"):
        st.markdown(_explained(way))
    if old:
        _curves(way, None, "")
    else:
        running = asking.ask_spread(view).running
        polling.polled(_among_others, running)(view, way, running)


def _pictures(way: Way, chosen: int, heads: str, look: Look) -> str:
    """The stages, and what comes out, as HTML."""
    stages = [_stage(way, stage, chosen, heads, look) for stage in dict.fromkeys(step.stage for step in way.steps)]
    answers = [*(answer_picture(way, who, look) for who in ("dense", "pruned")), survival_picture(way, look)]
    inside, out = ("".join(theme.image(drawn, "") for drawn in part) for part in (stages, answers))
    return f'{inside}<div class="answers">{out}</div>'


def _explained(way: Way) -> str:
    rows, columns = way.patches
    windows = any(step.window != step.grid for step in way.steps)
    inside = (
        "only inside a window (blue) do they look at each other, and every second block shifts the windows."
        if windows
        else "every token looks at all others."
    )
    return (
        f"The image is cut into {rows} × {columns} patches; the model keeps a note, a token, on each, and {inside} "
        "A head is one way of looking; energy is how strongly the notes on a place are written.\n\n"
        "Dense and pruned share one scale, from the ground’s colour for zero to full blue for the larger maximum; "
        "attention is drawn by its square root, and each map’s shares add up to 100 %. Framed in orange: the followed "
        "token. Crossed out: heads that say nothing any more."
    )


def _stage(way: Way, stage: int, chosen: int, heads: str, look: Look) -> Picture:
    steps = [step for step in way.steps if step.stage == stage]
    shown = steps[-1 if chosen != -2 else 0]
    if chosen >= 0 and way.steps[chosen].stage == stage:
        shown = way.steps[chosen]
    return stage_picture(steps, shown, f"{way.stage_word.capitalize()} {stage + 1}", look, heads)


def _among_others(view: View, way: Way, polling: bool) -> None:
    """The curves, beside those of other images as soon as these are in."""
    ticket = asking.ask_spread(view)
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
        alt = "Difference between the two models' residual streams after each block, in percent of the dense one"
        told = f"Difference of the pruned model’s notes from the dense model’s after each block, in % of these.{others}"
        theme.chart(parting_chart(way, spread, look), "parting", alt, words.parting_title(way), told)
    with right:
        alt = "Share of the right answer when the dense model takes over after each block"
        answers = " and ".join(f"the {by} {way.name(by)}" if way.cues else way.name(by) for by in way.by)
        told = (
            "The pruned model works up to this block, the dense model does the rest: the share that it still gives "
            f"{answers}. One image, so no interval."
        )
        theme.chart(handing_chart(way, look), "handing", alt, words.handing_title(way), told)
    with st.expander("Show as table"):
        st.dataframe(pd.DataFrame([_line(way, step) for step in way.steps]), hide_index=True)


def _line(way: Way, step: WayStep) -> dict[str, object]:
    line: dict[str, object] = {way.stage_word.capitalize(): step.stage + 1, "Block": step.block + 1}
    line |= {"Difference, %": round(100 * step.difference, 1)}
    return line | {f"{by} {way.name(by)} after handing over, %": round(100 * step.handed[by], 1) for by in way.by}
