"""One threshold over all weights: the ridges of the stages, and the one slider that moves it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from dimap_core.figures import thresholds
from dimap_core.studies import summaries

from ..look import formats, theme
from ..session import View, state
from . import pictures, words


def draw(view: View, locked: bool) -> None:
    """The picture with its slider; `locked`: the slider waits for the guess."""
    rows = summaries.stage_rows(view.anatomy, view.weights, view.scores, view.selection)
    rows = [replace(row, label=words.word("stage", number=place)) for place, row in enumerate(rows, start=1)]
    notes = [
        words.word("used", count=formats.count(int(row.counts.sum())), uses=_used(view, place))
        for place, row in enumerate(rows)
    ]
    names = words.word("gone"), words.word("threshold")
    plan = state.current().plan
    whole = plan.scope == "model" and view.scores.by_magnitude and view.selection.ratio > 0
    line = float(np.log10(max(max(row.thresholds, default=0.0) for row in rows))) if whole else None
    pictures.draw(lambda width: thresholds(rows, notes, width, theme.look(), line, names))
    st.slider(
        words.word("smallest"), 0, 98, round(100 * (plan.ratio or 0)), 1, key="lesson_ratio",
        on_change=_moved, disabled=locked, format="%d %%",
    )  # fmt: skip


def _moved() -> None:
    plan = state.current().plan
    state.go(replace(state.current(), plan=replace(plan, ratio=st.session_state.lesson_ratio / 100)))


def _used(view: View, stage: int) -> str:
    """How often each weight of a stage is used for one image: its tokens."""
    layers = [layer for layer in view.anatomy.prunable if layer.stage == stage]
    return f"{round(sum(layer.macs for layer in layers) / sum(layer.size for layer in layers)):,}"
