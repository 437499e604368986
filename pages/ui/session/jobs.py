"""The session's long jobs: started, and found again. Next door: `pages/ui/recover` draws their cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import streamlit as st

from dimap_core.service import Job
from dimap_core.types import PruningError

from . import cache, opening, own_models, state

FIND, FETCH, SWEEP = "find", "fetch", "sweep"
"""The kinds of job that look for the best cut, that bring images, and that do the trials of a study."""


def start(kind: str, title: str, request: Mapping[str, Any]) -> None:
    """Ask for a job of this session."""
    try:
        state.add_job(cache.kept_jobs().submit(kind, title, request))
    except PruningError as error:
        st.session_state.notice = str(error)


def start_search(kind: str, asked: Any, words: str) -> None:
    """Ask for a search on the dense model; `asked`: the method's settings, a dataclass, `words`: what its title says
    behind the model's name."""
    setting = state.current()
    request = {**opening.model_request(setting), "search": asdict(asked)}
    start(kind, f"{own_models.shown(setting.model)} · {words}", request)


def trained() -> list[Job]:
    """The session's trainings and methods' searches, as `mine`."""
    return [job for job in mine() if job.kind not in (FIND, FETCH, SWEEP)]


def fetch(name: str) -> Job | None:
    """The session's newest job that brings the images of that name."""
    return next((job for job in mine() if job.kind == FETCH and job.request["set"] == name), None)


def mine() -> list[Job]:
    """The session's jobs that still exist, newest first; raises PruningError where none can be kept."""
    found = [cache.kept_jobs().find(token) for token in reversed(st.session_state.jobs)]
    return [job for job in found if job is not None]
