"""Every st.cache_* wrapper, and what a session built last. Keys are names, hashes and recipes, never tensors."""

from __future__ import annotations

import gc
import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from pydantic import TypeAdapter

from dimap_core.criteria import images_read
from dimap_core.models import BUNDLED, bundled_card
from dimap_core.service import Classroom, Jobs, Ticket, Uploads, WorkerClient, index
from dimap_core.studies import agreement, allocation, shared as shared_studies, summaries
from dimap_core.training import comparison
from dimap_core.types import (
    ASSETS,
    Anatomy,
    CellCut,
    Compared,
    LabelledImages,
    ModelInfo,
    ModelName,
    PruningPlan,
    Scores,
)

_RESULTS = 4000
_TEXT = 32 * 1024**2  # characters of all results as JSON; in memory they take about five bytes each


@dataclass
class Shared:
    """What all sessions of this server share: the worker, its open requests, and finished results by content.

    `slow` is a second worker, always on this machine and started when first asked, for steps that take seconds each:
    exports and latency.
    `uploads` are the files that sessions brought; `scored` which scores are mapped, by the worker's folder.
    """

    worker: WorkerClient = field(default_factory=WorkerClient)
    slow: WorkerClient = field(default_factory=lambda: WorkerClient(here=True))
    uploads: Uploads = field(default_factory=Uploads)
    opening: dict[tuple, Ticket] = field(default_factory=dict)
    results: OrderedDict[tuple, list[dict[str, Any]]] = field(default_factory=OrderedDict)
    sizes: dict[tuple, int] = field(default_factory=dict)
    scored: dict[str, set[tuple]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)  # results and sizes belong together

    def remember(self, key: tuple, events: list[dict[str, Any]]) -> None:
        """Keep a finished request's events; the oldest results go first."""
        size = len(json.dumps(events))
        with self._lock:
            self.results[key], self.sizes[key] = events, size
            while len(self.results) > 1 and (len(self.results) > _RESULTS or sum(self.sizes.values()) > _TEXT):
                oldest, _ = self.results.popitem(last=False)
                self.sizes.pop(oldest, None)

    def drop(self, *keys: tuple) -> None:
        """Let go of results."""
        with self._lock:
            for key in keys:
                self.results.pop(key, None)
                self.sizes.pop(key, None)

    def cancel(self, session: str) -> None:
        """Drop everything a session still waits for, what it brought, and all that was made of it."""
        self.worker.cancel(session)
        self.slow.cancel(session)
        prefix = str(ModelName("file", f"{self.uploads.folder(session)}/"))
        for worker in (self.worker, self.slow):
            worker.forget(prefix)
        tokens = tuple(upload.token for upload in self.uploads.of(session))
        self.uploads.release(session)
        for key, ticket in list(self.opening.items()):
            own = key[0].startswith(prefix) or any(token in key[0] for token in tokens)
            if own or f"/{session}/" in key[-1]:
                self.opening.pop(key, None)
            if own:
                for event in ticket.events:
                    self.forget(event.get("loaded") or event.get("folder", ""))

    def forget(self, folder: str) -> None:
        """Drop what is kept of the model in the worker's folder of that name: mapped arrays and results."""
        model.clear(folder)
        for arguments in tuple(self.scored.pop(folder, ())):
            _scores.clear(folder, *arguments)
        with self._lock:
            own = [key for key in self.results if key[0] == Path(folder).name]
        self.drop(*own)

    def close(self) -> None:
        """Stop both workers and delete all uploads."""
        self.worker.close()
        self.slow.close()
        self.uploads.close()


@st.cache_resource(show_spinner=False, on_release=lambda shared: shared.close())
def shared() -> Shared:
    """Made once a server. Everything imported so far will live on: tell the collector, which runs after every rerun."""
    gc.collect()
    gc.freeze()
    return Shared()


@st.cache_resource(show_spinner=False, on_release=lambda kept: kept.close())
def kept_jobs() -> Jobs:
    """Jobs of this server, kept on disk; made once a server."""
    return Jobs()


@st.cache_resource(show_spinner=False, on_release=lambda kept: kept.close())
def kept_classes() -> Classroom:
    """Classes of this server, kept on disk for a day; made once a server."""
    return Classroom()


@st.cache_resource(show_spinner=False, scope="session", on_release=lambda token: shared().cancel(token))
def session() -> str:
    """This session's name towards the worker; closing the tab cancels what it still waits for."""
    return uuid.uuid4().hex


@st.cache_resource(show_spinner=False, max_entries=8)
def model(folder: str) -> tuple[ModelInfo, Anatomy, dict[str, np.ndarray]]:
    """A model's facts, parts and memory-mapped weights from the worker's folder."""
    info, anatomy = index.read_model(Path(folder))
    return info, anatomy, index.read_weights(Path(folder), anatomy)


@st.cache_resource(show_spinner=False, max_entries=24)
def _scores(folder: str, criterion: str, seed: int, granularity: str, read: int) -> Scores:
    _, anatomy, _ = model(folder)
    return index.read_scores(Path(folder), anatomy, criterion, seed, granularity, read)


def scores(
    folder: str, criterion: str, seed: int, granularity: str = "weight", images: int = PruningPlan.images
) -> Scores:
    """One criterion's memory-mapped scores of single weights, or of groups ("structure"); `images`: the plan's."""
    arguments = (criterion, seed, granularity, images_read(criterion, images))
    shared().scored.setdefault(folder, set()).add(arguments)
    return _scores(folder, *arguments)


@st.cache_resource(show_spinner=False, max_entries=4)
def data(folder: str, written: int) -> LabelledImages:
    """A data set from the worker's folder, its images memory-mapped; `written`: when the folder was."""
    return index.read_data(Path(folder))


@st.cache_data(show_spinner=False, max_entries=16)
def facts(folder: str) -> dict[str, Any] | None:
    """What is told of the chosen images that a folder's model is judged by; None where it is judged by its own."""
    return index.read_facts(Path(folder))


@st.cache_data(show_spinner=False, max_entries=200)
def by_cell(folder: str, first: str, second: str, seed: int, granularity: str, images: int) -> np.ndarray:
    """Agreement of two criteria on one model, by stage x module or kind."""
    _, anatomy, _ = model(folder)
    return agreement.by_cell(*_pair(folder, first, second, seed, granularity, images), anatomy)


@st.cache_data(show_spinner=False, max_entries=100)
def compared(
    folder: str, first: str, second: str, seed: int, granularity: str, images: int, names: tuple[str, ...]
) -> Compared:
    """Two criteria on some layers or sets of groups of one model."""
    _, anatomy, _ = model(folder)
    found = [unit for unit in summaries.units(anatomy, granularity) if unit.name in names]
    return agreement.compare(*_pair(folder, first, second, seed, granularity, images), found, anatomy)


def _pair(folder: str, first: str, second: str, seed: int, granularity: str, images: int) -> tuple[Scores, Scores]:
    return scores(folder, first, seed, granularity, images), scores(folder, second, seed, granularity, images)


@st.cache_data(show_spinner=False, max_entries=50)
def allocated(
    key: tuple, _anatomy: Anatomy, _scores: Scores, _plan: PruningPlan, _rows: list[CellCut]
) -> allocation.Allocation:
    """Ratios made from sensitivity curves; `key`: (folder, recipe of the curves, repair, percent to save, of what)."""
    return allocation.allocate(_anatomy, _scores, _plan, _rows, key[3] / 100, key[4])


@st.cache_resource(show_spinner=False, max_entries=16)
def study(name: str) -> shared_studies.Ledger:
    """The study of that name; raises PruningError where there is none yet."""
    return shared_studies.named(name)


@st.cache_resource(show_spinner=False)
def cards() -> dict[str, dict[str, Any]]:
    """The bundled models' cards by name."""
    return {spec.name: bundled_card(spec) for spec in BUNDLED}


@st.cache_resource(show_spinner=False)
def methods() -> list[comparison.Measurement]:
    """What whole methods bring on the bundled models, as measured beforehand."""
    return comparison.read()


@st.cache_resource(show_spinner=False)
def precomputed(name: str) -> dict[str, Any]:
    """What was measured beforehand for a bundled model: its dense estimate and the rows of global ratios."""
    if name not in cards():
        return {"dense": None, "rows": []}
    found = json.loads((ASSETS / "curves" / f"{name}.json").read_text(encoding="utf-8"))
    return {"dense": found["dense"], "rows": [row for row in found["rows"] if row["budget"] is None]}


@st.cache_resource(show_spinner=False)
def maps() -> dict[str, dict[str, Any]]:
    """What bundled models are drawn from before they are open: `anatomy`, and of each precomputed cut the kept shares
    by its plan (`benchmarks.maps`)."""
    found = json.loads((ASSETS / "maps.json").read_text(encoding="utf-8"))
    return {
        one["model"]: one | {
            "anatomy": TypeAdapter(Anatomy).validate_python(one["anatomy"]),
            "rows": {tuple(plan): kept for *plan, kept in one["rows"]},
        }
        for one in found
    }  # fmt: skip


def seconds_an_image(name: str) -> float:
    """About how long a bundled model takes for an image, as it was measured beforehand."""
    dense = precomputed(name)["dense"]
    return dense["seconds"] / dense["n"] if dense else 0.0


def precomputed_rows(name: str, plan: PruningPlan) -> list[dict[str, Any]]:
    """The rows of the plan's curve: same criterion, granularity, scope and cost exponent (moot where every layer is
    alone); none of a repaired one was measured beforehand."""
    return [
        row
        for row in precomputed(name)["rows"]
        if not plan.repair
        and (row["criterion"], row["granularity"], row["scope"]) == (plan.criterion, plan.granularity, plan.scope)
        and (plan.scope == "layer" or row["cost_exponent"] == plan.cost_exponent)
    ]


def memo(name: str, key: tuple, build: Callable[[], Any]) -> Any:
    """What `build` made for that key last time, or makes now: most polls bring no news."""
    kept = st.session_state.setdefault("built", {})
    if kept.get(name, (None,))[0] != key:
        kept[name] = key, build()
    return kept[name][1]
