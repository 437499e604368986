"""A small simulation: learners who move a slider, and actors that judge their cuts batch by batch as the worker does.

A learner stays with one actor. A new move goes to the front of its queue and drops the learner's older one; then
requests take turns, a batch each. Nothing is measured here.
Next door: `cluster` measures how long a batch takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Service:
    """Seconds of one core: for the `first` number, and for each of the `steps` batches after it."""

    first: float
    step: float
    steps: int


@dataclass
class Outcome:
    """Seconds from a move to its first number and to all images, infinite where the learner moved on before; `busy`:
    the share of the time that actors computed."""

    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    busy: float = 0.0


def simulated(
    learners: int, actors: int, service: Service, think: float = 10.0, seconds: float = 600.0, seed: int = 0
) -> Outcome:
    """`learners` spread evenly over `actors`, each moving after a pause of `think` seconds on average (exponential)."""
    rng, found, worked = np.random.default_rng(seed), Outcome(), 0.0
    for actor in range(actors):
        moves = sorted(
            (at, learner) for learner in range(actor, learners, actors) for at in _moves(rng, think, seconds)
        )
        worked += _served(deque(moves), service, seconds, found)
    found.busy = worked / (actors * seconds)
    return found


def _moves(rng: np.random.Generator, think: float, seconds: float) -> Iterator[float]:
    at = rng.exponential(think)
    while at < seconds:
        yield at
        at += rng.exponential(think)


def _served(moves: deque[tuple[float, int]], service: Service, seconds: float, found: Outcome) -> float:
    """Serve one actor's moves up to `seconds`; adds what they waited to `found`, returns the seconds it computed."""
    clock = worked = 0.0
    queue: deque[list[float]] = deque()  # learner, when asked, batches done
    while (moves or queue) and clock < seconds:
        if not queue:
            clock = max(clock, moves[0][0])
        while moves and moves[0][0] <= clock:
            at, learner = moves.popleft()
            for old in [task for task in queue if task[0] == learner]:
                queue.remove(old)
                found.whole.append(np.inf)
                found.first += [] if old[2] else [np.inf]
            queue.appendleft([learner, at, 0])
        task = queue.popleft()
        cost = service.step if task[2] else service.first
        clock, worked = clock + cost, worked + cost
        if not task[2]:
            found.first.append(clock - task[1])
        task[2] += 1
        if task[2] <= service.steps:
            queue.append(task)
        else:
            found.whole.append(clock - task[1])
    return worked


def told(seconds: list[float], percent: float) -> str:
    """That percentile as text."""
    value = float(np.percentile(seconds, percent, method="inverted_cdf"))
    return f"{value:.2f} s" if np.isfinite(value) else "moved on before"
