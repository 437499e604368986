"""Load test: the real app on a free port, N websocket sessions that move the ratio all the time.

    python -m benchmarks.load [--sessions 20] [--seconds 60] [--think 1.0] [--cold]

Each session speaks Streamlit's own protocol (protobuf over /_stcore/stream), polls its fragments as the browser does,
moves the map’s slider for all to ratios of its own and waits until the screen shows the params and MACs that
`plan.select` gives here for that plan: another session’s numbers would not match. Then it waits for first accuracy,
every third time for the last one. Afterwards a sample of the accuracies is compared with an evaluation in this process.
Nothing but loopback is used; the app is always stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import torch
import websockets
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from dimap_core import pipeline
from dimap_core.cut import masked_weights
from dimap_core.measure import estimate, masked, predict_all
from dimap_core.plan import SCOPES
from dimap_core.types import Part, PruningPlan
from pages.ui.look import formats
from pages.ui.parts import metrics

from .measured import command_line, machine, store, table

ROOT = Path(__file__).resolve().parent.parent
MODEL = "swin-textured"
PATIENCE = 90.0  # seconds a session waits for anything before it counts as an error
CHECKED = 40  # plans whose accuracies are checked in this process afterwards
_LOOK, _REST = 0.18, 0.45  # seconds, as answer.js and live_map.js wait
_SHOWN = re.compile(r"n = ([\d,]+)")


@contextlib.contextmanager
def app() -> Iterator[tuple[int, int, Path]]:
    """Run the app; yields (port, process id, file with what it printed) and kills it and its worker at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder) / "output.txt"
        with printed.open("w") as output:
            process = subprocess.Popen(
                [*command, "--server.headless", "true"], cwd=ROOT, stdout=output, stderr=output, start_new_session=True
            )
            try:
                _wait_healthy(port, process)
                yield port, process.pid, printed
            finally:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # its own group: the app and the worker it started
                process.wait()


def _wait_healthy(port: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError("The app did not start.")


def processes(pid: int) -> list[tuple[str, int]]:
    """The app and its children (the worker)."""
    found = [("app", pid)]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found += [("worker", int(child)) for child in (task / "children").read_text().split()]
    return found


def usage(pid: int) -> dict[str, float]:
    """MiB in RAM of app and worker ("private": without mapped files), and CPU seconds so far, the clients' too."""
    found = dict.fromkeys(("app", "app private", "worker", "worker private", "app CPU", "worker CPU"), 0.0)
    found["clients CPU"] = time.process_time()
    for name, process in processes(pid):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{process}/status").read_text().splitlines()
            lines = dict(line.split(":", 1) for line in status)
            found[name] += int(lines["VmRSS"].split()[0]) / 1024
            found[f"{name} private"] += int(lines["RssAnon"].split()[0]) / 1024
            ticks = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
            found[f"{name} CPU"] += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return found


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

    def __init__(self, number: int, expect: Callable[[PruningPlan], Part], log: Log) -> None:
        self.draw = random.Random(number)
        self.tenth = number // len(SCOPES) % 10 / 10  # ratios no other session of the same scope types
        self.plan = PruningPlan(scope=SCOPES[number % len(SCOPES)], ratio=round(0.3 + self.tenth / 100, 3))
        self.expect, self.log = expect, log
        self.screen = Screen()
        self.screen.query = urlencode(
            {"model": MODEL, "criterion": "dimap", "scope": self.plan.scope, "ratio": f"{self.plan.ratio:g}"}
        )
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
            await self._see(self._accuracy)
            self.log.opened.append(time.perf_counter() - start)
            while time.monotonic() < until:
                await asyncio.sleep(think * self.draw.uniform(0.5, 1.5))
                await self._move(to_the_end=number % 3 == 2)
                number += 1

    async def _move(self, to_the_end: bool) -> None:
        percent = self.draw.choice([p for p in range(5, 90) if abs(p - 100 * self.plan.ratio) >= 3]) + self.tenth
        self.plan = replace(self.plan, ratio=round(percent, 1) / 100)
        start, self.sent = time.perf_counter(), time.time() * 1000
        move = {"seq": self.sent, "drag": str(self.sent), "final": True, "all": self.plan.ratio}
        await self._send(*self.screen.feed, json_value=json.dumps({"move": move}))
        await self._see(self._counted)
        self.log.counts.append(time.perf_counter() - start)
        await asyncio.sleep(max(0.0, _REST - (time.perf_counter() - start)))
        await self._ask(self.screen.map, "rest")  # as the browser does when a hand rests: all of the page is drawn
        await self._see(self._accuracy)
        self.log.first.append(time.perf_counter() - start)
        if to_the_end:
            await self._see(self._judged)
            self.log.final.append(time.perf_counter() - start)
        self.log.shown.setdefault(self.plan, set()).add(self.screen.metrics["Top-1"])

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
        return self._counted() and value != "–" and bool(_SHOWN.search(below))

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

    async def _send(self, control: str = "", fragment: str = "", polled: bool = False, **state: str) -> None:
        """Ask for a run of the page, or of a `fragment`; `state`: what a control of it shows."""
        message = BackMsg()
        run = message.rerun_script
        run.query_string, run.page_script_hash = self.screen.query, self.screen.page
        run.fragment_id, run.is_auto_rerun = fragment, polled
        run.context_info.url = "http://127.0.0.1/"
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

    def _on_new_session(self, message: ForwardMsg) -> None:
        self.screen.page = message.new_session.page_script_hash
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
        elif kind == "exception":
            self.log.errors[f"exception on screen: {element.exception.type}"] += 1
        elif kind == "alert" and element.alert.format in (Alert.ERROR, Alert.WARNING):
            self.log.errors[f"on screen: {element.alert.body[:160]}"] += 1

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
    "new_session": Session._on_new_session,
    "auto_rerun": Session._on_auto_rerun,
    "stop_auto_rerun": Session._on_stop_auto_rerun,
    "page_info_changed": Session._on_page_info_changed,
    "script_finished": Session._on_script_finished,
    "delta": Session._on_delta,
}
"""What a session does with each kind of message; it passes over others."""


async def run(port: int, pid: int, arguments: argparse.Namespace, expect: Callable, log: Log) -> None:
    """All sessions at once, arriving within two seconds; memory is read every second."""
    if not arguments.cold:
        await Session(len(SCOPES), expect, log).warm_up(port)  # a ratio that was not measured beforehand
        log.messages = log.bytes = log.runs = 0
    began = time.monotonic()
    until = began + arguments.seconds

    async def watch() -> None:
        while True:
            log.usage.append(usage(pid))
            await asyncio.sleep(1)

    async def arrive(number: int) -> None:
        await asyncio.sleep(2 * number / arguments.sessions)
        await Session(number, expect, log).visit(port, until, arguments.think)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*map(arrive, range(arguments.sessions)))
    log.seconds = time.monotonic() - began
    watcher.cancel()


def expectations(opened: pipeline.Opened) -> Callable[[PruningPlan], Part]:
    """Plan -> cost of the cut, looked up in this process."""
    known: dict[PruningPlan, Part] = {}

    def expect(plan: PruningPlan) -> Part:
        if plan not in known:
            known[plan] = pipeline.apply_plan(opened, plan)[1].total
        return known[plan]

    return expect


def check_accuracies(opened: pipeline.Opened, log: Log) -> tuple[int, list[str]]:
    """(accuracies compared, those that differ from an evaluation of the same plan in this process)."""
    data, compared, wrong = pipeline.default_data(opened), 0, []
    for plan, shown in list(log.shown.items())[:CHECKED]:
        selection, _ = pipeline.apply_plan(opened, plan)
        weights = masked_weights(opened.model, opened.anatomy, pipeline.score(opened, plan), selection)
        predictions = predict_all(opened.model, opened.info, data, masked(opened.model, weights))
        for text in shown:
            n = int(_SHOWN.search(text[1])[1].replace(",", ""))
            prefix = replace(predictions, classes=predictions.classes[:n], in_top5=predictions.in_top5[:n])
            expected = f"{100 * estimate(prefix, data).top1.value:.1f} %"
            compared += 1
            if text[0] != expected:
                wrong.append(f"{plan.scope} {plan.ratio:g}, n = {n}: {text[0]} shown, {expected} expected")
    return compared, wrong


def report(log: Log, compared: int, wrong: list[str], printed: str, name: str) -> str:
    """Markdown: counts first, then times (kept under `name`), then memory."""
    moves, seconds, tracebacks = len(log.counts), log.seconds, printed.count("Traceback")
    facts = [
        ["errors seen by sessions", f"{sum(log.errors.values())}"],
        ["tracebacks printed by the app or worker", f"{tracebacks}"],
        ["moves whose params and MACs were shown as planned", f"{moves} ({moves / seconds:.1f} a second)"],
        ["accuracies equal to this process's own evaluation", f"{compared - len(wrong)} of {compared}"],
        ["CPU, share of one core: app, worker, clients", _busy(log.usage, seconds)],
        ["app CPU a script or fragment run", f"{_app_cpu(log):.0f} ms ({log.runs / seconds:.0f} runs a second)"],
        ["messages a move", f"{log.messages / max(moves, 1):.0f} ({log.bytes / max(moves, 1) / 1024:.0f} KiB)"],
    ]
    rows = [
        ["first visitor: start, all images", log.cold],
        ["open the page", log.opened],
        ["counts", log.counts],
        ["first accuracy", log.first],
    ]
    times = [[name, *_percentiles(found)] for name, found in [*rows, ["all 1,080 images", log.final]]]
    columns = (["from the move to", "n", "p50", "p95", "max"], ["MiB in RAM", "start", "middle", "end", "largest"])
    memory = _memory_rows(log.usage)
    store(name, columns[0], times)
    store("load_memory", columns[1], memory)
    parts = [table(["load test", "value"], facts), "", table(columns[0], times), "", table(columns[1], memory)]
    parts += [f"\nerror x {number}: {text}" for text, number in log.errors.items()] + [f"\n{line}" for line in wrong]
    if tracebacks:
        parts += ["", printed[-3000:]]
    return "\n".join(parts)


def _percentiles(seconds: list[float]) -> list[str]:
    if not seconds:
        return ["0", "–", "–", "–"]
    return [f"{len(seconds)}", *(f"{np.percentile(seconds, p):.2f} s" for p in (50, 95, 100))]


def _busy(samples: list[dict[str, float]], seconds: float) -> str:
    names = ("app CPU", "worker CPU", "clients CPU")
    return ", ".join(f"{100 * (samples[-1][name] - samples[0][name]) / seconds:.0f} %" for name in names)


def _app_cpu(log: Log) -> float:
    return 1000 * (log.usage[-1]["app CPU"] - log.usage[0]["app CPU"]) / max(log.runs, 1)


def _memory_rows(samples: list[dict[str, float]]) -> list[list[str]]:
    """Start is when a tenth of the time is over: by then every session is open."""
    at = [len(samples) // 10, len(samples) // 2, len(samples) - 1]
    return [
        [name, *(f"{samples[i][name]:.0f}" for i in at), f"{max(sample[name] for sample in samples):.0f}"]
        for name in samples[0]
        if not name.endswith("CPU")
    ]


def main() -> None:
    """Start the app, load it, report."""
    parser = command_line(__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=1.0, help="mean pause before a move")
    parser.add_argument("--cold", action="store_true", help="all sessions arrive before the worker has started")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(machine(), f"{arguments.sessions} sessions, {arguments.seconds:g} s.\n", flush=True)
    opened, log = pipeline.open_model(MODEL), Log()
    expect = expectations(opened)
    expect(PruningPlan(ratio=0.5))
    with app() as (port, pid, printed):
        asyncio.run(run(port, pid, arguments, expect, log))
        text = printed.read_text(errors="replace")
    print(report(log, *check_accuracies(opened, log), text, "load_cold" if arguments.cold else "load"))
    sys.exit(1 if log.errors else 0)


if __name__ == "__main__":
    main()
