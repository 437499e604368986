"""Predictions: what does the cut do to images? Changed answers first, why they changed, and which classes lose."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dimap_core.data import image_set
from dimap_core.figures import confusion_chart, drop_chart, findings
from dimap_core.measure import Outcomes, predictions
from dimap_core.service import Ticket
from dimap_core.types import LabelledImages, is_agreement
from pages.ui.look import formats, frame, theme
from pages.ui.parts import header, metrics
from pages.ui.predictions import explanation, gallery, outcomes
from pages.ui.session import View, cache, polling

POLL = 0.4  # seconds; a gallery takes longer to draw than a number
ROWS = 16  # classes in the chart of losses
CONFUSED = 40  # classes in the chart of confusions


def main() -> None:
    """Everything is drawn by a fragment: again and again while images stream in, then as the reader asks."""
    view = header.begin()
    if view is None:
        return
    if not view.judged:
        header.not_judged(view, "Answers need")
        return
    running = outcomes.ask(view).running
    polling.polled(body, running, POLL)(view, running)


def body(view: View, was_running: bool) -> None:
    """What happened to how many answers, to which, why, and where accuracy was lost."""
    ticket = outcomes.ask(view)
    polling.ended(ticket, was_running)
    if ticket.error:
        st.error(formats.plain(ticket.error))
        return
    arrived = outcomes.arrived(ticket)
    if arrived is None:
        waiting(view, ticket)
        return
    data, found, total = arrived
    st.markdown(outcomes.headline(found, total))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        gallery.draw(found, data)
    with right:
        explanation.draw(view, found, data, ticket.running)
    metrics.draw(view.cost.total, found.estimate(data, total), "joint", agreement=is_agreement(view.info.data))
    losses(found, data)


def waiting(view: View, ticket: Ticket) -> None:
    """Until the first images are in."""
    doing = (ticket.last or {}).get("doing") or "First images on their way"
    st.markdown(f"{doing} …")


def losses(found: Outcomes, data: LabelledImages) -> None:
    """Accuracy lost by class or by cue, and how the confusions changed."""
    st.subheader("Who loses, and to whom?", anchor=False)
    cue = None
    if data.cues:
        options = [*data.cues, "class"]
        by = st.segmented_control(
            "By", options, key="losses_by", default=options[0], required=True, persist_state="session",
            help=_cues_told(data.name), label_visibility="collapsed",
        )  # fmt: skip
        cue = by if by in data.cues else None
    word, names, look = cue or "class", predictions.value_names(data, cue), theme.look()
    shares = predictions.breakdown(found, data, cue)
    key = (found.images.tobytes(), found.pruned.classes.tobytes(), cue, look)
    left, right = st.columns(2, gap="medium")
    with left:
        figure = cache.memo("drops", key, lambda: drop_chart(shares[:ROWS], look))
        judged = "" if cue is None else f", judged by the {cue} alone"
        fewest = min(share.drop.n for share in shares)
        most = f" The {ROWS} that lost most of {len(shares)}." if len(shares) > ROWS else ""
        note = (
            f"Pruned minus dense by {word}{judged}, on {fewest:,} images or more each.{most} Coloured where the "
            "interval leaves out zero."
        )
        alt = f"Change of accuracy by {word} with 95 % intervals"
        theme.chart(figure, "drops", alt, findings.drops(shares, word), note)
    with right:
        change = predictions.confusion_change(found, data, cue)
        few = predictions.most_confused(change, CONFUSED)
        shown, told = change[np.ix_(few, few)], [names[place] for place in few]
        figure = cache.memo("confusion", key, lambda: confusion_chart(shown, told, look))
        most = f" The {len(few)} of {len(names):,} that changed most." if len(few) < len(names) else ""
        note = (
            "Pruned minus dense number of images. On the diagonal a minus is right answers lost; off it, a plus "
            f"is where they went.{most}"
        )
        theme.chart(
            figure, "confusion", f"Change of the confusions by {word}", findings.confusions(shown, told, word), note
        )


def _cues_told(name: str) -> str | None:
    """What the cues of a known set are."""
    known = image_set(name)
    return known.cues if known else None


frame.enter()
main()
