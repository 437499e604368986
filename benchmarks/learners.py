"""Learners: visitors who open lesson 2 at its second step, lock in a guess, and move the one threshold for all weights.

Next door: `visitors`, whose way of speaking and waiting they have; `load` sends thirty of them at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.Common_pb2 import DoubleArray

from dimap_core.types import Part, PruningPlan

from .visitors import Log, Session

_GUESS, _LOCK, _SLIDER = "guess_2_2", "lock", "lesson_ratio"  # keys of the step's controls
_PERCENTS = range(5, 78)  # the step ticks itself off at 80


class Learner(Session):
    """One browser of a class: it moves by the lesson's slider, and the plan is the lesson's."""

    address = "learn"

    def __init__(self, number: int, expect: Callable[[PruningPlan], Part], log: Log) -> None:
        super().__init__(number, expect, log)
        self.number = number
        self.plan = PruningPlan(criterion="magnitude", scope="model", ratio=0.0)
        self.screen.query = urlencode({"lesson": 2, "step": 2})

    async def _begin(self) -> None:
        """Lock in a guess, which sets the slider free."""
        await self._see(lambda: _GUESS in self.screen.controls)
        options = self.screen.options[_GUESS]
        await self._show(_GUESS, string_value=options[self.number % len(options)])
        await self._see(lambda: _LOCK in self.screen.controls)
        await self._send(*self.screen.controls[_LOCK], trigger_value=True)
        await self._see(lambda: _SLIDER in self.screen.controls and self._counted())

    async def _hand(self) -> None:
        """Move the slider to another whole percent."""
        percent = self.draw.choice([one for one in _PERCENTS if one != round(100 * (self.plan.ratio or 0))])
        self.plan = replace(self.plan, ratio=percent / 100)
        await self._show(_SLIDER, double_array_value=DoubleArray(data=[percent]))

    async def _show(self, key: str, **state: Any) -> None:
        control, fragment = self.screen.controls[key]
        self.held[control] = state
        await self._send(fragment=fragment)

    async def _rest(self, spent: float) -> None:
        """The slider draws the whole page with every move."""
