"""Images that do not come with the project: what needs them, and two ways to them. A bundled model that was judged by
photographs beforehand is all stored numbers until its reader fetches the set from its own home or points to a folder.

Not here: the download, a job (`dimap_core.service.runner`). Next door: `header` draws this where a page can do nothing
without images.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from dimap_core.data import FOLDER, MOST, image_set
from dimap_core.service import Job, Jobs
from dimap_core.types import PruningError

from ..look import formats
from ..session import cache, jobs, polling, state
from . import job_state, waiting

_POLL = 0.5  # seconds
_ASKED = "fetch_asked"  # in the session: the job whose images are to be chosen once they are here


def draw(needs: str) -> None:
    """One sentence and the ways; `needs` begins it: "Answers need"."""
    spec = state.current().absent
    known = image_set(spec.data) if spec else None
    if known is None:
        return
    try:
        job = jobs.fetch(known.key)
    except PruningError as error:
        st.error(formats.plain(str(error)))
        return
    if job is not None and job.state == "done" and st.session_state.get(_ASKED) == job.token:
        _use(known.key)
        st.rerun()
    here, size = known.path is not None, f"{known.size / 1e6:.0f}\u00a0MB"
    fetched = f"use {known.label}, which is here" if here else f"fetch {known.label} from its own home ({size})"
    with st.container(border=True, key="absent"):
        st.markdown(f"{needs} photographs, and none come with this project: {fetched}, or point to a folder of images.")
        _ways(known.key, known.label, size, here, job)
        if job is not None and not here:
            polling.polled(_progress, not job.ended, _POLL)(job.token, job.ended)


def _ways(key: str, label: str, size: str, here: bool, job: Job | None) -> None:
    with st.container(horizontal=True):
        if here:
            st.button(f"Use {label}", key="absent_use", type="primary", on_click=_use, args=(key,))
        elif job is None or job.result is not None:
            st.button(f"Fetch {label} ({size})", key="absent_fetch", type="primary", icon=":material/download:",
                      on_click=_fetch, args=(key, label))  # fmt: skip
        elif job.ended:
            st.button("Go on fetching", key="absent_go_on", type="primary", icon=":material/play_arrow:",
                      on_click=_go_on, args=(job.token,))  # fmt: skip
        else:
            job_state.button("Stop", "stop", Jobs.cancel, job.token)
        st.button("Point to a folder", key="absent_folder", icon=":material/folder_open:", on_click=_point)


def _fetch(key: str, label: str) -> None:
    jobs.start(jobs.FETCH, f"{label}, fetched", {"set": key})
    st.session_state[_ASKED] = st.session_state.jobs[-1] if st.session_state.jobs else None


def _go_on(token: str) -> None:
    st.session_state[_ASKED] = token
    cache.kept_jobs().resume(token)


def _use(key: str) -> None:
    """Judge by the set, by as many of its images as may be asked for."""
    st.session_state.pop(_ASKED, None)
    state.go(replace(state.current(), data=key, count=MOST, draw=0, classes=(), split=""))


def _point() -> None:
    """Open the images' chip in the line above, at the folder."""
    st.session_state.folder_open = st.session_state.chip_images = True
    st.session_state.pending_source = FOLDER


def _progress(token: str, ended: bool) -> None:
    """How far the download is, or why it stopped."""
    job = cache.kept_jobs().find(token)
    if job is None or job.ended != ended:
        st.rerun()
    if job is None:
        return
    if job.error:
        st.error(formats.plain(job.error))
    if job.state == "waiting":
        st.caption(f"Waiting for its turn, {cache.kept_jobs().ledger.waiting_before(token)} before it.")
    elif job.state == "running":
        waiting.download(job.progress)
    elif job.state in ("cancelled", "interrupted"):
        st.caption("Stopped; what has come stays and is not fetched again.")
