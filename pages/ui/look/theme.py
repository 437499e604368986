"""Looks that Streamlit's theme cannot say, and the figures' Look for the reader's theme."""

from __future__ import annotations

from html import escape
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dimap_core.figures import INK, Look

from . import chart_tools

CSS = """
<style>
.block-container { padding-top: 4rem; padding-bottom: 2rem; max-width: 1720px; }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p { opacity: 1; }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; }
.st-key-gallery [data-testid="stElementToolbar"] { display: none; }
.st-key-gallery { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); }
.st-key-gallery > div, .st-key-gallery > div > div { width: auto !important; }
.st-key-gallery [data-testid="stElementContainer"]:has(img) { max-width: 120px; }
@media print {
  @page { size: A4 landscape; margin: 10mm; }
  [data-testid=stHeader], [data-testid=stToolbar], [data-testid=stSidebar], [data-testid=stStatusWidget], #skip {
    display: none !important;
  }
  /* The app scrolls within the window; a printed page holds all of it, charts as wide as they are on screen. */
  html, body, #root, .stApp, [data-testid=stAppViewContainer], [data-testid=stMain] {
    position: static !important; height: auto !important; overflow: visible !important; display: block !important;
  }
  .block-container { padding: 0 !important; zoom: 0.68; }
  [class*="st-key-figure_"], [data-testid=stPlotlyChart], [data-testid=stDataFrame], [data-testid=stHorizontalBlock],
  svg { break-inside: avoid; }
}
@media (max-width: 1100px) { .st-key-gallery { grid-template-columns: repeat(4, minmax(0, 1fr)); } }
.st-key-way_words { min-height: 3.4rem; }
.st-key-present kbd { display: none; }
.st-key-part_row { min-height: 4.5rem; }
.st-key-gallery img, .st-key-picked_image img { image-rendering: var(--pixels); }
[data-testid="stTopNavLink"]:focus-visible { outline: 2px solid #0067A3; outline-offset: 1px; }
[data-testid="stBaseButton-primary"] { background-color: #0067A3; border-color: #0067A3; }
.figure-title { font-size: 1rem; font-weight: 600; line-height: 1.35; margin: 0 0 0.25rem; text-wrap: balance; }
[class*="st-key-figure_"] [data-testid="stCaptionContainer"] { margin-top: 0.25rem; }
[class*="st-key-result_"] [data-testid="stMetricValue"] { font-size: 1.5rem; }
@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { animation-duration: 0.01ms !important; animation-iteration-count: 1 !important;
    transition-duration: 0.01ms !important; scroll-behavior: auto !important; }
}
[class*="st-key-result_"] > div {
  flex: 1 1 calc(50% - 0.5rem) !important; min-width: 0 !important; width: auto !important;
}
[class*="st-key-result_"] [data-testid="stMetric"] { padding: 0.6rem 0.7rem; }
@media (max-width: 640px) {
  .st-key-metrics > div {
    flex: 1 1 calc(50% - 0.5rem) !important; min-width: 0 !important; width: auto !important;
  }
  .st-key-gallery { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .st-key-metrics [data-testid="stMetric"] { padding: 0.5rem 0.6rem; }
  .st-key-metrics [data-testid="stMetricValue"] { font-size: 1.4rem; }
  .st-key-metrics [data-testid="stMetricDelta"], .st-key-metrics [data-testid="stMetricDelta"] *,
  [class*="st-key-result_"] [data-testid="stMetricDelta"], [class*="st-key-result_"] [data-testid="stMetricDelta"] * {
    white-space: normal; overflow: visible; height: auto; max-height: none; line-height: 1.3;
  }
}
</style>
"""

# Streamlit's shortcuts with Ctrl work in text fields too; there Ctrl+Z is the browser's, which undoes the typing.
KEYS = """
<script>
if (!window.ownUndo) {
  window.ownUndo = true;
  window.addEventListener("keydown", (event) => {
    const field = event.target.closest?.("textarea, [contenteditable=true], input:not([type=range], [type=checkbox], "
      + "[type=radio], [type=file], [type=button])");
    if (field && (event.ctrlKey || event.metaKey) && "zy".includes(event.key.toLowerCase())) {
      event.stopImmediatePropagation();
    }
  }, true);
}
</script>
"""


def style() -> None:
    """Add the page-wide CSS with the figures' inks, and what keys do in text fields; captions, faded by default, get a
    colour that stands out enough from the background."""
    inks = " ".join(f"--{name}: {pair[look().dark]};" for name, pair in INK.items())
    st.html(f'{CSS}<style>:root {{ {inks} }} [data-testid="stCaptionContainer"] p {{ color: var(--muted); }}</style>')
    st.html(KEYS, unsafe_allow_javascript=True)


def pixels(drawn: bool) -> None:
    """How small images are enlarged everywhere: `drawn` ones in blocks, photographs smoothly."""
    st.html(f"<style>:root {{ --pixels: {'pixelated' if drawn else 'auto'}; }}</style>")


def look() -> Look:
    """How figures are drawn for this reader."""
    return Look(dark=st.context.theme.type == "dark")


def chart(
    figure: go.Figure,
    key: str,
    alt: str,
    title: str = "",
    note: str = "",
    table: chart_tools.Table | None = None,
    **more: Any,
) -> Any:
    """Draw a figure of ours under `title`, the finding in a sentence, and over `note`, what has to be known of it, with
    the row that saves it and makes it large. `alt`: what is drawn; `table`: its numbers, where its points do not tell
    them; `more` goes to streamlit."""
    config = {"displayModeBar": False, "displaylogo": False}
    whole = not figure.layout.dragmode  # or it is an enlarged one already
    told = {
        "title": title or alt, "note": note, "large": whole,
        "walk": any(map(chart_tools.walkable, figure.data)),
    }  # fmt: skip
    spoken = f"{title.removesuffix('.')}. {alt}" if title else alt
    with st.container(key=f"figure_{key}", gap=None):
        if title:
            st.html(f'<p class="figure-title">{escape(title)}</p>')
        drawn = st.plotly_chart(figure, key=key, alt=spoken, theme=None, config=config, **more)
        if chart_tools.draw(key, told, table, look().dark) and whole:
            chart_tools.enlarge(figure, told["title"], spoken)
        if note:
            st.caption(note)
    return drawn
