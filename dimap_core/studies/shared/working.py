"""One process that does a study's trials until all are done, beside any others.

Next door: `ledger` says which trial, `same` whether this process may, `rows` measures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial

from ...types import PruningError
from . import rows, same
from .ledger import Ledger, Standing
from .storage import GRACE

T = TypeVar("T")
OUTAGE = 600.0  # seconds that a place may not answer
_PAUSE = 1.0
_LOOK = 5.0  # seconds between two looks at how far all processes are


@dataclass(frozen=True)
class Progress:
    """How far the study is, how many trials this process did, and the seconds that are left at the pace of all
    processes since this one began; None where nobody knows."""

    standing: Standing
    own: int
    seconds: float | None = None


@dataclass
class Worker:
    """A process at work: `data` as in `same.open_for`."""

    ledger: Ledger
    data: str | None = None
    told: Callable[[str], None] = lambda _: None
    own: int = 0
    _since: float = field(default_factory=time.monotonic)
    _open: tuple[str, Any, Any] | None = None

    def steadily(self, ask: Callable[[], T]) -> T:
        """What the place answers, however often it has to be asked; raises PruningError after `OUTAGE`."""
        begun = time.monotonic()
        while True:
            try:
                return ask()
            except StorageInternalError as error:
                reason = str(error.__cause__ or error).strip().partition("\n")[0]
                if time.monotonic() - begun > OUTAGE:
                    raise PruningError(f"Where studies are kept nobody answers ({reason}); start it again.") from error
                if self._since < begun:
                    self.told(f"Where studies are kept nobody answers ({reason}); asking again ...")
                self._since = time.monotonic()
            time.sleep(_PAUSE)

    def do(self, trial: FrozenTrial) -> None:
        """Measure an own trial and keep its row; given back where this process cannot do it."""
        ledger, done = self.ledger, False
        model, plan = ledger.points[trial.user_attrs["point"]]
        try:
            with ledger.alive(trial):
                opened, judged = self._opened(model)
                row = rows.row(model, opened, judged, plan, ledger.asked.limit)
                self.own += self.steadily(lambda: ledger.finish(trial, row))
            done = True
        except (PruningError, KeyboardInterrupt):
            done = True
            self.steadily(lambda: ledger.give_back(trial))
            raise
        finally:
            if not done:
                self.steadily(lambda: ledger.fail(trial))

    def look_after(self) -> Standing:
        """Let nothing wait for a process that ended; how far the study is then.

        Not within `GRACE` heartbeats of an answer that failed to come: all others could not say that they live either.
        """
        if time.monotonic() - self._since > GRACE * self.ledger.asked.heartbeat:
            self.steadily(self.ledger.free_stale)
        self.steadily(self.ledger.mend)
        return self.steadily(self.ledger.standing)

    def _opened(self, model: str) -> tuple[Any, Any]:
        """The model with its images, once it is sure that they are the study's; one model at a time."""
        if self._open is None or self._open[0] != model:
            self._open = None
            opened, judged = same.open_for(self.ledger.asked, model, self.data)
            here = same.hashes(self.ledger.asked, opened, judged)
            same.check_hashes(self.ledger.name, self.ledger.known, model, here)
            self._open = model, opened, judged
        return self._open[1:]


def work(
    ledger: Ledger, data: str | None = None, told: Callable[[str], None] = lambda _: None, every: float = _LOOK
) -> Iterator[Progress]:
    """Do trials until none is left; yields how far the study is, first, every few seconds, and last. Closed between two
    of these, it leaves no trial under way.

    Args:
        data: where the images lie on this machine, if not where the study says.
        told: is called with a sentence where the place does not answer.
        every: seconds between two looks at how far all processes are.

    Raises:
        DataError: other versions, weights or images than the study was begun with.
        PruningError: the place is gone.
    """
    same.check_versions(ledger.name, ledger.known)
    worker, begun = Worker(ledger, data, told), time.monotonic()
    standing = worker.look_after()
    first = standing.done
    yield Progress(standing, 0)
    looked = time.monotonic()
    while standing.left:
        trial = worker.steadily(ledger.take)
        if trial is not None:
            worker.do(trial)
        if trial is None:
            standing = worker.look_after()
            if standing.left and not standing.waiting:
                time.sleep(min(ledger.asked.heartbeat / 3, every))
        if time.monotonic() - looked > every:
            standing, looked = worker.steadily(ledger.standing), time.monotonic()
            yield _progress(worker, standing, standing.done - first, looked - begun)
    yield _progress(worker, standing, standing.done - first, time.monotonic() - begun)


def _progress(worker: Worker, standing: Standing, done: int, seconds: float) -> Progress:
    return Progress(standing, worker.own, standing.left * seconds / done if done else None)
