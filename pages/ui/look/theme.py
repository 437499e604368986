"""Looks that Streamlit's theme cannot say, and the figures' Look for the reader's theme."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dimap_core.figures import Look, Picture

CSS = """
<style>
.block-container { padding-top: 4rem; padding-bottom: 2rem; max-width: 1720px; }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p { opacity: 1; }
[data-testid="stMetricValue"] { font-variant-numeric: tabular-nums; }
.st-key-gallery [data-testid="stElementToolbar"] { display: none; }
.st-key-way_words { min-height: 3.4rem; }
.st-key-gallery img, .st-key-picked_image img { image-rendering: pixelated; }
[data-testid="stBaseButton-primary"] { background-color: #0067A3; border-color: #0067A3; }
[class*="st-key-result_"] [data-testid="stMetricValue"] { font-size: 1.5rem; }
[class*="st-key-result_"] > div {
  flex: 1 1 calc(50% - 0.5rem) !important; min-width: 0 !important; width: auto !important;
}
[class*="st-key-result_"] [data-testid="stMetric"] { padding: 0.6rem 0.7rem; }
.model-map { container-type: inline-size; }
.model-map img { display: none; width: 100%; height: auto; }
.model-map .rows { max-width: 460px; }
@container (min-width: 900px) { .model-map .wide { display: block; max-width: 1120px; } }
@container (min-width: 700px) and (max-width: 899.9px) { .model-map .medium { display: block; } }
@container (max-width: 699.9px) { .model-map .rows { display: block; } }
@media (max-width: 640px) {
  .st-key-metrics > div {
    flex: 1 1 calc(50% - 0.5rem) !important; min-width: 0 !important; width: auto !important;
  }
  .st-key-gallery > div { flex: 1 1 calc(50% - 0.5rem) !important; }
  .st-key-gallery > div > div { width: 100% !important; }
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
    """Add the page-wide CSS and what keys do in text fields; captions, faded by default, get a colour that stands out
    enough from the background."""
    st.html(CSS + f'<style>[data-testid="stCaptionContainer"] p {{ color: {look().muted}; }}</style>')
    st.html(KEYS, unsafe_allow_javascript=True)


def look() -> Look:
    """How figures are drawn for this reader."""
    return Look(dark=st.context.theme.type == "dark")


def chart(figure: go.Figure, key: str, alt: str, **more: Any) -> Any:
    """Draw a figure of ours: our own colours, no mode bar, an accessible name."""
    config = {"displayModeBar": False, "displaylogo": False}
    return st.plotly_chart(figure, key=key, alt=alt, theme=None, config=config, **more)


def image(picture: Picture, attributes: str) -> str:
    """A drawn picture as an HTML image with its words: as part of a page Streamlit would take SVG out."""
    content = base64.b64encode(picture.svg.encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{content}" alt="{escape(picture.told)}" {attributes}>'
