"""A cut on the small map, still: what is measured, before there is a number of it.

Next door: `live_map` in `parts` draws it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from dimap_core.measure import cost_report
from dimap_core.types import PruningPlan

from ..parts import live_map, waiting
from ..session import View, cache, lesson, opened, opening, state


def draw(view: View, plans: Mapping[str, PruningPlan]) -> None:
    """What each of these plans leaves of the view's model, beside each other under their names; a block can be
    clicked."""
    for place, (column, (name, plan)) in enumerate(zip(st.columns(len(plans)), plans.items(), strict=True)):
        setting = replace(state.current(), plan=plan)
        ranked = opening.folder(setting)
        if ranked is None:  # nobody has asked for a cut of that kind before
            with column:
                waiting.wait_for(other=setting)
            continue
        scores = cache.scores(ranked, plan.criterion, plan.seed, plan.scored, plan.images)
        selection, _ = opened.attempt(plan, scores, view.anatomy)
        if selection is None:
            continue
        own = replace(view, scores=scores, selection=selection, cost=cost_report(view.anatomy, selection))
        data = {**live_map.data(own, plan, low=True), "cut": live_map.cut(own, plan), "words": lesson.drawn_words()}
        key = f"lesson_cut_{place}"
        with column:
            if name:
                st.markdown(f"**{name}**")
            live_map.component()(key=key, data=data, on_selected_change=lambda key=key: live_map.choose(key))
