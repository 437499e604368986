"""What a Ray cluster carries: 1, 2 and 4 actors against one process, what a move costs each part, 1,000 learners.

    python -m benchmarks.cluster [--repeats 3] [--sessions 4] [--seconds 60]

Ratios are of one cut judged on all images, by turns in one run; every number is compared. A move's cost is processor
time, in the worker alone and in the real app with DIMAP_RAY=auto (learners of lesson 2), so that other work on the
machine changes it little. The learners are simulated with these times (`queueing`).
"""

from __future__ import annotations

import asyncio
import os
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import torch

from dimap_core import pipeline
from dimap_core.measure import hired
from dimap_core.pipeline import cluster
from dimap_core.service import Worker
from dimap_core.types import PruningPlan

from .live import Pair, timed
from .load import expectations, run
from .measured import command_line, machine, store, table
from .queueing import Service, simulated, told
from .served import app
from .visitors import MODEL, Log

PLAN = PruningPlan(ratio=0.5)
CORES, FLEET, LEARNERS, THINK = 16, 10, 1000, 10.0
ROOM = 0.7  # of one core that a process may take before its queue grows long


def ratios(repeats: int) -> list[list[str]]:
    """Seconds of crews of 1, 2 and 4 judges for all images of a cut / those of this process."""
    found = cluster.connected(cores=4)
    crews = {size: cluster.Crew(replace(found, actors=size)) for size in (1, 2, 4)}
    pairs = {size: Pair() for size in crews}
    opened = pipeline.open_model(MODEL)
    data = pipeline.default_data(opened)
    wanted = pipeline.judge_fully(opened, data, PLAN)
    for number in range(1 + repeats):  # the first one calls the judges together
        alone = timed(lambda: pipeline.judge_fully(opened, data, PLAN))[0]
        for size, crew in crews.items():
            with hired(crew):
                seconds, estimate = timed(lambda: pipeline.judge_fully(opened, data, PLAN))
            if replace(estimate, seconds=0) != replace(wanted, seconds=0):
                raise RuntimeError(f"{size} judges say {estimate}, one process says {wanted}")
            if number:
                pairs[size].ours.append(seconds)
                pairs[size].naive.append(alone)
    found.leave()
    return [[f"{size} judge{'s' * (size > 1)} / one process", pair.cell()] for size, pair in pairs.items()]


def service() -> Service:
    """Processor time of a move that changes every layer, in a worker alone; medians."""
    firsts, steps, counts = [], [], []
    with TemporaryDirectory() as folder:
        worker = Worker(Path(folder))
        for number in range(9):
            recipe = {"version": 1, "ratio": 0.3 + number / 20}
            request = {"model": MODEL, "weights": "pretrained", "data": None, "kind": "evaluate", "recipe": recipe}
            worker.accept({**request, "session": str(number), "channel": "live", "ticket": str(number)})
            times, begun = [], time.process_time()
            while worker.busy:
                if "n" in worker.step().get("event", {}):
                    times.append(time.process_time() - begun)
            if number:  # the first one opened and judged the dense model
                firsts.append(times[0])
                steps.append((times[-1] - times[0]) / (len(times) - 1))
                counts.append(len(times) - 1)
    return Service(median(firsts), median(steps), round(median(counts)))


def processor_time(pid: int) -> dict[str, float]:
    """Seconds so far of the app, its relay, Ray's own processes and the actors."""
    found = dict.fromkeys(("app", "relay", "Ray", "actors"), 0.0)
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        try:
            command, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        name = "app" if process.pid == pid else "relay" if "cluster.relay" in command else "Ray"
        found["actors" if command.startswith("ray::Hands") else name] += times.user + times.system
    return found


def parts(sessions: int, seconds: float) -> dict[str, float]:
    """Processor seconds a move of each part of the real app, in lesson 2 with a local cluster."""
    log, arguments = Log(), Namespace(sessions=sessions, seconds=seconds, think=2.0, lesson=True, cold=True)
    expect = expectations(pipeline.open_model(MODEL))
    os.environ["DIMAP_RAY"] = "auto"
    with app() as (port, pid, _):
        asyncio.run(run(port, pid, Namespace(**{**vars(arguments), "seconds": 1.0, "cold": False}), expect, Log()))
        before = processor_time(pid)
        asyncio.run(run(port, pid, arguments, expect, log))
        after = processor_time(pid)
    if log.errors or not log.counts:
        raise RuntimeError(f"no clean run: {log.errors}")
    return {name: (after[name] - before[name]) / len(log.counts) for name in after} | {"moves": len(log.counts)}


def learners(found: Service, each: dict[str, float]) -> list[list[str]]:
    """Rows of the simulation, and how many apps such a class needs."""
    rows = []
    for what, actors in ((f"{CORES} cores", CORES), (f"{FLEET} x {CORES} cores", FLEET * CORES)):
        for count in (LEARNERS // 10, LEARNERS):
            outcome = simulated(count, actors, found, THINK)
            judged = float(np.isfinite(outcome.whole).mean())
            apps = count / THINK * each["app"] / ROOM
            rows.append([
                what, f"{count:,}", told(outcome.first, 50), told(outcome.first, 95), f"{judged:.0%}",
                told(outcome.whole, 50), f"{outcome.busy:.0%}", f"{max(1, int(np.ceil(apps)))}",
            ])  # fmt: skip
    return rows


def main() -> None:
    """Measure, simulate, keep both."""
    parser = command_line(__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["DIMAP_RAY"] = "auto"
    print(f"{machine()}\n", flush=True)
    found = service()
    rows = ratios(arguments.repeats)
    each = parts(arguments.sessions, arguments.seconds)
    rows += [["first accuracy, one core", f"{1000 * found.first:.0f} CPU ms"]]
    rows += [["all images, one core", f"{1000 * (found.first + found.steps * found.step):.0f} CPU ms"]]
    rows += [[f"{name}, a move", f"{1000 * each[name]:.1f} CPU ms"] for name in ("app", "relay", "Ray", "actors")]
    rows += [[f"moves of one process at {ROOM:.0%} of a core: {name}", f"{ROOM / each[name]:.0f} a second"]
             for name in ("app", "relay")]  # fmt: skip
    header = ["`swin-textured`, 1,080 images", "measured"]
    print(table(header, rows), "\n")
    store("cluster", header, rows)
    header = ["actors on", "learners", "first accuracy p50", "p95", "moves judged on all images", "all images p50",
              "actors busy", "app processes needed"]  # fmt: skip
    rows = learners(found, each)
    print(table(header, rows))
    store("cluster_learners", header, rows)
    print(f"\nAt the end: {machine()}")


if __name__ == "__main__":
    main()
