"""What is drawn of a sweep: its study as asked, and what is found so far. Next door: `found` and `table` draw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dimap_core.service import Job
from dimap_core.studies import shared

from ..session import own_models, state


@dataclass(frozen=True)
class Swept:
    """A sweep's job, with what its study was asked and what it found; `settings`: by the study's names of models, the
    session's."""

    job: Job
    asked: shared.Asked
    results: Sequence[shared.Result]
    settings: Mapping[str, str]

    @property
    def what(self) -> str:
        """What an answer counts as that is right."""
        return "same answers as dense" if self.job.request["agreement"] else "top-1"

    def called(self, model: str) -> str:
        """A model of the study's on screen."""
        return own_models.shown(self.settings[model])

    def force(self) -> int | None:
        """The point whose cut is in force, if one is."""
        now = state.current()
        same = (one.point for one in self.results if (one.plan, self.settings[one.model]) == (now.plan, now.model))
        return next(same, None)


def of(job: Job, rows: Sequence[Mapping[str, Any]]) -> Swept:
    """A job with the rows of its study."""
    asked = shared.Asked.kept(job.request["asked"])
    settings = dict(zip(asked.models, job.request["settings"], strict=True))
    return Swept(job, asked, shared.results(rows, asked), settings)
