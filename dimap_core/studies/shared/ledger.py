"""Who does what in a study: each point of it is a trial of optuna's, taken by one worker and done once. No torch.

A trial's user attribute "point" is its place in `Asked.points`; done, it is COMPLETE and holds "row" (PRUNED where its
plan cannot be met), and is never touched again. A worker says every `heartbeat` seconds that it lives; the trial of one
that is silent becomes FAIL, and the point gets a new trial. Two processes may give it one at once: of a point's trials
that wait, run or are done the first counts, and whoever takes a later one drops it, so that no point is done twice.
Next door: `storage` knows the place, `working` does trials.
"""

from __future__ import annotations

import random
import threading
import warnings
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState, create_trial

from ...types import DataError, PruningPlan, listed
from . import storage as places
from .asked import Asked

TRIES = 5  # that may fail before a point is given up
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)
_LIVE = (TrialState.WAITING, TrialState.RUNNING, *_DONE)


@dataclass(frozen=True)
class Standing:
    """How many points there are, and of these done, running, waiting for a worker, and given up."""

    total: int
    done: int
    running: int
    waiting: int
    given_up: int

    @property
    def left(self) -> int:
        """What is still to be done."""
        return self.total - self.done - self.given_up


@dataclass
class Ledger:
    """A study that is kept; `known`: what it was begun with, see `same`."""

    name: str
    asked: Asked
    known: Mapping[str, Any]
    study: optuna.Study
    storage: RDBStorage
    points: list[tuple[str, PruningPlan]] = field(init=False)
    _next: deque[FrozenTrial] = field(default_factory=deque, init=False)

    def __post_init__(self) -> None:
        """Every process keeps time as the study says."""
        self.points = self.asked.points
        places.set_heartbeat(self.storage, self.asked.heartbeat)

    def take(self) -> FrozenTrial | None:
        """A trial that waits, now this process's own; None where none waits.

        Processes begin at places of their own and go on from there, so that they seldom meet and change models seldom.
        """
        while True:
            if not self._next:
                self._next.extend(self._trials(TrialState.WAITING))
                self._next.rotate(-random.randrange(len(self._next) or 1))
            if not self._next:
                return None
            trial = self._next.popleft()
            if not self._claim(trial):
                self._next.clear()
            elif self._counts(trial):
                return trial

    def _claim(self, trial: FrozenTrial) -> bool:
        """Whether the trial is this process's now. The first sign of life comes before: a process that ends between the
        two leaves no trial of which nobody knows since when it runs."""
        self.storage.record_heartbeat(trial._trial_id)
        with suppress(UpdateFinishedTrialError):
            return self.storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
        return False

    def _counts(self, trial: FrozenTrial) -> bool:
        """Whether no other trial of the same point does; if one does, this one is dropped."""
        point = trial.user_attrs["point"]
        if trial.number == point:  # points got their trials in order, so none can be before this one
            return True
        others = [other for other in self._by_point()[point] if other.number != trial.number]
        if not any(other.state in _DONE or (other.state in _LIVE and other.number < trial.number) for other in others):
            return True
        with suppress(UpdateFinishedTrialError):
            self.storage.set_trial_user_attr(trial._trial_id, "double", True)
            self.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        return False

    @contextmanager
    def alive(self, trial: FrozenTrial) -> Iterator[None]:
        """Say, while the block runs, that its process lives; a place that does not answer is asked again."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(self.asked.heartbeat):
                with suppress(StorageInternalError):
                    self.storage.record_heartbeat(trial._trial_id)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def finish(self, trial: FrozenTrial, row: Mapping[str, Any]) -> bool:
        """Keep a trial's row; False where it was given to another process meanwhile, whose row counts."""
        with suppress(UpdateFinishedTrialError):
            self.storage.set_trial_user_attr(trial._trial_id, "row", dict(row))
            if "error" in row:
                return self.storage.set_trial_state_values(trial._trial_id, TrialState.PRUNED)
            return self.storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [row["top1"]])
        return False

    def give_back(self, trial: FrozenTrial) -> None:
        """Let an own trial wait for another process."""
        with suppress(UpdateFinishedTrialError):
            self.storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)

    def fail(self, trial: FrozenTrial) -> None:
        """Say that an own trial cannot be done here; after `TRIES` of them its point is given up."""
        with suppress(UpdateFinishedTrialError):
            self.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)

    def free_stale(self) -> None:
        """Take their trials from processes that no longer say that they live."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            fail_stale_trials(self.study)

    def mend(self) -> None:
        """Give a trial to every point that has none which waits, runs or is done, unless it is given up."""
        found = self._by_point()
        for point in range(len(self.points)):
            trials = found[point]
            if not any(trial.state in _LIVE for trial in trials) and _failed(trials) < TRIES:
                self.study.add_trial(create_trial(state=TrialState.WAITING, user_attrs={"point": point}))

    def standing(self) -> Standing:
        """How far the study is."""
        found = self._by_point()
        counts = dict.fromkeys(("done", "running", "given_up"), 0)
        for point in range(len(self.points)):
            states = {trial.state for trial in found[point]}
            if states & {*_DONE}:
                counts["done"] += 1
            elif TrialState.RUNNING in states:
                counts["running"] += 1
            elif TrialState.WAITING not in states and _failed(found[point]) >= TRIES:
                counts["given_up"] += 1
        return Standing(len(self.points), waiting=len(self.points) - sum(counts.values()), **counts)

    def rows(self) -> list[dict[str, Any]]:
        """The rows of all points that are done, in the order of the grid, each with its "point", the place in
        `Asked.points`; a point that was given up tells so."""
        rows, found = [], self._by_point()
        for point, (model, plan) in enumerate(self.points):
            done = next((trial.user_attrs["row"] for trial in found[point] if trial.state in _DONE), None)
            if done is not None:
                rows.append({**done, "point": point})
            elif not any(trial.state in _LIVE for trial in found[point]) and _failed(found[point]) >= TRIES:
                told = f"{TRIES} processes ended while they did it; do it by 'sweep' to see why."
                begins = {"point": point, "model": model, "criterion": plan.criterion, "scope": plan.scope}
                rows.append({**begins, "error": told})
        return rows

    def report(self) -> tuple[Standing, list[dict[str, Any]]]:
        """How far the study is, and its rows, for who asks once; raises PruningError where nobody answers."""
        with places.usable(places.place()):
            return self.standing(), self.rows()

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states or None)

    def _by_point(self) -> dict[int, list[FrozenTrial]]:
        found: dict[int, list[FrozenTrial]] = defaultdict(list)
        for trial in self._trials():
            found[trial.user_attrs["point"]].append(trial)
        return found


def _failed(trials: list[FrozenTrial]) -> int:
    return sum(trial.state == TrialState.FAIL and "double" not in trial.user_attrs for trial in trials)


def found(name: str) -> Ledger | None:
    """The study of that name, if there is one; raises PruningError where studies cannot be read."""
    url = places.place()
    storage = places.opened(url)
    with places.usable(url):
        try:
            study = optuna.load_study(study_name=name, storage=storage)
        except KeyError:
            return None
        kept = study.user_attrs.get("study")  # missing where whoever began it was ended at once
        return None if kept is None else Ledger(name, Asked.kept(kept["asked"]), kept["known"], study, storage)


def begin(name: str, asked: Asked, known: Mapping[str, Any]) -> Ledger:
    """A new study with all its trials; raises DataError where there is another of that name."""
    url = places.place()
    storage = places.opened(url)
    with places.usable(url):
        with suppress(DuplicatedStudyError):
            study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
            study.set_user_attr("study", {"asked": asked.told(), "known": dict(known)})
        study = optuna.load_study(study_name=name, storage=storage)
        if "study" not in study.user_attrs:  # whoever began it was ended at once
            study.set_user_attr("study", {"asked": asked.told(), "known": dict(known)})
        kept = study.user_attrs["study"]
        if kept != {"asked": asked.told(), "known": dict(known)}:
            raise DataError(f"There is another study '{name}' that asks for something else; choose another name.")
        ledger = Ledger(name, asked, known, study, storage)
        ledger.mend()
    return ledger


def named(name: str) -> Ledger:
    """The study of that name; raises DataError where there is none, with those that there are."""
    ledger = found(name)
    if ledger is None:
        url = places.place()
        with places.usable(url):
            others = optuna.get_all_study_names(places.opened(url))
        there = f"there are {listed(sorted(others), 8)}" if others else "there are none yet"
        raise DataError(f"There is no study '{name}' in '{places.shown(url)}': {there}; begin it by 'study {name}'.")
    return ledger
