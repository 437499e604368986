"""Find: the best cut for a budget, and the front over all of them, from training images alone; then one look.

    asked     every candidate at the asked budget with the quick refit
    finalists the best few of them, fixed rules and found ones, with the real repair; the nearest wins
    heads     if heads go in the nearest one found: a few more or less, stage by stage, with the real repair
    search    if time was given: shares vary around the winner, and it is told if that gained nothing
    answer    winner and best fixed rule judged on validation images, side by side
    front     every candidate at every other budget with the quick refit: enough to see where things break; it comes
              first where an accuracy is asked for

Ours, from a study with this project's own core; what it owes to whom is in `criteria.reconstruction`.
Next door: `candidates`, `bench`, `kept`, `search`, `answer`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...pipeline import Opened, Progress, check_trained, meet_latency
from ...types import HOME_SET, Budget, InvalidPlan, PruningError, PruningPlan, check_place, home
from ..effort import TimeLeft
from .answer import answer
from .bench import RACED, Bench, Trial, bench, gain, nearer
from .candidates import Candidate, candidates
from .kept import Kept
from .search import HEADS, fewer_heads, neighbours, possible
from .wanted import Wanted

BUDGETS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9)
"""Shares to remove at which the front is drawn."""

FRONT_IMAGES = RACED
_FINALISTS = 2  # of each sort that get the real repair
_AIMS = 5  # halvings towards a wanted accuracy
_ALL, _FINAL = 3.0, 20.0  # work of a trial on all images that choose, and of one with the real repair; of the front: 1
Events = Iterator[dict[str, Any]]


@dataclass
class _Found:
    """What is known on the way, and how long the rest takes; work is counted in trials of the front."""

    clock: TimeLeft
    front: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Trial] = field(default_factory=list)
    latency: dict[PruningPlan, float] = field(default_factory=dict)
    answer: dict[str, Any] | None = None
    begun: float = field(default_factory=time.monotonic)
    left: float | None = None

    def rival(self, tested: Bench, rule: bool) -> Trial | None:
        """The last of those of a sort that would get the real repair, once there are enough of them."""
        alike = sorted((t for t in self.asked if t.rule == rule and tested.whole(t)), key=lambda trial: trial.mean)
        return alike[_FINALISTS - 1] if len(alike) >= _FINALISTS else None

    def events(
        self, steps: Generator[Progress, None, Trial | None], work: float
    ) -> Generator[dict[str, Any], None, Trial | None]:
        """A trial's progress as events; `work`: how much of the whole it is."""
        while True:
            try:
                doing, _, _ = next(steps)
            except StopIteration as end:
                self.left = self.clock.after(work)
                return end.value
            yield self.event(doing)

    def said(self, steps: Generator[dict[str, Any], None, dict[str, Any]]) -> Generator[dict[str, Any], None, Any]:
        """What is done meanwhile, as events."""
        while True:
            try:
                doing = next(steps)["doing"]
            except StopIteration as end:
                return end.value
            yield self.event(doing)

    def event(self, doing: str) -> dict[str, Any]:
        """What is done now, how far all of it is, the seconds left, and all that is known."""
        told = {"doing": doing, "step": self.clock.done, "steps": self.clock.work, "front": self.front}
        told |= {} if self.answer is None else {"answer": self.answer}
        return told if self.left is None else {**told, "seconds_left": self.left}


def find(
    opened: Opened,
    wanted: Wanted,
    out: Path | None = None,
    budgets: Sequence[float] = BUDGETS,
    state: Path | None = None,
) -> Events:
    """Yield {"doing", "step", "steps", "seconds_left", "front": rows so far} all the way, with {"tried": rows} of the
    finalists and, once it is known, {"answer": ...}; at last {"result": the answer, with the whole front}. `out`: the
    directory to write the winner to; `budgets` of the front, beside the asked one; `state`: a file for what was tried,
    from which a search that was stopped goes on. Close it to cancel."""
    wanted.checked()
    check_trained(opened)
    check_place(home(), PruningError, HOME_SET)  # looks are counted there: better refused now than after all of it
    found, tested = _Found(TimeLeft(_work(wanted, budgets))), bench(opened, wanted.images, wanted.seed)
    tested.kept = Kept(state)
    others = sorted({*budgets} - {wanted.budget})
    yield from _told(tested.look())
    yield from _front(tested, wanted, [wanted.budget] if wanted.budget else others, found)
    share = wanted.budget or (yield from _share_for(tested, wanted, budgets, found))
    finalists = yield from _finalists(tested, wanted, share, found)
    yield {**found.event("Choosing"), "tried": [trial.row() for trial in finalists]}
    best = min(finalists, key=lambda trial: trial.mean)
    rule = min((trial for trial in finalists if trial.rule), key=lambda trial: trial.mean)
    told: dict[str, Any] = {}
    if wanted.seconds:
        best, told = yield from _searched(tested, best, wanted, found)
    result = yield from found.said(answer(tested, best, rule, out))
    if best.plan in found.latency:  # of what a search made of it nothing was measured
        told["latency_removed"] = found.latency[best.plan]
    seconds = round(time.monotonic() - found.begun, 1)
    found.answer = {**result, "trials": tested.trials, "seconds": seconds, **told}
    yield from _front(tested, wanted, others if wanted.budget else [], found)
    yield {"result": {**found.answer, "front": found.front}}


def _told(steps: Iterator[Progress]) -> Events:
    for doing, done, total in steps:
        yield {"doing": doing, "step": done, "steps": total}


def _plan(candidate: Candidate, share: float, wanted: Wanted) -> PruningPlan:
    kind: Budget = "macs" if wanted.budget_kind == "latency" else wanted.budget_kind
    return candidate.at(share, kind, wanted.granularity, wanted.images, wanted.seed)


def _work(wanted: Wanted, budgets: Sequence[float]) -> float:
    """All trials, as far as they are known beforehand."""
    options = candidates(wanted.granularity)
    aims = 0 if wanted.budget else _AIMS * sum(not option.rule for option in options)
    heads = _FINALISTS * 4 * len(HEADS) if wanted.granularity == "structure" else 0
    finals = (3 if heads else 2) * _FINALISTS
    asked = len(options) * _ALL if wanted.budget else 0.0
    return len(options) * len({*budgets} - {wanted.budget}) + asked + (aims + heads) * _ALL + finals * _FINAL


def _front(tested: Bench, wanted: Wanted, shares: Sequence[float], found: _Found) -> Events:
    for candidate in candidates(wanted.granularity) if shares else ():  # a candidate's scores serve all shares
        for share in shares:
            asked = share == wanted.budget
            limit, rival, work = (None, found.rival(tested, candidate.rule), _ALL) if asked else (FRONT_IMAGES, None, 1)
            plan = _plan(candidate, share, wanted)
            trial = yield from found.events(tested.of(plan, candidate.rule, False, limit, rival), work)
            if trial is not None:
                found.front.append({"share": share, **trial.row()})
                found.asked += [trial] if asked else []


def _share_for(
    tested: Bench, wanted: Wanted, budgets: Sequence[float], found: _Found
) -> Generator[dict[str, Any], None, float]:
    """The largest share to remove at which some cut still has the wanted accuracy on the images that choose."""
    aim = wanted.keep_top1 or 0.0
    good = [row["share"] for row in found.front if row["top1"] >= aim]
    if not good:
        most = max((row["top1"] for row in found.front), default=0.0)
        raise InvalidPlan(
            f"No cut that was tried keeps {100 * aim:g} % of the images right; the most is {100 * most:.1f} %."
        )
    low = max(good)
    high = min((share for share in budgets if share > low), default=low)
    options = [option for option in candidates(wanted.granularity) if not option.rule]
    for _ in range(_AIMS):
        middle = round((low + high) / 2, 4)
        trials = []
        for option in options:
            plan = _plan(option, middle, wanted)
            trials.append((yield from found.events(tested.of(plan, False, False), _ALL)))
        reached = any(trial is not None and trial.top1 >= aim for trial in trials)
        low, high = (middle, high) if reached else (low, middle)
    return low


def _finalists(
    tested: Bench, wanted: Wanted, share: float, found: _Found
) -> Generator[dict[str, Any], None, list[Trial]]:
    """The best few of both sorts by the quick refit, tried with the real repair."""
    if not found.asked:  # the share came out of the front only now
        for option in candidates(wanted.granularity):
            rival = found.rival(tested, option.rule)
            steps = tested.of(_plan(option, share, wanted), option.rule, False, None, rival)
            trial = yield from found.events(steps, _ALL)
            found.asked += [trial] if trial is not None else []
    quick = sorted(filter(tested.whole, found.asked), key=lambda trial: trial.mean)
    if not {True, False} <= {trial.rule for trial in quick}:
        raise InvalidPlan(f"No cut removes {100 * share:g} % of the {wanted.budget_kind}; ask for less.")
    near = [trial for trial in quick if not trial.rule][:_FINALISTS]
    ours = [trial.plan for trial in near]
    for trial in near if wanted.granularity == "structure" else ():
        other = yield from _with_fewer_heads(tested, trial, found)
        ours += [other.plan] if other is not trial else []
    rules = [trial.plan for trial in quick if trial.rule][:_FINALISTS]
    trials = []
    for rule, plans in ((True, rules), (False, ours)):
        for plan in plans:
            if wanted.budget_kind == "latency":
                plan, solved = meet_latency(tested.opened, replace(plan, budget_kind="latency"))
                found.latency[plan] = solved.removed
            trial = yield from found.events(tested.of(plan, rule, True), _FINAL)
            trials += [trial] if trial is not None else []
    near = sorted((trial for trial in trials if not trial.rule), key=lambda trial: trial.mean)[:1]
    deep = [trial for trial in near if any(kind == "head" for (_, kind), _ in trial.plan.overrides)]
    for trial in deep if wanted.budget_kind != "latency" else ():
        other = yield from _with_other_heads(tested, trial, found)
        trials += [other] if other is not trial else []
    return trials


def _with_fewer_heads(tested: Bench, best: Trial, found: _Found) -> Generator[dict[str, Any], None, Trial]:
    """The cut with those shares of heads gone, stage by stage, that bring it nearest to the dense model."""
    for stage in range(len(tested.opened.anatomy.stages)):
        for other in fewer_heads(best.plan, stage):
            trial = yield from found.events(tested.of(other, False, False, None, best), _ALL)
            if trial is not None and nearer(tested, trial, best) and possible(tested.opened, other):
                best = trial
    return best


def _with_other_heads(tested: Bench, best: Trial, found: _Found) -> Generator[dict[str, Any], None, Trial]:
    """The cut with a few heads more or less, stage by stage, where the real repair brings it nearer: so deep, the quick
    refit is too far from it to choose between neighbours."""
    for stage in range(len(tested.opened.anatomy.stages)):
        for other in fewer_heads(best.plan, stage, near=True):
            if possible(tested.opened, other):
                trial = yield from found.events(tested.of(other, False, True, None, best), _FINAL)
                best = trial if trial is not None and nearer(tested, trial, best) else best
    return best


def _searched(
    tested: Bench, best: Trial, wanted: Wanted, found: _Found
) -> Generator[dict[str, Any], None, tuple[Trial, dict[str, Any]]]:
    """Vary the best cut for the given seconds; the better of both with the real repair, and what came of it."""
    rng, end = np.random.default_rng(wanted.seed), time.monotonic() + wanted.seconds
    start = near = yield from _quiet(tested.tried(best.plan, best.rule, False))
    plans, tries = neighbours(tested.opened, near.plan, rng), 0
    while (left := end - time.monotonic()) > 0:
        plan = next(plans)
        yield {**found.event("Searching near the best cut"), "seconds_left": left}
        if not possible(tested.opened, plan):
            continue
        trial = yield from _quiet(tested.tried(plan, False, False, None, near))
        tries += 1
        if nearer(tested, trial, near):
            near, plans = trial, neighbours(tested.opened, plan, rng)
    told: dict[str, Any] = {"tries": tries, "gained": False, "gain": None}
    if near is not start:
        final = yield from _quiet(tested.tried(near.plan, False, True))
        won = gain(final, best)
        told |= {"gain": [won.value, won.low, won.high], "gained": won.high < 0}
        best = final if won.high < 0 else best
    return best, {"search": told}


def _quiet(steps: Generator[Progress, None, Trial]) -> Generator[dict[str, Any], None, Trial]:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        yield {}
