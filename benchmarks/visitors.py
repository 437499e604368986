"""Visitors of the app without a browser: they speak Streamlit's own protocol (protobuf over /_stcore/stream), poll its
fragments as the browser does, and move the map's slider.
Next door: `served` runs the app, `load` lets many visit it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import websockets
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from dimap_core.plan import SCOPES
from dimap_core.types import Part, PruningPlan
from pages.ui.look import formats
from pages.ui.parts import metrics

from .served import PATIENCE

MODEL = "swin-textured"
SHOWN = re.compile(r"n = ([\d,]+)")
_LOOK, _REST = 0.18, 0.45  # seconds, as answer.js and live_map.js wait


@dataclass
class Log:
    """What all sessions saw."""

    counts: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    shown: dict[PruningPlan, set[tuple[str, str]]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    runs: int = 0
    bytes: int = 0
    usage: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Screen:
    """What one session sees: the newest metric of each label, and how often anything was drawn."""

    metrics: dict[str, tuple[str, str]] = field(default_factory=dict)
    seq: float = 0.0  # of the move that they answer
    map: tuple[str, str] = ("", "")  # id of the map, and of the part of the page that it lies in
    feed: tuple[str, str] = ("", "")  # the same of what brings answers
    controls: dict[str, tuple[str, str]] = field(default_factory=dict)  # by key, the same of others that are enabled
    options: dict[str, list[str]] = field(default_factory=dict)  # of radios
    page: str = ""
    query: str = ""
    timers: dict[str, asyncio.Task] = field(default_factory=dict)

    def stop_timers(self, fragments: Any = None) -> None:
        """Stop polling these fragments (None: all)."""
        for fragment in list(self.timers) if fragments is None else fragments:
            if fragment in self.timers:
                self.timers.pop(fragment).cancel()


class Session:
    """One visitor."""

    address = ""  # of the page it opens

    def __init__(self, number: int, expect: Callable[[PruningPlan], Part], log: Log) -> None:
        self.draw = random.Random(number)
        self.tenth = number // len(SCOPES) % 10 / 10  # ratios no other session of the same scope types
        self.plan = PruningPlan(scope=SCOPES[number % len(SCOPES)], ratio=round(0.3 + self.tenth / 100, 3))
        self.expect, self.log = expect, log
        self.screen = Screen()
        self.screen.query = urlencode(
            {"model": MODEL, "criterion": "dimap", "scope": self.plan.scope, "ratio": f"{self.plan.ratio:g}"}
        )
        self.held: dict[str, Any] = {}  # what controls show, by id: sent with every run, as the browser does
        self.news = asyncio.Event()
        self.sent: float = 0.0

    @contextlib.asynccontextmanager
    async def _tab(self, port: int) -> AsyncIterator[None]:
        """The page, open until the block ends; whatever goes wrong is logged."""
        url = f"ws://127.0.0.1:{port}/_stcore/stream"
        try:
            async with websockets.connect(url, max_size=None, compression=None) as self.socket:
                self.reader = asyncio.create_task(self._read())
                self.reader.add_done_callback(lambda task: self.news.set())
                try:
                    await self._send()
                    yield
                finally:
                    self.reader.cancel()
                    self.screen.stop_timers()
        except Exception as error:
            self.log.errors[f"{type(error).__name__}: {str(error)[:600]}"] += 1

    async def warm_up(self, port: int) -> None:
        """Be the first visitor: wait until the worker has started and judged all images."""
        start = time.perf_counter()
        async with self._tab(port):
            await self._see(self._judged)
            self.log.cold.append(time.perf_counter() - start)

    async def visit(self, port: int, until: float, think: float) -> None:
        """Open the page, move the ratio until the time is up, close the tab."""
        start, number = time.perf_counter(), 0
        async with self._tab(port):
            await self._begin()
            self.log.opened.append(time.perf_counter() - start)
            while time.monotonic() < until:
                await asyncio.sleep(think * self.draw.uniform(0.5, 1.5))
                await self._move(to_the_end=number % 3 == 2)
                number += 1

    async def _begin(self) -> None:
        await self._see(self._accuracy)

    async def _move(self, to_the_end: bool) -> None:
        start = time.perf_counter()
        await self._hand()
        await self._see(self._counted)
        self.log.counts.append(time.perf_counter() - start)
        await self._rest(time.perf_counter() - start)
        await self._see(self._accuracy)
        self.log.first.append(time.perf_counter() - start)
        if to_the_end:
            await self._see(self._judged)
            self.log.final.append(time.perf_counter() - start)
        self.log.shown.setdefault(self.plan, set()).add(self.screen.metrics["Top-1"])

    async def _hand(self) -> None:
        """Move the map's slider for all to a ratio of this session's own."""
        percent = self.draw.choice([p for p in range(5, 90) if abs(p - 100 * self.plan.ratio) >= 3]) + self.tenth
        self.plan, self.sent = replace(self.plan, ratio=round(percent, 1) / 100), time.time() * 1000
        move = {"seq": self.sent, "drag": str(self.sent), "final": True, "all": self.plan.ratio}
        await self._send(*self.screen.feed, json_value=json.dumps({"move": move}))

    async def _rest(self, spent: float) -> None:
        """As the browser does when a hand rests, `spent` seconds after the move: all of the page is drawn."""
        await asyncio.sleep(max(0.0, _REST - spent))
        await self._ask(self.screen.map, "rest")

    def _counted(self) -> bool:
        """The screen shows this plan, with its params and MACs."""
        part = self.expect(self.plan)
        params, macs = (
            (formats.count(after), f"{formats.less(before, after)} of {formats.count(before)}")
            for before, after in ((part.params, part.params_after), (part.macs, part.macs_after))
        )
        wanted = dict(zip(metrics.LEFT_BY_ZEROS, (params, macs), strict=True))
        return self.screen.seq >= self.sent and all(
            self.screen.metrics.get(label) == texts for label, texts in wanted.items()
        )

    def _accuracy(self) -> bool:
        value, below = self.screen.metrics.get("Top-1", ("–", ""))
        return self._counted() and value != "–" and bool(SHOWN.search(below))

    def _judged(self) -> bool:
        return self._accuracy() and "so far" not in self.screen.metrics["Top-1"][1]

    async def _see(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self.news.clear()
                    await self.news.wait()
                    if self.reader.done():
                        self.reader.result()
                        raise ConnectionError("The server closed the session.")
        except TimeoutError:
            polled, part = list(self.screen.timers), self.expect(self.plan)
            seen = f"{self.screen.metrics}, answers {self.screen.seq} of {self.sent}, polls {polled}"
            raise TimeoutError(
                f"{condition.__name__} of {100 * self.plan.ratio:g} % ({part.params_after}): {seen}"
            ) from None

    async def _send(self, control: str = "", fragment: str = "", polled: bool = False, **state: Any) -> None:
        """Ask for a run of the page, or of a `fragment`; `state`: what a control of it shows."""
        message = BackMsg()
        run = message.rerun_script
        run.query_string, run.page_script_hash = self.screen.query, self.screen.page
        run.page_name = "" if self.screen.page else self.address
        run.fragment_id, run.is_auto_rerun = fragment, polled
        run.context_info.url = "http://127.0.0.1/"
        for held, shown in self.held.items():
            run.widget_states.widgets.append(WidgetState(id=held, **shown))
        if control:
            run.widget_states.widgets.append(WidgetState(id=control, **state))
        await self.socket.send(message.SerializeToString())

    async def _ask(self, control: tuple[str, str], event: str) -> None:
        """Pull a trigger of the map or the feed."""
        events = json.dumps([{"event": event, "value": time.time()}])
        await self._send(_make_trigger_id(control[0], "events"), control[1], json_trigger_value=events)

    async def _look(self) -> None:
        """Ask for the next answer while images stream in, as the browser does."""
        await asyncio.sleep(_LOOK)
        await self._ask(self.screen.feed, "look")

    async def _poll(self, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await self._send(fragment=fragment, polled=True)

    async def _read(self) -> None:
        message = ForwardMsg()
        async for data in self.socket:
            message.ParseFromString(data)
            self.log.messages += 1
            self.log.bytes += len(data)
            if hear := _HEARD.get(message.WhichOneof("type")):
                hear(self, message)
            self.news.set()

    def _on_navigation(self, message: ForwardMsg) -> None:
        self.screen.page = message.navigation.page_script_hash

    def _on_new_session(self, message: ForwardMsg) -> None:
        if not message.metadata.run.fragment_ids:
            self.screen.stop_timers()  # a run of the whole page starts those anew that go on

    def _on_auto_rerun(self, message: ForwardMsg) -> None:
        fragment, interval = message.auto_rerun.fragment_id, message.auto_rerun.interval
        self.screen.stop_timers([fragment])
        self.screen.timers[fragment] = asyncio.create_task(self._poll(fragment, interval))

    def _on_stop_auto_rerun(self, message: ForwardMsg) -> None:
        self.screen.stop_timers(message.stop_auto_rerun.fragment_ids)

    def _on_page_info_changed(self, message: ForwardMsg) -> None:
        self.screen.query = message.page_info_changed.query_string

    def _on_script_finished(self, message: ForwardMsg) -> None:
        self.log.runs += 1
        if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.log.errors["A script did not compile."] += 1

    def _on_delta(self, message: ForwardMsg) -> None:
        if message.delta.WhichOneof("type") != "new_element":
            return
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "bidi_component":
            self._on_live(element.bidi_component, message.delta.fragment_id)
        elif kind in ("button", "radio", "slider"):
            self._on_control(getattr(element, kind), message.delta.fragment_id)
        elif kind == "exception":
            self.log.errors[f"exception on screen: {element.exception.type}"] += 1
        elif kind == "alert" and element.alert.format in (Alert.ERROR, Alert.WARNING):
            self.log.errors[f"on screen: {element.alert.body[:160]}"] += 1

    def _on_control(self, control: Any, fragment: str) -> None:
        key = control.id.rpartition("-")[2]
        self.screen.controls.pop(key, None)
        if not control.disabled:
            self.screen.controls[key] = control.id, fragment
        self.screen.options[key] = list(getattr(control, "options", ()))

    def _on_live(self, component: Any, fragment: str) -> None:
        """The map, or an answer."""
        if component.component_name == "dimap_map":
            self.screen.map = component.id, fragment
        if component.component_name != "dimap_feed" or not component.json:
            return
        self.screen.feed = component.id, fragment
        data = json.loads(component.json)["patch"]  # the whole answer: nobody here says which one it holds
        self.screen.metrics = {one["label"]: (one["value"], one["below"]) for one in data["numbers"]}
        self.screen.seq = data.get("seq", 0.0)
        self.screen.stop_timers(["look"])
        if data["running"]:
            self.screen.timers["look"] = asyncio.create_task(self._look())


_HEARD = {
    "navigation": Session._on_navigation,
    "new_session": Session._on_new_session,
    "auto_rerun": Session._on_auto_rerun,
    "stop_auto_rerun": Session._on_stop_auto_rerun,
    "page_info_changed": Session._on_page_info_changed,
    "script_finished": Session._on_script_finished,
    "delta": Session._on_delta,
}
"""What a session does with each kind of message; it passes over others."""
