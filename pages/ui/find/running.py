"""A search under way: what it does now, how far it is, its front so far, and the buttons that hold or end it."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from dimap_core.figures import TriedCut, findings, search_front
from dimap_core.service import Job, Jobs
from dimap_core.types import duration

from ..look import formats, plan_names, theme
from ..parts import job_state
from ..session import cache, polling
from . import answer

_POLL = 0.5


def draw(job: Job) -> None:
    """One search, polled while it may still change."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{formats.plain(job.title)}** &nbsp; {job_state.BADGES[job.state]}")
        if not job.ended:
            job_state.button("Stop", "stop", Jobs.cancel, job.token)
        elif job.state != "done":
            job_state.button("Go on", "play_arrow", Jobs.resume, job.token)
        if job.ended:
            job_state.button("Forget", "delete", Jobs.remove, job.token)
    polling.polled(_progress, not job.ended, _POLL)(job.token, job.ended)


def _progress(token: str, ended: bool) -> None:
    job = cache.kept_jobs().find(token)
    if job is None or job.ended != ended:
        st.rerun()
    if job is None:
        return
    if st.session_state.pop("restored", False):
        st.rerun()  # the recipe line shows the cut, too
    progress = job.progress
    if job.error:
        st.error(formats.plain(job.error))
    if job.state == "running":
        left = progress.get("seconds_left")
        doing = progress.get("doing", "Starting")
        text = doing + (f", about {duration(left)} left" if left else "")
        st.progress(min(1.0, progress.get("step", 0) / max(1, progress.get("steps", 1))), text)
    left_side, right_side = st.columns([1.7, 1], gap="medium")
    rows = front_of(job)
    with left_side:
        _front(job, rows)
    with right_side:
        if answer.known(job):
            answer.card(job)
        else:
            st.caption(
                "Everything here is tried on training images that no score has read. Validation images are looked at "
                "once, at the end, for the answer."
            )


def front_of(job: Job) -> list[dict[str, Any]]:
    """Cuts tried so far."""
    return list((job.result or job.progress).get("front", []))


def _front(job: Job, rows: list[dict[str, Any]]) -> None:
    asked = job.request["search"]
    axis = "params" if asked["budget_kind"] == "params" else "macs"
    if not rows:
        st.info("The first cuts are being scored; the front follows in some seconds.", icon=":material/hourglass_top:")
        return
    n = max(row["n"] for row in rows)
    tried = [
        TriedCut(row[axis], row["top1"], row["rule"], plan_names.label_of(row["plan"]), row["final"]) for row in rows
    ]
    kept = None
    if asked["budget"] and asked["budget_kind"] != "latency":
        kept = 1 - asked["budget"]
    figure = search_front(tried, kept, "params" if axis == "params" else "MACs", n, theme.look())
    key = f"front_{job.token}"
    note = (
        "Up and left is better. Each mark is a cut with its quick refit, which is low for the deepest ones; the few "
        "that may win are repaired in full before one is chosen. Click a mark to put that cut in force."
    )
    theme.chart(
        figure, key, f"Fronts of {job.title}: right answers against what is kept", findings.front(tried, kept, n), note,
        on_select=partial(_picked, key, job, rows, axis), selection_mode="points",
    )  # fmt: skip


def _picked(key: str, job: Job, rows: list[dict[str, Any]], axis: str) -> None:
    """A click on a mark puts its cut in force: once, whatever is moved afterwards."""
    points = st.session_state[key]["selection"]["points"]
    row = next((row for row in rows if points and _at(row, axis, points[0])), None)
    if row is not None:
        answer.put_in_force(job, row["plan"])
        st.session_state.restored = True


def _at(row: dict[str, Any], axis: str, point: Any) -> bool:
    return abs(100 * row[axis] - point["x"]) < 1e-6 and abs(100 * row["top1"] - point["y"]) < 1e-6
