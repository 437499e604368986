"""HTML with SVG in it as a part of the page, which Streamlit's own element would take out. No scripts run in it.

Next door: `chart_tools` saves what is marked as `saved` in it.
"""

from __future__ import annotations

import streamlit as st

_COMPONENT = st.components.v2.component(
    "markup",
    html='<div class="markup"></div>',
    js="""export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".markup");
  if (place.content !== data.content) place.innerHTML = place.content = data.content;
}""",
    isolate_styles=False,  # it has the page's font, and what saves a chart finds it
)


def draw(key: str, content: str) -> None:
    """Draw HTML of ours; words of others in it are escaped by whoever wrote it."""
    _COMPONENT(key=key, data={"content": content})
