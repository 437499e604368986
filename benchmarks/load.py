"""Load test: the real app on a free port, N websocket sessions that move the ratio all the time.

    python -m benchmarks.load [--sessions 20] [--seconds 60] [--think 1.0] [--cold] [--lesson]

Each session moves the map’s slider for all to ratios of its own and waits until the screen shows the params and MACs
that `plan.select` gives here for that plan: another session’s numbers would not match. Then it waits for first
accuracy, every third time for the last one. Afterwards a sample of the accuracies is compared with an evaluation in
this process. With --lesson the sessions are thirty learners who move the slider of lesson 2 every ten seconds.
Nothing but loopback is used; the app is always stopped.
Next door: `visitors` and `learners` are the sessions, `served` is the app.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from dimap_core import pipeline
from dimap_core.cut import masked_weights
from dimap_core.measure import estimate, masked, predict_all
from dimap_core.plan import SCOPES
from dimap_core.types import Part, PruningPlan

from .learners import Learner
from .measured import command_line, machine, store, table
from .served import app, usage
from .visitors import MODEL, SHOWN, Log, Session

CHECKED = 40  # plans whose accuracies are checked in this process afterwards


async def run(port: int, pid: int, arguments: argparse.Namespace, expect: Callable, log: Log) -> None:
    """All sessions at once, arriving within two seconds; memory is read every second."""
    if not arguments.cold:
        await Session(len(SCOPES), expect, log).warm_up(port)  # a ratio that was not measured beforehand
        log.messages = log.bytes = log.runs = 0
    kind = Learner if arguments.lesson else Session
    began = time.monotonic()
    until = began + arguments.seconds

    async def watch() -> None:
        while True:
            log.usage.append(usage(pid))
            await asyncio.sleep(1)

    async def arrive(number: int) -> None:
        await asyncio.sleep(2 * number / arguments.sessions)
        await kind(number, expect, log).visit(port, until, arguments.think)

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
            n = int(SHOWN.search(text[1])[1].replace(",", ""))
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
    if name != "load_lesson":
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
    parser.add_argument("--sessions", type=int, help="20, or 30 learners")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, help="mean pause before a move: 1 s, of learners 10 s")
    parser.add_argument("--cold", action="store_true", help="all sessions arrive before the worker has started")
    parser.add_argument("--lesson", action="store_true", help="a class in lesson 2 instead of visitors of Prune")
    arguments = parser.parse_args()
    arguments.sessions = arguments.sessions or (30 if arguments.lesson else 20)
    arguments.think = arguments.think or (10.0 if arguments.lesson else 1.0)
    torch.set_num_threads(1)
    print(machine(), f"{arguments.sessions} sessions, {arguments.seconds:g} s.\n", flush=True)
    opened, log = pipeline.open_model(MODEL), Log()
    expect = expectations(opened)
    expect(PruningPlan(ratio=0.5))
    with app() as (port, pid, printed):
        asyncio.run(run(port, pid, arguments, expect, log))
        text = printed.read_text(errors="replace")
    name = "load_lesson" if arguments.lesson else "load_cold" if arguments.cold else "load"
    print(report(log, *check_accuracies(opened, log), text, name))
    sys.exit(1 if log.errors else 0)


if __name__ == "__main__":
    main()
