"""How often a cut still gets each cue right: the digit, seen as a whole, and the texture, seen in any small part.

Next door: `live.streaming` brings the estimate.
"""

from __future__ import annotations

import streamlit as st

from dimap_core.figures import Interval
from dimap_core.types import AccuracyEstimate

from ..look import formats
from ..session import cache, state
from . import pictures, words

_CUES = "texture", "digit"


def draw(estimate: AccuracyEstimate) -> None:
    """A row a cue, with what the dense model gets right as a stroke."""
    rows = []
    for cue in _CUES:
        share, drop = estimate.cues[cue], estimate.drops.get(cue)
        dense = None if drop is None else share.value - drop.value
        n = words.word("versus_images" if estimate.done else "versus_so_far", n=f"{estimate.n:,}")
        rows.append(Interval(words.word(f"cue_{cue}"), share.value, share.low, share.high, n, dense))
    pictures.rows(rows, formats.share, within=(0, 1), beside=True)
    chance = cache.cards()[state.current().model]["chance"]
    st.caption(words.word("cue_note", **{cue: f"{100 * chance[cue]:.0f} %" for cue in _CUES}))
