"""The session's jobs on screen: one card each with progress, curve, result and buttons."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from dimap_core.figures import findings, learning_curve, redistribution
from dimap_core.service import Job, Jobs
from dimap_core.training import AWARE, PAID, apma, revit_shape
from dimap_core.types import KINDS, PruningError, in_points

from ..look import formats, theme
from ..parts import job_state
from ..session import cache, jobs, polling
from . import apma_results, spvit_results

_POLL = 0.5  # seconds; a step takes a tenth of one at least


def draw() -> None:
    """All jobs; polled while any of them may still change."""
    try:
        known = jobs.trained()
    except PruningError as error:
        st.error(formats.plain(str(error)))
        return
    if not known:
        st.info(
            "Nothing was trained yet. Start training, and see here how much of the accuracy comes back.",
            icon=":material/model_training:",
        )
        return
    for job in known:
        with st.container(border=True):
            buttons(job)
            polling.polled(_card, not job.ended, _POLL)(job.token, job.ended)


def buttons(job: Job) -> None:
    """Title and what can be done with a job; outside the part that polls, so that a click never waits for it."""
    st.markdown(f"**{formats.plain(job.title)}**")
    with st.container(horizontal=True):
        if not job.ended:
            job_state.button("Stop", "stop", Jobs.cancel, job.token)
            return
        if job.state != "done":
            job_state.button("Go on", "play_arrow", Jobs.resume, job.token)
        job_state.button("Remove", "delete", Jobs.remove, job.token)


def _card(token: str, ended: bool) -> None:
    """What a job does now, its curve, and its end."""
    try:
        job = cache.kept_jobs().find(token)
    except PruningError as error:
        st.error(formats.plain(str(error)))
        return
    if job is None or job.ended != ended:
        st.rerun()
    if job is None:
        return
    progress, where = job.progress, _where(job)
    st.markdown(job_state.BADGES[job.state] + (f" &nbsp; {where}" if where and job.state != "done" else ""))
    if job.error:
        st.error(formats.plain(job.error))
    if "step" in progress and job.state == "running":
        st.progress(progress["step"] / progress["steps"])
    if job.result is not None:
        _result(token, job.result)
    points = cache.kept_jobs().ledger.points(token)
    if points:
        alt = f"Accuracy and loss over the steps of {job.title}"
        figure = learning_curve(points, points[-1]["steps"], theme.look())
        images = next((point["n"] for point in reversed(points) if "n" in point), None)
        note = f"On the way judged on the first {images or 0:,} validation images only, with the 95 % interval."
        theme.chart(figure, f"learning_{token}", alt, findings.learning(points), note if images else "")
    if (found := (job.result or progress).get("kept")) is not None:
        _units(token, found, job.result)
    if (found := (job.result or progress).get("blocks")) is not None:
        spvit_results.draw(token, found, job.result)
    apma_results.indicators(token, points)
    if job.result is not None:
        apma_results.similarity(token, Path(job.result["out"]))
        _download(job)


def _where(job: Job) -> str | None:
    """How far a job is, or how many are before it."""
    progress = job.progress
    if job.state == "waiting":
        return f"{cache.kept_jobs().ledger.waiting_before(job.token)} before it"
    if "step" not in progress:
        return progress.get("doing")
    left = f", {_span(progress['seconds_left'])} left" if job.state == "running" else ""
    if "cut" in progress:
        left += f"; {100 * progress['cut']:.0f} % of the {PAID[job.request['search'].get('aware', 'macs')]} left"
    return f"step {progress['step']:,} of {progress['steps']:,}{left}"


def _result(token: str, result: Mapping[str, Any]) -> None:
    """Before and after on all validation images, and what was gained."""
    gain, against = ([100 * value for value in result[key]] for key in ("gain", "against_dense"))
    with st.container(horizontal=True, gap="small", key=f"result_{token}"):
        for name, key in (("Top-1 before", "top1_before"), ("Top-1 after", "top1_after")):
            low, high = (100 * bound for bound in result[f"{key}_ci95"])
            below = f"{low:.1f} to {high:.1f}, n = {result['n']:,}"
            st.metric(name, f"{100 * result[key]:.1f} %", below, delta_color="off", delta_arrow="off", border=True)
        for name, change in (("Gained", gain), ("Against dense", against)):
            value, low, high = (in_points(share / 100) for share in change)
            st.metric(f"{name}, points", value, f"{low} to {high}", delta_color="off", delta_arrow="off", border=True)


def _units(token: str, kept: Mapping[str, Any], result: Mapping[str, Any] | None) -> None:
    """What a search has kept so far, or in the end, through depth."""
    if result is not None:
        saved = f"{100 * result['latency_removed']:.0f} % of the latency"
        saved += f" (predicted: {100 - 100 * result['left']:.0f} %)" if result["aware"] == "latency" else ""
        st.caption(
            f"{AWARE[result['aware']]}. Removed {100 * result['macs_removed']:.0f} % of the MACs and, measured in "
            f"batches of {result['latency']['batch_size']}, {saved}."
        )
    width = f" Embedding channels: {kept['embed']} of {kept['dense']['embed']}." if kept["embed"] else ""
    rule = revit_shape(len(kept["blocks"])) if kept["embed"] else None
    figure = redistribution(kept["blocks"], kept["dense"]["blocks"], theme.look(), rule)
    beside = " Dotted: the shape of ReViT's rule (Table 6 of the paper) about the same mean." if rule else ""
    theme.chart(
        figure, f"units_{token}", "Units kept of each kind, block by block",
        findings.redistribution(kept["blocks"], kept["dense"]["blocks"], KINDS),
        f"Bars: what is kept of every kind through depth.{width}{beside}",
    )  # fmt: skip


def _download(job: Job) -> None:
    folder = Path((job.result or {})["out"])
    if not folder.exists():
        return
    st.download_button(
        "Download the recovered checkpoint", lambda: zipped(folder), "recovered.zip", "application/zip",
        key=f"get_{job.token}", on_click="ignore", icon=":material/download:",
    )  # fmt: skip


def zipped(folder: Path) -> bytes:
    """The checkpoint as the Export page gives it: what else lies beside it is for this page."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(folder.iterdir()):
            if path.name != apma.SIMILARITY:
                archive.write(path, path.name)
    return content.getvalue()


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"
