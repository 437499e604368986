"""The slides on screen: one at a time over the whole window, moved by keys in the browser, printed one a page.

Next door: `slides` makes them, `star` moves the live cut.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ..look import theme
from ..session import state
from .slides import Deck

_KEY = "deck"
_BODY = """
<div class="deck"><h1 class="spoken">Slides</h1><div class="slides"></div>
<nav aria-label="Slides"><button class="back" aria-label="Slide before">‹</button><span class="place"></span>
<button class="on" aria-label="Next slide">›</button><button class="live" aria-label="Live slider, key S">S</button>
<button class="end" aria-label="Leave the slides, key Escape">Esc</button></nav>
<p class="doing"></p>
<label class="slider"><span>Cut of all weights</span><input type="range" min="0" max="98" step="1"><output></output>
</label>
<div class="spoken" aria-live="polite"></div></div>
"""
# The document's own: what a component's style does not reach.
_PAGE = """
<style>
[data-testid=stHeader], [data-testid=stToolbar], [data-testid=stSidebar], #skip, #MainMenu { display: none !important; }
@media print {
  @page { size: 1280px 720px; margin: 0; }
  .block-container { padding: 0 !important; max-width: none !important; zoom: 1 !important; }
  .block-container [data-testid=stElementContainer]:not(.st-key-deck) { display: none !important; }
  [data-testid=stVerticalBlock] { gap: 0 !important; }
}
</style>
"""


def draw(deck: Deck, ratio: float, doing: str = "") -> None:
    """The slides; `ratio` 0..1 is the one that the live slider begins at, `doing` what more waits for."""
    st.html(_PAGE)
    here = Path(__file__)
    css, js = (here.with_suffix(kind).read_text(encoding="utf-8") for kind in (".css", ".js"))
    st.components.v2.component("dimap_deck", html=_BODY, css=css, js=js)(
        key=_KEY, on_at_change=_moved, on_leave_change=_left, on_ratio_change=_cut,
        data={"slides": [slide.sent() for slide in deck.slides], "at": st.session_state.slide, "live": deck.live,
              "frame": deck.frame, "ratio": round(100 * ratio), "dark": theme.look().dark, "doing": doing},
    )  # fmt: skip


def _moved() -> None:
    place = state.heard(_KEY, "at")
    if isinstance(place, int) and 0 <= place < 100:
        st.session_state.update(slide=place, deck_heard=True)


def _left() -> None:
    st.session_state.update(leaving=True, deck_heard=True)


def _cut() -> None:
    percent = state.heard(_KEY, "ratio")
    if isinstance(percent, int) and 0 <= percent <= 98:
        st.session_state.update(live_ratio=percent / 100, deck_heard=True)
