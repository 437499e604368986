"""Learners: visitors who open lesson 2 at its second step, lock in a guess, and move the one threshold for all weights.

Next door: `visitors`, whose way of speaking and waiting they have; `load` sends thirty of them at once.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from streamlit.proto.WidgetStates_pb2 import DoubleArray, WidgetState

from dimap_core.plan import SCOPES
from dimap_core.types import PruningPlan

from .visitors import Session

PLACE = {"lesson": 2, "step": 2}
_GUESS, _LOCK, _SLIDER = f"guess_{PLACE['lesson']}_{PLACE['step']}", "lock", "lesson_ratio"  # keys of controls
_ELSEWHERE = range(5, 75, 5)
"""Percents to move to: the step ticks itself off at 80."""


class Learner(Session):
    """One browser of a class: it moves by the lesson's slider, and the plan is the lesson's."""

    page = "learn"

    def __init__(self, number: int, *told: Any) -> None:
        super().__init__(number, *told)
        self.plan = PruningPlan(criterion="magnitude", scope=SCOPES[-1], ratio=0.0)
        self.screen.query = "&".join(f"{key}={value}" for key, value in PLACE.items())

    async def begin(self) -> None:
        """Lock in a guess, which sets the slider free."""
        await self._see(lambda: self._control(_GUESS))
        await self._send(*self._place(_GUESS), string_value=self.screen.options[_GUESS][self.number % 4])
        await self._see(lambda: self._control(_LOCK))
        await self._send(*self._place(_LOCK), trigger_value=True)
        await self._see(self._accuracy)

    async def move(self, to_the_end: bool) -> None:
        """To another percent, at which counts and accuracies come in."""
        now = round(100 * (self.plan.ratio or 0))
        self.plan = replace(self.plan, ratio=self.draw.choice([one for one in _ELSEWHERE if one != now]) / 100)
        start = time.perf_counter()
        await self._send(*self._place(_SLIDER), double_array_value=DoubleArray(data=[100 * self.plan.ratio]))
        await self._timed(start, to_the_end)

