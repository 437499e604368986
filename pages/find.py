"""Find: what is the best cut for this budget? Starts searches and shows their fronts and answers."""

from __future__ import annotations

import streamlit as st

from dimap_core.types import PruningError
from pages.ui.find import answer, asked, running
from pages.ui.look import formats, frame
from pages.ui.parts import header, notice, waiting
from pages.ui.session import jobs, opened


def main() -> None:
    """The question, its controls, the newest search, older ones behind folds."""
    notice.show()
    view = opened.view()
    if view is None:
        waiting.wait_for()
        return
    try:
        known = [job for job in jobs.mine() if job.kind == jobs.FIND]
    except PruningError as error:
        st.error(formats.plain(str(error)))
        return
    newest = known[0] if known else None
    done = newest is not None and newest.result is not None
    if newest and done:
        st.subheader(answer.headline(newest.result), anchor=False)
    if not view.judged:
        header.not_judged(view, "Finding needs")
        return
    header.judged_by(view)
    asked.controls(view)
    if newest is None:
        st.info(
            "A search begins with the whole model, whatever the line above cuts. It tries every fixed rule and cuts by "
            "reconstruction on training images held apart, and judges the best once: about a minute on a small model, "
            "also when you leave this page.",
            icon=":material/travel_explore:",
        )
        return
    running.draw(newest)
    for job in known[1:]:
        with st.expander(formats.plain(job.title)):
            running.draw(job)


frame.enter()
main()
