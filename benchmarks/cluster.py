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
from torch import nn

from dimap_core import pipeline
from dimap_core.measure import Predictions, Runner, concatenate, hired, predict_to_end
from dimap_core.pipeline import cluster
from dimap_core.service import Worker
from dimap_core.types import LabelledImages, ModelInfo, PruningPlan

from .live import Pair, timed
from .load import expectations, run
from .measured import command_line, machine, store, table
from .queueing import Service, simulated, told
from .served import app
from .visitors import MODEL, Log

PLAN = PruningPlan(ratio=0.5)
SIZES = (1, 2, 4)
LARGE, NOISE = "swin_tiny_patch4_window7_224", 48
COMPARED = ("classes", "in_top5", "confidence", "margin", "loss")
CORES, FLEET, LEARNERS, THINK = 16, 10, 1000, 10.0
Case = tuple[nn.Module, ModelInfo, LabelledImages, Runner | None, tuple[int, ...]]
ROOM = 0.7  # of one core that a process may take before its queue grows long


def small() -> Case:
    """The cut on all images of a bundled model."""
    opened = pipeline.open_model(MODEL)
    data = pipeline.default_data(opened)
    return opened.model, opened.info, data, pipeline.runner(opened, data, PLAN, None), opened.sizes


def large() -> Case:
    """A model of ImageNet's size with random weights, on noise: its answers mean nothing, its time does."""
    opened = pipeline.open_model(LARGE, "random")
    pixels = np.random.default_rng(0).integers(0, 256, (NOISE, 3, 224, 224), np.uint8)
    data = LabelledImages("noise", pixels, np.arange(NOISE) % 1000, opened.info.class_names)
    return opened.model, replace(opened.info, data="noise"), data, None, (4,)


def judged(case: Case) -> tuple[float, float, Predictions]:
    """(seconds, processor seconds of this process and all it started, answers to all images)."""
    model, info, data, run, sizes = case
    before = sum(processor_time(os.getpid()).values())
    seconds, found = timed(lambda: concatenate(list(predict_to_end(model, info, data, run, sizes=sizes))))
    return seconds, sum(processor_time(os.getpid()).values()) - before, found


def ratios(name: str, case: Case, everyone: cluster.Crew, repeats: int) -> list[list[str]]:
    """Crews of 1, 2 and 4 judges / this process: seconds, and processor time of all taken together."""
    with hired(everyone):
        wanted = judged(case)[2]  # not measured: the model and images are put where judges read them
        while len(everyone.ready) < max(SIZES):
            judged(case)
    waited, computed = ({size: Pair() for size in SIZES} for _ in range(2))
    for _ in range(repeats):
        alone, spent, answers = judged(case)
        for size in SIZES:
            crew = cluster.Crew(replace(everyone.cluster, actors=0))
            crew.cluster, crew.ready = replace(everyone.cluster, actors=size), everyone.ready[:size]
            with hired(crew):
                judged(case)
                seconds, work, found = judged(case)
            if not all(np.array_equal(getattr(found, key), getattr(answers, key)) for key in COMPARED):
                raise RuntimeError(f"{size} judges do not answer as one process does")
            for pair, ours, naive in ((waited[size], seconds, alone), (computed[size], work, spent)):
                pair.ours.append(ours)
                pair.naive.append(naive)
    assert np.array_equal(wanted.classes, answers.classes)
    return [
        [f"{name}: {size} judge{'s' * (size > 1)} / one process, {what}", pairs[size].cell()]
        for what, pairs in (("time", waited), ("processor time", computed))
        for size in SIZES
    ]


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
    """Processor seconds a move of each part of the real app, in lesson 2 with a local cluster: from when every session
    has moved once to the end."""
    expect, log, seen = expectations(pipeline.open_model(MODEL)), Log(), []
    asked = Namespace(sessions=sessions, seconds=seconds, think=2.0, lesson=True, cold=False)

    async def watched(port: int, pid: int) -> None:
        task = asyncio.create_task(run(port, pid, asked, expect, log))
        while not task.done():
            seen.append((len(log.counts), processor_time(pid)))
            await asyncio.wait([task], timeout=1.0)
        await task

    with app() as (port, pid, _):
        asyncio.run(watched(port, pid))
    begun, before = next((one for one in seen if one[0] >= sessions), seen[-1])
    ended, after = seen[-1]
    if log.errors or ended == begun or after["actors"] < before["actors"]:  # one that died took its time with it
        raise RuntimeError(f"no clean run: {log.errors}, {ended} moves, {before}, {after}")
    return {name: (after[name] - before[name]) / (ended - begun) for name in after} | {"moves": ended - begun}


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
    everyone = cluster.Crew(cluster.connected(cores=max(SIZES)))
    rows = ratios(f"`{MODEL}`, 1,080 images", small(), everyone, arguments.repeats)
    rows += ratios(f"`{LARGE}`, {NOISE} images", large(), everyone, arguments.repeats)
    everyone.cluster.leave()
    each = parts(arguments.sessions, arguments.seconds)
    rows += [[f"`{MODEL}`: first accuracy", f"{1000 * found.first:.0f} CPU ms"]]
    rows += [[f"`{MODEL}`: all 1,080 images", f"{1000 * (found.first + found.steps * found.step):.0f} CPU ms"]]
    rows += [
        [f"{name}, a move in lesson 2", f"{1000 * each[name]:.1f} CPU ms"] for name in ("app", "relay", "Ray", "actors")
    ]
    rows += [["moves in lesson 2 that were measured", f"{each['moves']}"]]
    rows += [[f"moves of one process at {ROOM:.0%} of a core: {name}", f"{ROOM / each[name]:.1f} a second"]
             for name in ("app", "relay")]  # fmt: skip
    header = ["what", "measured"]
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
