"""The pictures of an image's way, in rows that fold on narrow screens: answers, stages, curves. All can be saved."""

from __future__ import annotations

from pathlib import Path

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
from dimap_core.types import Spread, Way

from ..look import chart_tools, formats, theme
from ..session import View, cache, followed, polling
from . import asking, patches, words

_HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "way_pictures",
    html='<div class="drawn saved"></div>',
    css=(_HERE / "pictures.css").read_text(encoding="utf-8"),
    js=(_HERE / "pictures.js").read_text(encoding="utf-8"),
    isolate_styles=False,  # so that what saves a chart finds the pictures
)
_SPREAD = TypeAdapter(Spread)
_KEY = "way_pictures"


def draw(view: View, way: Way, chosen: int, old: bool) -> None:
    """All pictures; `chosen`: the block shown, -1 for each stage's last, -2 for its first; `old`: others are coming."""
    look, heads = theme.look(), followed.current().heads
    shown = cache.memo("way_pictures", (way, chosen, heads, look), lambda: _pictures(way, chosen, heads, look))
    with st.container(key=_KEY, gap=None):
        image, inside = st.columns([1, 5.4], gap="medium")
        with image:
            patches.draw(view.anatomy, way)
        with inside:
            _COMPONENT(key="way_drawn", data={**shown, "old": old})
        told = {"title": formats.unmarked(words.headline(way)), "note": formats.unmarked(words.details(way))}
        chart_tools.draw(_KEY, {**told, "large": False, "walk": False}, _table(way), look.dark)
    with st.expander("What the pictures show"):
        st.markdown(_explained(way))
    if old:
        _curves(way, None, "")
    else:
        running = asking.ask_spread(view).running
        polling.polled(_among_others, running)(view, way, running)


def _pictures(way: Way, chosen: int, heads: str, look: Look) -> dict[str, list[str]]:
    """The stages, and what comes out, as SVG."""
    stages = [_stage(way, stage, chosen, heads, look) for stage in dict.fromkeys(step.stage for step in way.steps)]
    answers = [*(answer_picture(way, who, look) for who in ("dense", "pruned")), survival_picture(way, look)]
    return {"stages": [drawn.svg for drawn in stages], "answers": [drawn.svg for drawn in answers]}


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
    look, table = theme.look(), _table(way)
    left, right = st.columns(2, gap="medium")
    with left:
        alt = "Difference between the two models' residual streams after each block, in percent of the dense one"
        told = f"Difference of the pruned model’s notes from the dense model’s after each block, in % of these.{others}"
        theme.chart(parting_chart(way, spread, look), "parting", alt, words.parting_title(way), told, table)
    with right:
        alt = "Share of the right answer when the dense model takes over after each block"
        answers = " and ".join(f"the {by} {way.name(by)}" if way.cues else way.name(by) for by in way.by)
        told = (
            "The pruned model works up to this block, the dense model does the rest: the share that it still gives "
            f"{answers}. One image, so no interval."
        )
        theme.chart(handing_chart(way, look), "handing", alt, words.handing_title(way), told, table)


def _table(way: Way) -> chart_tools.Table:
    """Block by block: how far the two are apart, and what the dense model still makes of it."""
    columns: dict[str, list[object]] = {
        way.stage_word: [step.stage + 1 for step in way.steps],
        "block": [step.block + 1 for step in way.steps],
        "difference, %": [round(100 * step.difference, 1) for step in way.steps],
    }
    handed = {f"{by} {way.name(by)} after handing over, %": by for by in way.by}
    return columns | {name: [round(100 * step.handed[by], 1) for step in way.steps] for name, by in handed.items()}
