"""Sweep: which way of cutting keeps most? Starts sweeps over many cuts and shows their curves, front and table."""

from __future__ import annotations

import streamlit as st

from dimap_core.types import PruningError
from pages.ui.look import formats, frame
from pages.ui.parts import header, notice, waiting
from pages.ui.session import jobs, opened
from pages.ui.sweep import asked, running


def main() -> None:
    """What is asked, the newest sweep, older ones behind folds."""
    notice.show()
    view = opened.view()
    if view is None:
        waiting.wait_for()  # a cut that was clicked may have to be scored first: what was found stays in sight
    elif view.judged:
        header.judged_by(view)
        asked.controls(view)
    else:
        header.not_judged(view, "Sweeping needs")
    try:
        known = [job for job in jobs.mine() if job.kind == jobs.SWEEP]
    except PruningError as error:
        st.error(formats.plain(str(error)))
        return
    if not known and view is not None and view.judged:
        st.info(
            "A sweep cuts the whole model in every way chosen above and judges each cut on all its validation images, "
            "also when you leave this page. Cuts appear here one by one.",
            icon=":material/stacked_line_chart:",
        )
    for job in known[:1]:
        running.draw(job)
    for job in known[1:]:
        with st.expander(formats.plain(job.title)):
            running.draw(job)


frame.enter()
main()
