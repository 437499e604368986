"""A sweep on screen: how far it is, the buttons that hold it, and all that it found so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from dimap_core.service import Job, Jobs
from dimap_core.studies import shared
from dimap_core.types import DataError, PruningError, duration

from ..look import formats
from ..parts import job_state
from ..session import cache, polling
from . import found

_POLL, _SELDOM = 1.0, 3.0  # seconds: while the app works on it, while only others may
_SAYS = {
    "cancelled": "Paused: what is measured stays.",
    "interrupted": "The process that worked on it ended; what it measured stays.",
    "waiting": "Waits until the jobs before it have ended.",
}


def draw(job: Job) -> None:
    """One sweep, polled while cuts may still come, here or from another process."""
    seen = None
    with suppress(PruningError):  # told below
        seen = _read(job)
    over = seen is not None and not seen[0].left
    with st.container(horizontal=True, vertical_alignment="center", key=f"sweep_head_{job.token}"):
        badge = job_state.BADGES["done"] if over else _badge(job)
        st.markdown(f"**{formats.plain(job.title)}** &nbsp; {badge}", width="content")
        if not job.ended:
            job_state.button("Pause", "pause", Jobs.cancel, job.token)
        elif not over:
            job_state.button("Go on", "play_arrow", Jobs.resume, job.token)
        if job.ended:
            job_state.button("Forget", "delete", Jobs.remove, job.token)
        with st.popover("Other processes", icon=":material/lan:"):
            _joining(job)
    every = None if over and job.ended else _SELDOM if job.ended else _POLL
    polling.polled(_body, every is not None, every or _POLL)(job.token, job.ended, over)


def _badge(job: Job) -> str:
    return ":gray-badge[paused]" if job.state == "cancelled" else job_state.BADGES[job.state]


def _joining(job: Job) -> None:
    study = job.request["study"]
    st.markdown("Any number of processes may work on it, here or on other machines; their cuts appear here, too:")
    st.code(f"python -m dimap_core work {study}", language="bash")
    st.caption(
        "On other machines set DIMAP_STUDIES to one PostgreSQL server for all, this app included. Models and images "
        "have to be the same there, or the process says what differs. After Forget the rows still lie where studies "
        f"are kept: `python -m dimap_core study {study} --csv FILE`."
    )


def _read(job: Job) -> tuple[shared.Standing, list[dict[str, Any]]] | None:
    """How far the study is, and its rows; None before it is begun. Raises PruningError where nobody answers."""
    with suppress(DataError):  # there is none yet
        return cache.study(job.request["study"]).report()
    return None


def _body(token: str, ended: bool, over: bool) -> None:
    job = cache.kept_jobs().find(token)
    if job is None or job.ended != ended:
        st.rerun()
    if job is None:
        return
    if st.session_state.pop("restored", False):
        st.rerun()  # the recipe line shows the cut, too
    if job.error:
        st.error(formats.plain(job.error))
    try:
        seen = _read(job)
    except PruningError as error:
        st.error(formats.plain(str(error)))
        return
    if seen is None:
        _say_begin(job)
        return
    standing, rows = seen
    if not standing.left and not over:
        st.rerun()
    if standing.left:
        _progress(job, standing, rows)
    found.draw(job, rows)


def _say_begin(job: Job) -> None:
    if not job.error:
        doing = job.progress.get("doing", "Starting") if job.state == "running" else _SAYS.get(job.state, "Starting")
        st.info(f"{doing.removesuffix('.')} …", icon=":material/hourglass_top:")


def _progress(job: Job, standing: shared.Standing, rows: Sequence[Mapping[str, Any]]) -> None:
    """How far it is, by whom, and the time that is left at that pace."""
    workers = len({row["worker"] for row in rows if "worker" in row})
    by = f" by {workers} processes" if workers > 1 else ""
    left = job.progress.get("seconds_left")
    if job.state == "running":
        more = f", about {duration(left)} left" if left else ""
    else:
        more = f". {_SAYS.get(job.state, '')}"
    text = f"{standing.done:,} of {standing.total:,} cuts judged{by}{more}"
    st.progress(standing.done / max(1, standing.total), text)
