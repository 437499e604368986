"""The crew: judges in a Ray cluster between which the images of one evaluation are divided.

Every sheet is whole batches of the order in which one process judges, so the answers are that process's; they come back
in that order. A sheet whose judge died is given to another one, and the judge is replaced.
Next door: `connect` finds the cluster, `judge` is the other end, `measure.hired` hands evaluations over.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from torch import nn

from ...measure import Masked, Predictions, hired
from ...types import LabelledImages, ModelInfo, PruningError
from .connect import Cluster, check_alike, connected, wanted
from .judge import Judge, Sheet, array_of, packed

_ROUNDS = 4  # sheets for each judge, so that a slow one does not keep the others waiting at the end
_AT_ONCE = 2  # sheets that a judge has: one under way, one at hand
_MOST_BYTES = 64 * 1024**2  # of pixels in a sheet
_TRIES = 3  # judges that may die over one sheet
_FREE = 600.0  # seconds until a core has room for the first judge


@dataclass
class Crew:
    """Judges, and what lies in the object store for them: models by hash, the images judged last by their batches."""

    cluster: Cluster
    ready: list[Any] = field(default_factory=list)
    starting: dict[Any, Any] = field(default_factory=dict)
    _models: WeakKeyDictionary[nn.Module, tuple[str, Any]] = field(default_factory=WeakKeyDictionary)
    _images: tuple[str, dict[bytes, Any]] = ("", {})

    def __post_init__(self) -> None:
        for _ in range(self.cluster.actors):
            self._employ()

    def predict(
        self, run: Masked, info: ModelInfo, data: LabelledImages, batches: list[np.ndarray]
    ) -> Iterator[Predictions]:
        """See `measure.Crew`. Raises PruningError where judges cannot work."""
        name, model = self._model(run.model)
        weights = self.cluster.ray.put({key: array_of(tensor) for key, tensor in run.weights.items()})
        sheets = self._divided(data, batches)

        def sheet(mine: list[np.ndarray]) -> Sheet:
            sizes = tuple(map(len, mine))
            return Sheet(name, info, run.bf16, sizes, model, weights, self._pixels(data, np.concatenate(mine)))

        yield from _Round(self, sheets, sheet).answers()

    def settle(self, reference: Any) -> None:
        """A judge that was starting is ready, or will never be: its machine may have left. Raises PruningError where no
        other one is there, and for a judge of other versions."""
        judge = self.starting.pop(reference)
        try:
            where, there = self.cluster.ray.get(reference)
        except self.cluster.ray.exceptions.RayError as error:
            if self.ready or self.starting:
                return
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
            raise PruningError(
                f"A process of the Ray cluster did not start ({reason}); install this project on all its machines."
            ) from error
        check_alike(there, where)
        self.ready.append(judge)

    def replace(self, judge: Any) -> None:
        """Employ another one in the place of a judge that died."""
        if judge in self.ready:
            self.ready.remove(judge)
            self._employ()

    def _employ(self) -> None:
        judge = self.cluster.actor(Judge, self.cluster.ray.get)
        self.starting[judge.about.remote()] = judge

    def _model(self, model: nn.Module) -> tuple[str, Any]:
        """A model's hash and its place in the object store, where it is put once."""
        if model not in self._models:
            found = packed(model)
            digest = hashlib.sha256(repr(found.modules).encode())
            for name, array in found.arrays.items():
                digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
            self._models[model] = digest.hexdigest()[:16], self.cluster.ray.put(found)
        return self._models[model]

    def _divided(self, data: LabelledImages, batches: list[np.ndarray]) -> list[list[np.ndarray]]:
        """Batches by sheet: `_ROUNDS` sheets a judge, where that makes no sheet too large."""
        largest = max(map(len, batches), default=1) * int(np.prod(data.images.shape[1:]))
        each = max(1, min(len(batches) // (_ROUNDS * self.cluster.actors), _MOST_BYTES // largest))
        return [batches[at : at + each] for at in range(0, len(batches), each)]

    def _pixels(self, data: LabelledImages, numbers: np.ndarray) -> Any:
        """Where these images lie in the object store; they are decoded and put there once, whatever judges them."""
        name = f"{data.name} {hashlib.sha256(data.labels.tobytes()).hexdigest()}"
        if self._images[0] != name:
            self._images = name, {}
        places, key = self._images[1], numbers.tobytes()
        if key not in places:
            places[key] = self.cluster.ray.put(replace(data, images=data.images[numbers], labels=data.labels[numbers]))
        return places[key]


class _Round:
    """One evaluation: sheets that wait, those under way by reference, and those that were answered out of turn."""

    def __init__(self, crew: Crew, sheets: list[list[np.ndarray]], made: Any) -> None:
        self.crew, self.sheets, self.made = crew, sheets, made
        self.waiting = deque(range(len(sheets)))
        self.under_way: dict[Any, tuple[int, Any]] = {}
        self.answered: dict[int, list[Predictions]] = {}
        self.tries = [0] * len(sheets)

    def answers(self) -> Iterator[Predictions]:
        """Predictions batch by batch, in the sheets' order; closed early, what no judge began is not begun."""
        ray, begun, turn = self.crew.cluster.ray, time.monotonic(), 0
        try:
            while turn < len(self.sheets):
                self._hand_out()
                found, _ = ray.wait([*self.under_way, *self.crew.starting], timeout=1.0)
                for reference in found:
                    self._take(reference)
                if not self.crew.ready and time.monotonic() - begun > _FREE:
                    raise PruningError("The Ray cluster has no room for a judge; try again once its cores are free.")
                while turn in self.answered:
                    yield from self.answered.pop(turn)
                    turn += 1
        finally:
            for reference in self.under_way:
                ray.cancel(reference)

    def _hand_out(self) -> None:
        for judge in self.crew.ready:
            has = sum(judge is other for _, other in self.under_way.values())
            for _ in range(_AT_ONCE - has):
                if self.waiting:
                    number = self.waiting.popleft()
                    self.tries[number] += 1
                    self.under_way[judge.answer.remote(self.made(self.sheets[number]))] = number, judge

    def _take(self, reference: Any) -> None:
        """A judge is ready, or a sheet is answered, or its judge died: then it goes to another one."""
        if reference in self.crew.starting:
            self.crew.settle(reference)
            return
        number, judge = self.under_way.pop(reference)
        try:
            self.answered[number] = self.crew.cluster.ray.get(reference)
        except self.crew.cluster.ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self.crew.cluster.ray.exceptions.RayActorError as error:
            if self.tries[number] >= _TRIES:
                raise PruningError(
                    f"{_TRIES} processes of the Ray cluster ended over the same images; give it more memory."
                ) from error
            self.waiting.appendleft(number)
            self.crew.replace(judge)


class Hired:
    """A crew that is called together when something is judged, and sent home in the end."""

    def __init__(self) -> None:
        self.crew: Crew | None = None

    def predict(
        self, run: Masked, info: ModelInfo, data: LabelledImages, batches: list[np.ndarray]
    ) -> Iterator[Predictions]:
        """See `measure.Crew`."""
        if self.crew is None:
            self.crew = Crew(connected())
        yield from self.crew.predict(run, info, data, batches)


@contextmanager
def judging() -> Iterator[None]:
    """While the block lasts, the cluster that DIMAP_RAY names judges, if it names one."""
    if not wanted():
        yield
        return
    mine = Hired()
    try:
        with hired(mine):
            yield
    finally:
        if mine.crew is not None:
            mine.crew.cluster.leave()
